# A transaction with a NOTIFY keeps all others of the server that have one from committing until its own commit is done, for as
# long as that takes: it may wait for a standby. Nothing of ours waits for that, with whatever timeouts.
use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my $node = PdppCluster->bare('notify_lock', conf => q{
shared_preload_libraries = 'pdpp'
pdpp.databases = 'served'
pdpp.liveness_grace = 0
pdpp.reconcile_interval = 200ms
autovacuum = off
});
for my $database ('served', 'unserved')
{
	$node->safe_psql('postgres', "create database $database");
	$node->safe_psql($database, 'create extension pdpp');
}
my $module = abs_path($PostgreSQL::Test::Utils::tmp_check) . '/notify_lock.so';
system_or_bail('gcc', '-shared', '-fPIC', '-I' . $node->config_data('--includedir-server'), '-o', $module, dirname(__FILE__) . '/../lib/notify_lock.c');
$node->safe_psql('postgres', "create function hold_notify_lock() returns void language c as '$module'");

sub dropped { return $node->safe_psql('postgres', q{load 'pdpp'; show pdpp.dropped_hints}) }
sub status_of { my ($run, $database) = @_; return $node->safe_psql($database, "select pdpp_run_status('$run')->>'status'") }
sub worker_pid { return $node->safe_psql('postgres', q{select pid from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'}) }
# a whole life, each step in a transaction of its own
sub life
{
	my ($database, $run, $set) = @_;
	return $node->psql($database, qq{set $set; select pdpp_run_now('c', '$run', '$run'); select pdpp_run_started('$run'); select pdpp_run_event('$run', 'x');
		select pdpp_run_settle('$run', 'completed')}, on_error_stop => 1);
}

ok($node->poll_query_until('served', q{select exists (select from pg_stat_activity where backend_type = 'pdpp worker' and query = 'waiting for the next pass')}), 'a worker serves');
my $worker = worker_pid();
my $holder = $node->background_psql('postgres');
$holder->query_safe('begin; select hold_notify_lock()');
like(($node->psql('postgres', "set lock_timeout = '20ms'; notify anything"))[2], qr/lock timeout/, 'whoever notifies waits for it');

for my $set ("lock_timeout = '20ms'", "statement_timeout = '30s'", "deadlock_timeout = '10ms'")
{
	for my $database ('served', 'unserved')
	{
		my $run = "$database, $set" =~ s/'//gr;
		is(life($database, $run, $set), 0, "a run lives in $run");
		is(status_of($run, $database), 'completed', 'and ends');
	}
}
my $controller = $node->background_psql('served');
$controller->query_safe(q{select pdpp_controller_boot('mortal')});
$node->safe_psql('served', q{select pdpp_run_now('c', 'left', 'left')});
$controller->query_safe(q{select pdpp_run_claim('left')});
$controller->quit;
ok($node->poll_query_until('served', q{select pdpp_run_status('left')->>'status' = 'failed'}), 'the guard ends what a controller left');
is(worker_pid(), $worker, 'by the same worker');
# at the latest when the worker has tried: those of the database without one at once
ok(within(sub { dropped() >= 12 }), 'the notifications are dropped, and counted');
like(slurp_file($node->logfile), qr/WARNING:  pdpp: notifications are dropped/, 'and a warning says so');

$holder->query_safe('commit');
for my $database ('served', 'unserved')
{
	my $listener = $node->background_psql($database);
	$listener->query_safe('listen pdpp_run');
	is(life($database, "again in $database", "lock_timeout = '10s'"), 0, 'a run');
	my $hint = substr(sha256_hex("again in $database"), 0, 16);
	my $heard = '';
	ok(within(sub { $heard .= $listener->query('select'); $heard =~ /$hint/ }), "is heard of again in $database");
	$listener->quit;
}

# sessions that all send their own wait for each other
my $before = dropped();
my $crowd = start('', 'bash', '-c', join ' ', 'for i in 1 2 3 4; do psql -Xqc', q{"select count(pdpp_run_now('c', 'crowd ' || $i || ' ' || n, 'crowd ' || $i || ' ' || n)) from generate_series(1, 50) as n"},
	'-d', "'" . $node->connstr('unserved') . "'", '& done; wait');
finish($crowd);
is($node->safe_psql('unserved', q{select count(*) from pdpp.controller_active_runs where run_id like 'crowd%'}), 200, 'a crowd without a worker');
is(dropped(), $before, 'drops nothing');

# others who notify without a pause: the lock goes from one who waits for it to the next, and is never free
my $file = $PostgreSQL::Test::Utils::tmp_check . '/notify.sql';
append_to_file($file, qq{notify other;\n});
my $others = start('', 'pgbench', '-n', '-f', $file, '-c', 8, '-T', 600, $node->connstr('postgres'));
ok($node->poll_query_until('postgres', q{select count(*) >= 4 from pg_stat_activity where wait_event = 'object'}), 'others stand in line');
$before = dropped();
my $listener = $node->background_psql('served');
$listener->query_safe('listen pdpp_run');
for my $n (1 .. 20)
{
	is(life('served', "beside $n", "lock_timeout = '10s'"), 0, 'a run beside them');
	my $hint = substr(sha256_hex("beside $n"), 0, 16);
	my $heard = '';
	ok(within(sub { $heard .= $listener->query('select'); $heard =~ /$hint/ }), 'is heard of');
}
is(dropped(), $before, 'nothing is dropped');
$listener->quit;
$others->{handle}->kill_kill;

$node->stop;
done_testing();
