# NOTIFY through the worker: who listens hears of every run that something was committed about, whatever becomes of the
# worker in between, and of nothing else. Who sent a notification (its process id) tells which way it came.
#
# Nothing is proved by waiting for silence: hints are sent in the order of their commits, so once a later one is heard, an
# earlier one would have been.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my $node = PdppCluster->bare('notify', conf => q{
shared_preload_libraries = 'pdpp'
pdpp.databases = 'served'
pdpp.liveness_grace = 0
pdpp.reconcile_interval = 1h
pdpp.launch_deadline = 1h
max_prepared_transactions = 2
autovacuum = off
restart_after_crash = on
});
for my $database ('served', 'unserved')
{
	$node->safe_psql('postgres', "create database $database");
	$node->safe_psql($database, 'create extension pdpp');
}

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'served', $sql) }
sub admit { my ($run, $database) = @_; return sql("select from pdpp_run_now('c', '$run', '$run')", $database) }
sub admit_many { my ($name, $count) = @_; return sql(qq{do \$\$ begin for i in 1..$count loop perform pdpp_run_now('c', '$name ' || i, '$name ' || i); commit; end loop; end \$\$}) }

sub worker_pid { return $node->safe_psql('postgres', q{select pid from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'}) }

# The worker has nothing to do, and waits for something to happen.
sub await_idle_worker
{
	ok($node->poll_query_until('postgres', q{select exists (select from pg_stat_activity where backend_type = 'pdpp worker'
		and datname = 'served' and query = 'waiting for the next pass' and state = 'idle' and wait_event = 'Extension')}), 'the worker is there');
	return worker_pid();
}

# Who listens, and what was heard: the hints, and for each the processes that it came from, in order.
my $listener;
my %heard;
sub listen_in { my ($database) = @_; %heard = (); $listener = $node->background_psql($database); $listener->query_safe('listen pdpp_run'); return }
sub hint { my ($run) = @_; return substr(sha256_hex($run), 0, 16) }
sub hear
{
	my $said = $listener->query('select');
	push @{ $heard{$1} }, $2 while $said =~ /notification "pdpp_run" with payload "(\w+)" received from server process with PID (\d+)/g;
	return \%heard;
}
sub times_heard { my ($run) = @_; return scalar @{ $heard{ hint($run) } // [] } }
sub hears { my ($run) = @_; return within(sub { hear(); times_heard($run) }) }
sub count_heard { my ($name, $count) = @_; hear(); return scalar grep { times_heard("$name $_") } 1 .. $count }
sub heard_from { my ($run) = @_; return $heard{ hint($run) }[-1] }

$node->reload; # so that nobody waits an hour for the pass that notices the extension
my $worker = await_idle_worker();
listen_in('served');

# --- one run, one transaction
admit('first');
ok(hears('first'), 'a committed run is heard of');
is(heard_from('first'), $worker, 'through the worker');
sql(q{begin; select pdpp_run_now('c', 'whole', 'whole'); select pdpp_run_started('whole'); select pdpp_run_event('whole', 'x');
	select pdpp_run_settle('whole', 'completed'); commit});
ok(hears('whole'), 'a whole life in one transaction');
admit('after it');
hears('after it');
is(times_heard('whole'), 1, 'is one notification');

# --- what was not committed
sql(q{begin; select pdpp_run_now('c', 'undone', 'undone'); rollback});
sql(q{begin; select pdpp_run_now('c', 'kept 1', 'kept 1');
	savepoint a; select pdpp_run_now('c', 'undone 1', 'undone 1');
	savepoint b; select pdpp_run_now('c', 'undone 2', 'undone 2'); release b; rollback to a;
	savepoint c; select pdpp_run_now('c', 'kept 2', 'kept 2');
	savepoint d; select pdpp_run_now('c', 'kept 3', 'kept 3'); select pdpp_run_event('kept 1', 'x'); release d; release c; commit});
my (undef, undef, $refused) = $node->psql('served', q{begin; select pdpp_run_now('c', 'prepared', 'prepared'); prepare transaction 'p'});
like($refused, qr/cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/, 'a transaction to be prepared is refused, as with any NOTIFY');
sql(q{set pdpp.notify = off; begin; select pdpp_run_now('c', 'silent', 'silent'); prepare transaction 'p'});
sql(q{set pdpp.notify = off; commit prepared 'p'});
sql(q{set pdpp.notify = off; select pdpp_run_settle('silent', 'completed')});
# a transaction that fails in its commit: a constraint that is checked then
sql(q{create table late (n int references late (n) deferrable initially deferred, primary key (n)); create table later (n int references late (n) deferrable initially deferred)});
(undef, undef, $refused) = $node->psql('served', q{begin; select pdpp_run_now('c', 'refused', 'refused'); insert into later values (1); commit});
like($refused, qr/violates foreign key/, 'refused at its commit');
admit('marker');
ok(hears('marker'), 'a later one is heard');
is(times_heard("kept $_"), 1, "what a savepoint kept is heard: kept $_") for 1 .. 3;
is(times_heard($_), 0, "not heard: $_") for 'undone', 'undone 1', 'undone 2', 'prepared', 'silent', 'refused';

# --- a transaction that fails after it has reserved its place: serializable, found out at the very commit
sql(q{create table skew (n int); insert into skew values (1)});
my @sessions = map { $node->background_psql('served', on_error_stop => 0) } 0 .. 1;
$sessions[$_]->query("begin isolation level serializable; select count(*) from skew; insert into skew values ($_);
	select pdpp_run_now('c', 'skewed $_', 'skewed $_')") for 0, 1;
$_->query('commit') for @sessions;
$_->quit for @sessions;
is(sql(q{select concat_ws(' ', pdpp_run_status('skewed 0')->>'status', pdpp_run_status('skewed 1')->'error'->>'code')}), 'active not_found', 'of two that exclude each other the second fails to commit');
ok(hears('skewed 0'), 'the other is heard of');
is(times_heard('skewed 1'), 0, 'and only the other');

# --- many runs in one transaction
sql(q{select pdpp_run_now('c', 'bulk ' || i, 'bulk ' || i) from generate_series(1, 200) as i});
ok(within(sub { count_heard('bulk', 200) == 200 }), 'each of 200 runs of one transaction');
is(scalar(grep { heard_from("bulk $_") == $worker } 1 .. 200), 32, 'the worker is left a bounded number of them');

# --- many transactions: the ring goes round
admit_many('lap', 3000);
ok(within(sub { count_heard('lap', 3000) == 3000 }), 'each of 3,000 commits');
is(scalar(grep { times_heard("lap $_") > 1 } 1 .. 3000), 0, 'once');

# --- a worker that does not get to it
$worker = await_idle_worker();
kill 'STOP', $worker;
admit_many('flood', 3000);
my $direct = count_heard('flood', 3000);
cmp_ok($direct, '>=', 3000 - 1024, 'writers that find no room send their own');
cmp_ok($direct, '<', 3000, 'after the first have filled it');
kill 'CONT', $worker;
ok(within(sub { count_heard('flood', 3000) == 3000 }), 'the rest is heard once it goes on');

my $lock = $node->background_psql('served');
$lock->query_safe('begin; lock table pdpp.controller_boots');
$node->reload;
ok($node->poll_query_until('postgres', "select wait_event_type = 'Lock' from pg_stat_activity where pid = $worker"), 'a pass that waits for a lock');
admit('held up');
my $tries = 0;
ok(within(sub { admit('passing ' . ++$tries); hear(); times_heard("passing $tries") }), 'holds up nobody for long');
isnt(heard_from("passing $tries"), $worker, 'since writers send their own');
$lock->query_safe('commit');
$lock->quit;
ok(hears('held up'), 'what was left with the worker is heard once it goes on');

# --- a worker that dies
$worker = await_idle_worker();
kill 'STOP', $worker;
admit('inherited');
is(sql("select pg_terminate_backend($worker)"), 't', 'a worker that dies with a hint in its hands');
kill 'CONT', $worker;
ok(hears('inherited'), 'leaves it to the next');
isnt(heard_from('inherited'), $worker, 'which sends it');

# --- what the worker itself has to say
await_idle_worker();
my $controller = $node->background_psql('served');
$controller->query_safe(q{select pdpp_controller_boot('mortal')});
$controller->query_safe(q{select pdpp_controller_offer('[{"connector_instance_id": "m 1", "connector_id": "c"}]')});
admit('m 1');
hears('m 1');
my $before = times_heard('m 1');
$controller->query_safe(q{select pdpp_run_claim()});
$controller->quit;
ok(within(sub { hear(); times_heard('m 1') > $before }), 'a run that the guard ends is heard of');

# --- the database goes away while hints are under way
$listener->quit;
admit_many('last', 300);
$node->safe_psql('postgres', 'drop database served');
$node->safe_psql('postgres', 'create database served');
sql('create extension pdpp');
$node->reload;
await_idle_worker();
listen_in('served');
admit('reborn');
ok(hears('reborn'), 'a database that was dropped and made again is served');
is(heard_from('reborn'), worker_pid(), 'by a worker of its own');
is(times_heard('last 300'), 0, 'which knows nothing of the old one');

# --- a crash of the server
my $session = $node->background_psql('served');
kill 'KILL', $session->query_safe('select pg_backend_pid()');
poll_through_crash($node, 'select true');
eval { $session->{run}->finish };
eval { $listener->{run}->finish };
$node->reload;
await_idle_worker();
listen_in('served');
admit('risen');
ok(hears('risen'), 'after a crash of the server as before');
is(heard_from('risen'), worker_pid(), 'through the worker');
$listener->quit;

# --- without a worker
listen_in('unserved');
admit('direct', 'unserved');
ok(hears('direct'), 'in a database without a worker');
$node->append_conf('postgresql.conf', q{pdpp.databases = ''});
$node->reload;
$listener->quit;
ok($node->poll_query_until('postgres', q{select not exists (select from pg_stat_activity where backend_type = 'pdpp worker')}), 'no database is served any more');
listen_in('served');
admit('left alone');
ok(hears('left alone'), 'where there is no worker any more');
$listener->quit;
$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$node->restart;
listen_in('served');
admit('alone');
ok(hears('alone'), 'without preload');
$listener->quit;

unlike(slurp_file($node->logfile), qr/terminated by signal (?!9)/, 'nothing crashed');
done_testing();
