# A session that listens and stays within a transaction, in whatever database, keeps the server's queue of notifications
# from being emptied. Once it is full, NOTIFY fails in the whole server; nothing of ours does.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my $node = PdppCluster->new('full_queue');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pdpp'
pdpp.databases = 'served'
pdpp.liveness_grace = 0
pdpp.reconcile_interval = 200ms
pdpp.launch_deadline = 1h
max_prepared_transactions = 2
autovacuum = off
});
my $bounded = $node->config_data('--version') =~ /(\d+)/ && $1 >= 17;
$node->append_conf('postgresql.conf', 'max_notify_queue_pages = 64') if $bounded;
$node->start;
for my $database ('served', 'unserved')
{
	$node->safe_psql('postgres', "create database $database");
	$node->safe_psql($database, 'create extension pdpp');
}

sub worker_pid { return $node->safe_psql('postgres', q{select pid from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'}) }
sub dropped { return $node->safe_psql('postgres', q{load 'pdpp'; show pdpp.dropped_hints}) }
sub warnings { return scalar(() = slurp_file($node->logfile) =~ /WARNING:  pdpp: notifications are dropped/g) }
sub status_of { my ($run, $database) = @_; return $node->safe_psql($database, "select pdpp_run_status('$run')->>'status'") }
# a whole life, each step in a transaction of its own
sub life
{
	my ($database, $run) = @_;
	return $node->psql($database, qq{select pdpp_run_now('c', '$run', '$run'); select pdpp_run_started('$run'); select pdpp_run_event('$run', 'x');
		select pdpp_run_settle('$run', 'completed')}, on_error_stop => 1);
}
sub notify { my (undef, undef, $refused) = $node->psql('postgres', "notify anything, 'x'"); return $refused }

# The queue cannot be emptied beyond what this session has read.
sub stay_within { my $session = $node->background_psql('postgres'); $session->query_safe('listen anything'); $session->query_safe('begin; select 1'); return $session }

sub fill
{
	if ($bounded)
	{
		my $text = 'x' x 7900;
		$node->psql('postgres', qq{do \$\$ begin loop perform pg_notify('anything', clock_timestamp() || '$text'); commit; end loop; end \$\$});
		return;
	}
	my $module = abs_path($PostgreSQL::Test::Utils::tmp_check) . '/full_queue.so';
	my $source = dirname(__FILE__) . '/../lib/full_queue.c';
	system_or_bail('gcc', '-shared', '-fPIC', '-I' . $node->config_data('--includedir-server'), '-o', $module, $source);
	$node->safe_psql('postgres', "create function fill_notify_queue(bigint) returns int language c as '$module'");
	my $page = $node->safe_psql('postgres', q{select fill_notify_queue(size) from pg_shmem_allocations where name = 'Async Queue Control'});
	# the page at the head, as it would have been written
	my $segment = sprintf '%s/pg_notify/%04X', $node->data_dir, $page / 32;
	append_to_file($segment, "\0" x (32 * 8192));
	return;
}

ok($node->poll_query_until('served', q{select exists (select from pg_stat_activity where backend_type = 'pdpp worker' and query = 'waiting for the next pass')}), 'a worker serves');
my $worker = worker_pid();
my $sleeper = stay_within();
is(notify(), '', 'a queue that is not empty, and takes more');
my $began = time;
fill();
like(notify(), qr/too many notifications in the NOTIFY queue/, 'the queue is full: who notifies fails');

# --- through the worker
is(life('served', 'one'), 0, 'a run lives and ends');
is(status_of('one', 'served'), 'completed', 'as ever');
ok(within(sub { dropped() > 0 }), 'its notifications are dropped, and counted');
is(worker_pid(), $worker, 'the worker serves on');

# --- a guard that ends runs
my $controller = $node->background_psql('served');
$controller->query_safe(q{select pdpp_controller_boot('mortal')});
$node->safe_psql('served', q{select pdpp_run_now('c', 'left', 'left'); select pdpp_run_now('c', 'late', 'late')});
$controller->query_safe(q{select pdpp_run_claim('left')});
$controller->quit;
ok($node->poll_query_until('served', q{select pdpp_run_status('left')->>'status' = 'failed'}), 'the worker ends what a controller left');
$node->safe_psql('served', q{update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'late'});
ok($node->poll_query_until('served', q{select pdpp_run_status('late')->>'status' = 'failed'}), 'and what nobody started');

# --- without a worker
my $before = dropped();
is(life('unserved', 'two'), 0, 'a run of a database without a worker lives and ends');
is(status_of('two', 'unserved'), 'completed', 'as ever');
is(dropped(), $before + 4, 'each of its notifications is dropped');
is($node->psql('unserved', q{select pdpp_run_now('c', 'bulk ' || i, 'bulk ' || i) from generate_series(1, 200) as i}), 0, 'many runs of one transaction');
is(dropped(), $before + 204, 'are counted one by one');
is($node->psql('served', q{select pdpp_run_now('c', 'bulk ' || i, 'bulk ' || i) from generate_series(1, 200) as i}), 0, 'also where the worker takes only some of them');
$node->safe_psql('unserved', q{select pdpp_run_now('c', 'overdue', 'overdue'); update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'overdue'});
is($node->safe_psql('unserved', q{select pdpp_reconcile()->>'launch_failed'}), 1, 'a pass by hand');
my (undef, undef, $refused) = $node->psql('unserved', q{begin; select pdpp_run_now('c', 'own', 'own'); notify anything, 'x'; commit});
like($refused, qr/too many notifications/, 'a transaction with a NOTIFY of its own fails by itself');
(undef, undef, $refused) = $node->psql('unserved', q{begin; select pdpp_run_now('c', 'prepared', 'prepared'); prepare transaction 'p'});
like($refused, qr/cannot PREPARE/, 'a transaction to be prepared is refused as ever');
cmp_ok(warnings(), '>=', 1, 'a warning says so');
cmp_ok(warnings(), '<=', 1 + (time - $began) / 60, 'one a minute');

# --- the session goes away
$node->safe_psql('postgres', q{select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'});
eval { $sleeper->{run}->finish };
ok($node->poll_query_until('postgres', 'select pg_notification_queue_usage() < 0.1'), 'the queue is empty again');
for my $database ('served', 'unserved')
{
	my $listener = $node->background_psql($database);
	$listener->query_safe('listen pdpp_run');
	my $known = dropped();
	is(life($database, "again in $database"), 0, 'a run');
	my $hint = substr(sha256_hex("again in $database"), 0, 16);
	my $heard = '';
	ok(within(sub { $heard .= $listener->query('select'); $heard =~ /$hint/ }), "is heard of again in $database");
	is(dropped(), $known, 'nothing more is dropped');
	$listener->quit;
}
is(worker_pid(), $worker, 'the worker never ended');
is(scalar(() = slurp_file($node->logfile) =~ /ERROR:  too many notifications/g), 2 + ($bounded ? 1 : 0), 'nobody else has failed');

done_testing();
