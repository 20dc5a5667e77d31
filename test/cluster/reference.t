# The examples of README.md and docs/reference/sql.md print what they say, and docs/reference/ has everything that there is. To get
# README.md and sql.md with what the examples print now, to be read and committed:
#
#   PDPP_WRITE_REFERENCE=/tmp test/as-postgres prove test/cluster/reference.t

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my %page = map { $_ => slurp_file("$top/docs/reference/$_.md") } qw(sql settings errors cli);

my $node = PdppCluster->bare('main');

# One session for all the examples of a page, as a reader would type them.
my ($psql, $in, $out);

# What a statement prints.
sub answer_to
{
	my ($statement) = @_;
	$out = '';
	$in = "$statement\n\\echo the end\n";
	$psql->pump until $out =~ s/^the end\n\z//m;
	return $out;
}

# What differs each time: times, generated ids, epochs.
sub masked
{
	my ($printed) = @_;
	return $printed =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/TIME/gr =~ s/\b(run|trc|evt)_[0-9a-f]{32}\b/$1_GENERATED/gr
	  =~ s/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/EPOCH/gr;
}

# Runs the examples of a page in a database of its own; gives their number, and the page with what they print now.
sub run_examples
{
	my ($name, $text) = @_;
	($in, $out) = ('', '');
	$psql = IPC::Run::start([ 'psql', '-XAtq', '-F', ' | ', $node->connstr($name) ], '<', \$in, '>', \$out, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $examples = 0;
	my $written = $text =~ s{(?<=^```psql\n)(.*?)(?=^```$)}{
		my $block = $1;
		my $line = 1 + (substr($text, 0, $-[1]) =~ tr/\n//);
		my $new = '';
		# a statement goes from its prompt to the line that ends with a semicolon; what follows is its output
		for my $example (split /^(?==# )/m, $block)
		{
			my ($statement, $shown) = $example =~ /\A=# (.*?;)\n(.*)\z/s or die "$name, line $line: no statement: $example";
			my $printed = answer_to($statement);
			is(masked($shown), masked($printed), "$name: " . (split /\n/, $statement)[0]) unless $ENV{PDPP_WRITE_REFERENCE};
			$new .= "=# $statement\n" . (masked($shown) eq masked($printed) ? $shown : $printed);
			$examples++;
		}
		$new}gemsr;
	$psql->finish;
	if ($ENV{PDPP_WRITE_REFERENCE})
	{
		open my $file, '>', "$ENV{PDPP_WRITE_REFERENCE}/$name.md" or die "$ENV{PDPP_WRITE_REFERENCE}: $!";
		print {$file} $written;
		close $file;
	}
	return $examples;
}

$node->safe_psql('postgres', "CREATE DATABASE $_") for 'sql', '"README"';
$node->safe_psql('sql', 'CREATE EXTENSION pdpp');
cmp_ok(run_examples('sql', $page{sql}), '>', 20, 'there are examples');
cmp_ok(run_examples('README', slurp_file("$top/README.md")), '>', 4, 'and in the README');

# Every function, table, setting and error code has its place.
for my $name (split /\n/, $node->safe_psql('sql', q{
	SELECT DISTINCT '### `' || p.proname || '`' FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'pdpp' AND p.pronamespace <> 'pdpp'::regnamespace
	UNION ALL
	SELECT '| `' || c.oid::regclass || '`' FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND e.extname = 'pdpp' AND c.relkind IN ('r', 'v')}))
{
	ok(index($page{sql}, "\n$name") >= 0, "$name is described");
}
my @settings = split /\n/, $node->safe_psql('sql', q{LOAD 'pdpp';
	SELECT '| `' || name || '` | ' || coalesce(nullif(current_setting(name), ''), 'none') || ' |' FROM pg_settings WHERE name LIKE 'pdpp.%'});
cmp_ok(scalar @settings, '>=', 6, 'there are settings');
ok(index($page{settings}, "\n$_") >= 0, "$_ is described, with its default") for @settings;
my @codes = slurp_file("$top/extension/run/error.cpp") =~ /ErrorKind\{ErrorCode::(\w+),/g;
cmp_ok(scalar @codes, '>=', 17, 'there are codes');
ok(index($page{errors}, "\n| `$_` |") >= 0, "$_ is described") for @codes;

# Every command of the program has its section, which names its options; and none is described that is not there.
sub help_of
{
	my (@words) = @_;
	my ($help, $error) = run_command([ $ENV{PDPP_PROGRAM}, @words, '--help' ]);
	is($error, '', "pdpp @words --help");
	return $help;
}

# The options that a manual lists, one at the start of each entry.
sub options_in { my ($help) = @_; return sort grep { $_ ne '--help' } $help =~ /^ +(?:-\w,)?(--[a-z-]+)/mg; }

my $help = help_of();
my ($list) = $help =~ /^Subcommands:\n(.*?)^\S/msi;
my %is_command = map { $_ => 1 } $list =~ /^  ([a-z]+)/mg;
cmp_ok(scalar keys %is_command, '>=', 12, 'there are commands');
my %section = $page{cli} =~ /^### `pdpp (\w+)`\n(.*?)(?=^###? |\z)/gms;
is_deeply([ sort keys %section ], [ sort keys %is_command ], 'the commands of the reference are those of the program');
for my $command (sort keys %is_command)
{
	ok(index($page{cli}, "\n| [`pdpp $command`](#pdpp-$command) |") >= 0, "$command is in the list");
	my %described = map { $_ => 1 } map { /(--[a-z][a-z-]*)/g } ($section{$command} // '') =~ /^\| (.*?) \|/mg;
	is_deeply([ sort keys %described ], [ options_in(help_of($command)) ], "$command: its options");
}
my ($common) = $page{cli} =~ /^## Options of all commands\n(.*?)^## /ms;
ok(index($common, "| `$_") >= 0, "$_ is described") for options_in($help);

$node->stop;
done_testing();
