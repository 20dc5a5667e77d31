# The background worker: it ends what dead controllers leave without anybody calling anything, serves the databases that are
# named, stands in nobody's way, and survives what fails.
#
# Passes are an hour apart here unless a test says otherwise: what is ended without one was ended at once.
use strict;
use warnings;
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use Test::More;

use PdppCluster;
use Programs qw(poll_through_crash);

my $node = PdppCluster->bare('worker', conf => q{
shared_preload_libraries = 'pdpp'
pdpp.databases = 'served, "Second one", template_of'
pdpp.liveness_grace = 0
pdpp.reconcile_interval = 1h
pdpp.launch_deadline = 1h
autovacuum = off
restart_after_crash = on
# a worker must not be fooled by these
default_transaction_isolation = serializable
default_transaction_read_only = off
});
my $db = 'served';

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // $db, $sql) }
sub status_of { return sql(qq{select concat_ws(' ', s->>'status', s->>'terminal_reason') from pdpp_run_status('$_[0]') as s}, $_[1]) }
sub await { my ($condition, $what, $database) = @_; ok(poll_through_crash($node, "select $condition", $database // $db), $what) }
sub await_status { my ($run, $status) = @_; await("pdpp_run_status('$run')->>'status' = '$status'", "$run is $status"); }
sub await_worker { my ($state, $what, $database) = @_;
    $database //= $db;
    await("exists (select from pg_stat_activity where backend_type = 'pdpp worker' and datname = '$database' and query = '$state')", $what, 'postgres') }
sub set_interval { my ($interval) = @_; $node->append_conf('postgresql.conf', "pdpp.reconcile_interval = $interval"); $node->reload }

# A client of its own process, so that it can be killed: boots, offers, claims; starts the second of its two runs.
sub controller {
    my ($name, $database) = @_;
    my $session = $node->background_psql($database // $db);
    $session->query_safe("select pdpp_controller_boot('$name')");
    sql("select pdpp_run_now('x', '$name-$_', '$name $_')", $database) for 1 .. 3;
    $session->query_safe("select pdpp_run_claim('$name $_')") for 1, 2;
    $session->query_safe("select pdpp_run_started('$name 2')");
    return $session;
}
sub kill_client { my ($session) = @_; $session->{run}->signal('KILL'); eval { $session->{run}->finish } }

# --- databases and extension come and go
await(q{exists (select from pg_stat_activity where backend_type = 'pdpp launcher')}, 'the launcher shows itself', 'postgres');
$node->safe_psql('postgres', 'create database served');
await_worker('waiting for CREATE EXTENSION pdpp', 'a database that is created later gets its worker; it waits for the extension');
sql('create extension pdpp');
set_interval('200ms');
await_worker('waiting for the next pass', 'the worker notices CREATE EXTENSION');
sql(q{select pdpp_run_now('x', 'late', 'late')});
sql(q{update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'late'});
await_status('late', 'failed');
set_interval('1h');
await(q{current_setting('pdpp.reconcile_interval') = '1h' from pdpp_run_status('x')}, 'an hour between passes');

# --- SIGKILL of the client: before claim, after claim, after start
my $controller = controller('killed');
kill_client($controller);
await_status('killed 1', 'failed');
await_status('killed 2', 'abandoned');
is(status_of('killed 1'), 'failed launch_failed', 'claimed and not started: launch_failed');
is(status_of('killed 2'), 'abandoned controller_terminated_before_run_finished', 'started: abandoned');
is(status_of('killed 3'), 'active', 'not claimed: nobody died');
is(sql(q{select data_json->>'reconciled_by' from pdpp.spine_events where run_id = 'killed 2' and event_type = 'run.abandoned'}), 'pdpp_worker', 'the worker says that it was it');
is(sql(q{select count(distinct xmin::text) from pdpp.spine_events where run_id in ('killed 1', 'killed 2') and event_type in ('run.failed', 'run.abandoned')}), '2', 'each in a transaction of its own');
like(slurp_file($node->logfile), qr/WARNING:  pdpp: launch failed: run_id=killed\\u00201 trace_id=trc_/, 'and the log names run and trace');
like(slurp_file($node->logfile), qr/WARNING:  pdpp: run abandoned: run_id=killed\\u00202 trace_id=trc_/, 'of both');
sql(q{select pdpp_run_cancel('killed 3')});

# --- the backend dies instead, politely
$controller = controller('terminated');
my $pid = $controller->query_safe('select pg_backend_pid()');
sql("select pg_terminate_backend($pid)");
await_status('terminated 2', 'abandoned');

# --- a grace: back within it, and dead right after it
$node->append_conf('postgresql.conf', 'pdpp.liveness_grace = 3s');
$node->reload;
await(q{current_setting('pdpp.liveness_grace') = '3s' from pdpp_run_status('x')}, 'a grace of 3 seconds');
$controller = controller('graceful');
my $epoch = sql(q{select boot_epoch from pdpp.controller_boots where controller_id = 'graceful'});
kill_client($controller);
await(q{lost_at is not null from pdpp.controller_boots where controller_id = 'graceful'}, 'the worker sees at once that it is lost');
my $again = $node->background_psql($db);
is($again->query_safe("select pdpp_controller_rejoin('$epoch')->>'seq'"), '1', 'it comes back');
sql('select pg_sleep(3.5)');
is(status_of('graceful 2'), 'active', 'and lives on');
kill_client($again);
await_status('graceful 2', 'abandoned');
is(sql(q{select dead_at - lost_at >= interval '3 s' from pdpp.controller_boots where controller_id = 'graceful'}), 't', 'not before the grace was over, and without another pass in between');
$node->append_conf('postgresql.conf', 'pdpp.liveness_grace = 0');
$node->reload;

# --- one run that cannot be ended does not save the others, nor stop the worker
sql(q{create function no() returns trigger language plpgsql as $$ begin raise exception 'not this one'; end $$;
    create trigger no before insert on pdpp.spine_events for each row when (new.run_id = 'stuck 1' and new.event_type = 'run.failed') execute function no()});
$controller = controller('stuck');
kill_client($controller);
await_status('stuck 2', 'abandoned');
await_worker('backing off after a pass that failed', 'the worker backs off');
is(status_of('stuck 1'), 'active', 'what cannot be ended is not');
like(slurp_file($node->logfile), qr/ERROR:  not this one.*a pass of the launch guard failed; the next is in/s, 'and the log says so');
sql('drop function no cascade');
set_interval('200ms');
sql(q{select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'});
await_status('stuck 1', 'failed');
ok(1, 'a worker that was terminated is started again, and finds what is left');

# --- a launcher that dies: the next one has workers of its own, and only those
my $old_worker = sql(q{select pid from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'});
$node->safe_psql('postgres', q{select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'pdpp launcher'});
await(qq{count(*) = 1 and min(pid) <> $old_worker from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'}, 'the workers of a dead launcher make room for those of the next', 'postgres');

# --- pg_cancel_backend() is for statements of somebody's: neither has one
my %pids = map { split /\|/ } split /\n/, $node->safe_psql('postgres', q{select backend_type, pid from pg_stat_activity where backend_type ~ '^pdpp'});
is(sql("select pg_cancel_backend($pids{'pdpp worker'})"), 't', 'the worker is told to cancel what it does');
is(sql("select pg_cancel_backend($pids{'pdpp launcher'})"), 't', 'so is the launcher');
sql(q{select pdpp_run_now('x', 'cancelled', 'cancelled'); update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'cancelled'});
await_status('cancelled', 'failed');
is(sql(q{select pid from pg_stat_activity where backend_type = 'pdpp worker'}), $pids{'pdpp worker'}, 'the worker serves on');
sql("select pg_terminate_backend($pids{'pdpp worker'})");
await(qq{exists (select from pg_stat_activity where backend_type = 'pdpp worker' and pid <> $pids{'pdpp worker'})}, 'the launcher starts another when it is ended');
is(sql(q{select pid from pg_stat_activity where backend_type = 'pdpp launcher'}), $pids{'pdpp launcher'}, 'and is the one that it was');

# --- DROP and CREATE EXTENSION while it serves
for my $round (1 .. 3) {
    sql('drop extension pdpp');
    sql('create extension pdpp');
    sql(qq{select pdpp_run_now('x', 'round', 'round $round')});
    sql(qq{update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'round $round'});
    await_status("round $round", 'failed');
}
sql('drop extension pdpp');
await_worker('waiting for CREATE EXTENSION pdpp', 'without the extension the worker waits');
unlike(slurp_file($node->logfile), qr/ERROR: .* relation "pdpp\.\w+" does not exist/, 'and never stumbled');
sql('create extension pdpp');

# --- two databases; DROP, ALTER and CREATE DATABASE wait for nobody
$node->safe_psql('postgres', 'create database "Second one"');
$node->safe_psql('Second one', 'create extension pdpp');
await_worker('waiting for the next pass', 'another database has its own worker', 'Second one');
$controller = controller('second', 'Second one');
kill_client($controller);
await(q{pdpp_run_status('second 2')->>'status' = 'abandoned'}, 'which ends its runs', 'Second one');
$node->safe_psql('postgres', 'drop database "Second one"');
ok(1, 'DROP DATABASE works while it serves');
$node->safe_psql('postgres', 'create database template_of');
$node->safe_psql('template_of', 'create extension pdpp');
await_worker('waiting for the next pass', 'served', 'template_of');
$node->safe_psql('postgres', 'create database copied template template_of');
await_worker('waiting for the next pass', 'CREATE DATABASE … TEMPLATE works while it serves, and then it is served again', 'template_of');
$node->safe_psql('postgres', 'alter database template_of rename to renamed');
ok(1, 'so does ALTER DATABASE … RENAME');
$node->safe_psql('postgres', 'drop database renamed with (force)');
$node->append_conf('postgresql.conf', q{pdpp.databases = 'served'});
$node->reload;

# --- a worker waits for as long as it takes: transaction_timeout ends its process (PostgreSQL 17)
SKIP: {
    skip 'there is no transaction_timeout yet', 3 if $node->pg_version < 17;
    $node->append_conf('postgresql.conf', 'transaction_timeout = 200ms');
    $node->reload;
    await(q{current_setting('transaction_timeout') = '200ms'}, 'the configuration is read', 'postgres');
    my $serving = sql(q{select pid from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'}, 'postgres');
    my $blocker = $node->background_psql($db);
    $blocker->query_safe('set transaction_timeout = 0; begin; lock table pdpp.controller_boots');
    await(qq{exists (select from pg_stat_activity where pid = $serving and wait_event_type = 'Lock' and clock_timestamp() - xact_start > interval '1 s')
        or not exists (select from pg_stat_activity where pid = $serving)}, 'the worker waits', 'postgres');
    is(sql(q{select pid from pg_stat_activity where backend_type = 'pdpp worker' and datname = 'served'}, 'postgres'), $serving, 'and lives');
    $blocker->quit;
    $node->append_conf('postgresql.conf', 'transaction_timeout = 0');
    $node->reload;
}

# --- the postmaster restarts everything after a crash of a backend; the worker is back, and what was left is ended
$controller = controller('crashed');
$pid = $controller->query_safe('select pg_backend_pid()');
kill 'KILL', $pid;
poll_through_crash($node, 'select true');
await_status('crashed 1', 'failed');
await_status('crashed 2', 'abandoned');

# --- after a crash nobody needs to connect: no session has prepared anything for the processes of the worker
$controller = controller('alone');
$node->stop('immediate');
my $before = -s $node->logfile;
$node->start;
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
sleep 1 until slurp_file($node->logfile, $before) =~ /run abandoned: run_id=alone\\u00202 / || time > $deadline;
like(slurp_file($node->logfile, $before), qr/run abandoned: run_id=alone\\u00202 /, 'what was left is ended, though nobody has connected since');
unlike(slurp_file($node->logfile), qr/without having selected a database/, 'the launcher never stumbled');

# --- smart shutdown
is($node->safe_psql('postgres', q{select count(*) from pg_stat_activity where backend_type like 'pdpp%'}), '2', 'launcher and worker serve');
$node->stop('smart');
ok(1, 'a smart shutdown ends them');

unlike(slurp_file($node->logfile), qr/terminated by signal (?!9)/, 'nothing crashed');
done_testing();
