# The commands of docs/tutorial.md print what it says, on a terminal. To get it with what they print now, to be read and committed:
#
#   PDPP_WRITE_REFERENCE=/tmp test/as-postgres prove test/cluster/tutorial.t

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::INET;
use IPC::Run ();
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tutorial = slurp_file(abs_path(dirname(__FILE__) . '/../../docs/tutorial.md'));

my $node = PdppCluster->bare('main');

# Steps: a command, with the lines that go on with it, and what it shows.
my @steps;
for my $block ($tutorial =~ /^```console\n(.*?)^```$/gms)
{
	push @steps, map { /\A\$ (.*?\n(?:> .*?\n|>\n)*)(.*)\z/s ? { command => $1, shown => $2 } : die "no command: $_" } split /^(?=\$ )/m, $block;
}
cmp_ok(scalar @steps, '>', 30, 'there are commands');

# One shell for all of them, as a reader's, whose terminal it is. After each command a line that is nobody else's.
my $folder = PostgreSQL::Test::Utils::tempdir();
my $port = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
my $mark = '=== that was it ===';
open my $script, '>', "$folder/commands" or die "$folder/commands: $!";
print {$script} "mark() { local status=\$?; echo '$mark'; return \$status; }\n";
print {$script} $_->{command} =~ s/^> ?//gmr =~ s/\b8080\b/$port/gr, "mark\n" for @steps;
close $script;
local %ENV = (%ENV, PATH => dirname($ENV{PDPP_PROGRAM}) . ":$ENV{PATH}", PGHOST => $node->host, PGPORT => $node->port, PAGER => 'cat',
	LC_ALL => 'C.UTF-8', TERM => 'dumb');
my $out = '';
eval
{
	IPC::Run::run([ 'bash', '-c', 'cd "$1" && exec bash commands', 'bash', $folder ], '<pty<', \undef, '>pty>', \$out,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	1;
} or diag("the shell: $@");
my @printed = split /^\Q$mark\E\n/m, $out =~ s/\r//gr =~ s/\b$port\b/8080/gr, -1;
is(pop @printed, '', 'and nothing after the last command');

# What differs each time: times, generated ids, and what a shell says of processes that are killed.
sub masked
{
	my ($shown) = @_;
	return $shown =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/TIME/gr =~ s/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\b/TIME/gr
	  =~ s/\b(run|trc|evt|req)_[0-9a-f]{32}\b/$1_GENERATED/gr =~ s/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/EPOCH/gr
	  =~ s/\brun\@[^":]+:\d+/run\@HOST:PID/gr =~ s/^.*: line \d+:.*\bKilled\b.*\n//gmr;
}

is(scalar @printed, scalar @steps, 'every command has come to its end') or diag($out);
for my $i (0 .. $#steps)
{
	my $printed = masked($printed[$i] // '');
	is($printed, masked($steps[$i]{shown}), $steps[$i]{command} =~ s/\n.*//sr) unless $ENV{PDPP_WRITE_REFERENCE};
}
if ($ENV{PDPP_WRITE_REFERENCE})
{
	my $next = 0;
	my $new = $tutorial =~ s{(?<=^```console\n).*?(?=^```$)}{
		join '', map {
			my $printed = $printed[$next++] // '';
			$_->{command} =~ s/^(?!>)/\$ /r . (masked($printed) eq masked($_->{shown}) ? $_->{shown} : $printed)
		} @steps[ $next .. $next - 1 + (() = $& =~ /^\$ /mg) ]}gemsr;
	open my $file, '>', "$ENV{PDPP_WRITE_REFERENCE}/tutorial.md" or die "$ENV{PDPP_WRITE_REFERENCE}: $!";
	print {$file} $new;
	close $file;
}
$node->stop;
done_testing();
