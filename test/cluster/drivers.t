# The programs of docs/reference/waiting.md, as they stand there, wait for a run that ends meanwhile. Those whose driver is not here
# are skipped.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my $page = slurp_file(abs_path(dirname(__FILE__) . '/../..') . '/docs/reference/waiting.md');
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $jdbc = $ENV{CLASSPATH} // '/usr/share/java/postgresql.jar';

# For each heading: the program's file, the command that runs it, and one that succeeds where its driver is.
my @drivers = (
	[ 'psql', 'wait.sh', ['bash'], ['true'] ],
	[ 'Python: psycopg', 'wait.py', ['/usr/bin/python3'], [ '/usr/bin/python3', '-c', 'import psycopg' ] ],
	[ 'Perl: DBI', 'wait.pl', ['perl'], [ 'perl', '-MDBD::Pg', '-e', '1' ] ],
	[ 'Node.js: pg', 'wait.js', ['node'], [ 'node', '-e', 'require("pg")' ] ],
	[ 'Ruby: pg', 'wait.rb', ['ruby'], [ 'ruby', '-rpg', '-e', '1' ] ],
	[ 'PHP: pgsql', 'wait.php', ['php'], [ 'php', '-r', 'exit(function_exists("pg_connect") ? 0 : 1);' ] ],
	[ 'Java: JDBC', 'Wait.java', [ 'java', '-cp', $jdbc ], [ 'sh', '-c', "java --list-modules | grep -q jdk.compiler && test -e '$jdbc'" ] ]);

my $node = PdppCluster->running('main', conf => "listen_addresses = '127.0.0.1'\npdpp.launch_deadline = 1h\nautovacuum = off");
@ENV{qw(PGHOST PGPORT PGDATABASE PGUSER)} = ($node->host, $node->port, 'postgres', getpwuid($>) . '');
$ENV{JDBC_URL} = 'jdbc:postgresql://127.0.0.1:' . $node->port . "/postgres?user=$ENV{PGUSER}";

# Whether a command succeeds; one that is not installed does not.
sub succeeds { my ($command) = @_; return eval { IPC::Run::run($command, '<', \undef, '>&', \my $said) } }

sub admit { my ($run) = @_; return $node->safe_psql('postgres', "select from pdpp_run_now('c', '$run', '$run')") }
sub settle { my ($run, $outcome) = @_; return $node->safe_psql('postgres', "select from pdpp_run_settle('$run', '$outcome')") }

# The program below a heading, in a file.
sub program
{
	my ($heading, $file) = @_;
	my ($section) = grep { /^\Q$heading\E\n/ } split /^## /m, $page;
	my ($code) = ($section // '') =~ /^```\w+\n(.*?)^```$/ms or die "$heading is not there";
	append_to_file("$folder/$file", $code);
	return "$folder/$file";
}

is_deeply([ sort map { $_->[0] } @drivers ], [ sort grep { !/^Many/ } $page =~ /^## (.*)$/mg ], 'every program is tried');
for my $driver (@drivers)
{
	my ($heading, $file, $command, $probe) = @$driver;
  SKIP:
	{
		skip "$heading is not here", 1 unless succeeds($probe);
		admit($file);
		my $waiter = start('', @$command, program($heading, $file), $file);
		my $waits = q{select count(*) = 1 from pg_stat_activity where query ilike '%call pdpp_run_wait%' and wait_event = 'Extension'};
		ok(within(sub { $waiter->{handle}->pump_nb; $node->safe_psql('postgres', $waits) eq 't' or !$waiter->{handle}->pumpable && die $waiter->{err} }),
			"$heading: waits");
		settle($file, 'cancelled');
		is(join("|", finish($waiter)), "0|cancelled\n|", "$heading: prints how it ended");
	}
}

SKIP:
{
	skip 'psycopg is not here', 1 unless succeeds([ '/usr/bin/python3', '-c', 'import psycopg' ]);
	admit($_) for 'first', 'second', 'other';
	my $waiter = start('', '/usr/bin/python3', program('Many runs on one connection', 'many.py'), 'first', 'second', 'nobody');
	is(wait_for($waiter, 'out', qr/^(not found)$/m), 'not found', 'many runs: one that is not there');
	settle('other', 'completed');
	settle('second', 'failed');
	is(wait_for($waiter, 'out', qr/^(failed)$/m), 'failed', 'many runs: the one that ends first');
	settle('first', 'completed');
	is_deeply([ finish($waiter) ], [ 0, "not found\nfailed\ncompleted\n", '' ], 'many runs: and the other');
}
done_testing();
