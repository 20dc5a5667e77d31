# Manual pages say what --help says, and shells complete what the program takes: each is made by the program's description of
# its command line (client/pages). zsh, fish and mandoc are asked where they are installed.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = tempdir(CLEANUP => 1);
chdir $folder or die "$folder: $!";
for my $pages (qw(man completions))
{
	mkdir $pages or die "$pages: $!";
	is(system("'$pdpp' --describe | $top/client/pages/$pages $pages"), 0, "$pages are written");
}

sub output_of
{
	my (@command) = @_;
	open my $pipe, '-|', @command or die "@command: $!";
	my @lines = <$pipe>;
	close $pipe;
	return join '', @lines;
}

sub is_there { return grep { -x "$_/$_[0]" } split /:/, $ENV{PATH} }

my %help = ('' => output_of($pdpp, '--help'));
my ($list) = $help{''} =~ /^subcommands:\n(.*?)^\S/msi;
my @commands = sort $list =~ /^  ([a-z-]+)/mg;
cmp_ok(scalar @commands, '>=', 12, 'there are commands');
$help{$_} = output_of($pdpp, $_, '--help') for @commands;

# The options that a help lists, in both spellings.
sub options_in { return sort map { split /,\s*/ } $_[0] =~ /^ +((?:-\w,\s*)?--[a-z-]+)/mg }

# ---- manual pages ---------------------------------------------------------------------------------------------------

# The words of a page, without what troff makes of them.
sub words_of_page
{
	my ($page) = @_;
	$page =~ s/^\.(?:PP|RS.*|RE|EX|EE|TP|\\".*)\n//mg;
	$page =~ s/^\.(?:SH|BR) //mg;
	$page =~ s/\\f[BIPR]|\\&//g;
	$page =~ s/\\\(aq/'/g;
	$page =~ s/\\\(ga/`/g;
	$page =~ s/\\\(ha/^/g;
	$page =~ s/\\\(ti/~/g;
	$page =~ s/\\-/-/g;
	$page =~ s/\\e/\\/g;
	return join ' ', split ' ', $page;
}

my @linters = ([ 'groff', 'groff -man -ww -z -Tutf8' ], [ 'mandoc', 'mandoc -Tlint -Wwarning' ]);
for my $command ('', @commands)
{
	my $name = $command eq '' ? 'pdpp' : "pdpp-$command";
	open my $file, '<', "man/$name.1" or BAIL_OUT("$name: $!");
	my $page = do { local $/; <$file> };
	close $file;
	my @missing = grep { index($page, ".SH $_\n") < 0 } 'NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXIT STATUS', 'ENVIRONMENT',
	  'EXAMPLES', 'SEE ALSO';
	is("@missing", '', "$name(1) has its sections");
	my $words = words_of_page($page);
	is(join(' ', grep { index($words, $_) < 0 } options_in($help{$command})), '', "$name(1) has the options of --help");
	# what stands below the options, a paragraph at a time
	my ($below) = $help{$command} =~ /^Options:\n.*?\n\n(.*)/msi;
	($below) = $below =~ /\n\n(.*)/s if $command eq '';
	my @texts = map { join ' ', split ' ', s/^(?:Examples?|Exit codes|Environment):\n//r =~ s/`([^`]*)`/$1/gr }
	  grep { !/^(?:`pdpp COMMAND|Of every command)/ } split /\n{2,}/, $below;
	cmp_ok(scalar @texts, '>', 0, "pdpp $command --help says something");
	my @lost = grep { index($words, $_) < 0 } @texts;
	is(join("\n", @lost), '', "$name(1) says it too");
	for (@linters)
	{
		my ($linter, $call) = @{$_};
	  SKIP:
		{
			skip "$linter is not installed", 1 unless is_there($linter);
			is(output_of('sh', '-c', "$call man/$name.1 2>&1"), '', "$linter has nothing to say about $name(1)");
		}
	}
}
is(join(' ', map { s/.*\/pdpp-|\.1$//gr } sort glob 'man/pdpp-*'), "@commands", 'there is a page for each command and no other');

# ---- completions ----------------------------------------------------------------------------------------------------

sub in_bash
{
	my ($line) = @_;
	# the line as readline takes it apart
	my @words = ($line =~ /(=|[^\s=]+)/g, $line =~ /[\s=]$/ && $line !~ /=$/ ? '' : ());
	my $script = '. completions/pdpp.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pdpp; printf "%s\n" "${COMPREPLY[@]}"';
	return output_of('bash', '-c', $script, 'bash', @words);
}

sub in_zsh { return output_of("$top/test/lib/zsh-completions", 'completions', $_[0]) }

sub in_fish { return output_of('fish', '--no-config', '-c', 'source completions/pdpp.fish; complete -C $argv', $_[0]) }

# What a shell offers: one a line, with a description behind a tab.
sub offered { my %seen; return join ' ', sort grep { !$seen{$_}++ } map { s/\t.*//r =~ s/^--[a-z-]+=(?=.)//r =~ s/[= ]$//r } grep { /\S/ } split /\n/, $_[0] }

open my $file, '>', 'some-file' or die $!;
close $file;
mkdir 'some-folder' or die $!;
my @everywhere = ('--db', '--json');
my %expected = (
	'pdpp ' => "@commands",
	'pdpp st' => 'status',
	'pdpp --json --db app st' => 'status',
	'pdpp --db run st' => 'status',
	'pdpp runs --status ' => 'abandoned active cancelled completed failed',
	'pdpp runs --status=fa' => 'failed',
	'pdpp serve --log-format ' => 'json text',
	'pdpp --db app serve --log-level d' => 'debug',
	'pdpp serve --config some-' => 'some-file some-folder',
	'pdpp run --cwd some-' => 'some-folder');
$expected{"pdpp $_ --"} = join ' ', sort @everywhere, grep { /^--/ } options_in($help{$_}) for @commands;
my %shells = (bash => \&in_bash, zsh => \&in_zsh, fish => \&in_fish);
for my $shell (sort keys %shells)
{
  SKIP:
	{
		skip "$shell is not installed", scalar keys %expected unless is_there($shell);
		for my $line (sort keys %expected)
		{
			# a folder is shown with its slash, and fish completes either where it is to complete a folder
			my $offered = offered($shells{$shell}->($line)) =~ s{/}{}gr;
			$offered =~ s/some-file // if $line =~ /--cwd/ && $shell eq 'fish';
			is($offered, $expected{$line}, "$shell: $line");
		}
	}
}
# behind `--` the command line is another program's
is(offered(in_bash('pdpp run -- --')), '', 'bash: no options of ours behind --');
for my $shell (grep { is_there($_) } 'zsh', 'fish')
{
	like(offered($shells{$shell}->('pdpp run -- tru')), qr/\btrue\b/, "$shell: a program behind --");
	unlike(offered($shells{$shell}->('pdpp run -- env --')), qr/--connector/, "$shell: no options of ours behind --");
}

done_testing();
