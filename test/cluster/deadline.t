# Deadlines, with a worker and real controllers that stand still: their runs end, their connections are free, and when they come
# back they kill what they launched, and what they saw is kept.

use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use PdppCluster;
use PdppController;
use Programs;
use Test::More;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $node = PdppCluster->running('deadline', conf => "shared_preload_libraries = 'pdpp'\npdpp.databases = 'postgres'\npdpp.reconcile_interval = 100ms");
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }
sub status_of { my ($run) = @_; return decode_json(sql("SELECT pdpp_run_status('$run')")) }
sub ending_of { my ($run) = @_; return sql("SELECT concat_ws(' ', s->>'status', s->>'terminal_reason') FROM pdpp_run_status('$run') AS s") }
sub ends { my ($run, $as) = @_; return ok(within(sub { ending_of($run) ne 'active' }) && ending_of($run) eq $as, "$run: $as") || diag ending_of($run) }
sub types_of { my ($run) = @_; return sql("SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events WHERE run_id = '$run'") }
sub has { my ($run, $type) = @_; return ok(within(sub { types_of($run) =~ /\Q$type\E/ }), "$run: $type") || diag types_of($run) }
sub given { my ($run) = @_; return sql("SELECT extract(epoch FROM deadline_at - deadline_set_at)::float8 FROM pdpp.controller_active_runs WHERE run_id = '$run'") }
# its time passes: without a test that waits for it, or is too late
sub pass_deadline { my ($run) = @_; sql("UPDATE pdpp.controller_active_runs SET deadline_at = now() WHERE run_id = '$run'"); return }

sub set
{
	my ($name, $value) = @_;
	$node->append_conf('postgresql.conf', "$name = $value");
	$node->reload;
	within(sub { sql("SELECT current_setting('$name')") eq $value }) or die "$name is not $value";
	return;
}

# A command that says in a file who it is, and goes on.
sub on_and_on { my ($name) = @_; return [ 'sh', '-c', "echo \$\$ >$folder/$name.new; mv $folder/$name.new $folder/$name.pid; while :; do sleep 0.1; done" ] }
sub child_of { my ($name) = @_; within(sub { -s "$folder/$name.pid" }) or die "$name was not launched"; return slurp_file("$folder/$name.pid") + 0 }

subtest 'who holds a run and does nothing' => sub {
	my $holder = $node->background_psql('postgres');
	$holder->query_safe(q{SELECT pdpp_controller_boot('holder')});
	$holder->query_safe(q{SELECT pdpp_run_now('c', 'admitted', 'admitted', timeout => '1s'), pdpp_run_now('c', 'started', 'started'), pdpp_run_now('c', 'claimed', 'claimed', timeout => '1s'),
		pdpp_run_now('c', 'free', 'free')});
	$holder->query_safe(q{SELECT pdpp_run_claim('claimed'), pdpp_run_started('started', timeout => '1s'), pdpp_run_started('free')});
	ends($_, 'failed run_timed_out') for qw(admitted started claimed);
	is(ending_of('free'), 'active', 'who has as long as it takes has it');
	set('pdpp.cancel_grace', '1s');
	$holder->query_safe(q{SELECT pdpp_run_cancel('free')});
	ends('free', 'cancelled owner_cancel_unheeded');
	is(sql(q{SELECT data_json->>'reconciled_by' FROM pdpp.spine_events WHERE run_id = 'free' AND event_type = 'run.cancelled'}), 'pdpp_worker', 'by the worker');
	like(slurp_file($node->logfile), qr/WARNING:  pdpp: run timed out: run_id=started .*message=controller holder did not end the run by its deadline/, 'the log says so');
	like(slurp_file($node->logfile), qr/WARNING:  pdpp: cancel unheeded: run_id=free /, 'and of a cancel too');
	set('pdpp.cancel_grace', '-1');
	$holder->query_safe(q{SELECT pdpp_run_now('c', 'free', 'free 2'), pdpp_run_started('free 2'), pdpp_run_cancel('free 2')});
	is(given('free 2'), '', 'where a cancel has no limit it gives none');
	set('pdpp.cancel_grace', '1min');
	set('pdpp.run_timeout', '1s');
	$holder->query_safe(q{SELECT pdpp_run_now('c', 'default', 'default'), pdpp_run_started('default'), pdpp_run_now('c', 'own', 'own', timeout => '1h'), pdpp_run_started('own')});
	ends('default', 'failed run_timed_out');
	is(given('own'), '3600', 'a time of its own comes before that of everybody');
	set('pdpp.run_timeout', '0');
	$holder->quit;
};

subtest 'a controller that stands still' => sub {
	my $controller = PdppController->start(conninfo => $db, connections => { timed => on_and_on('timed'), cancelled => on_and_on('cancelled') });
	sql(qq{SELECT pdpp_run_now('$_-connector', '$_', '$_', timeout => '1h')}) for qw(timed cancelled);
	has($_, 'run.started') for qw(timed cancelled);
	my %child = map { $_ => child_of($_) } qw(timed cancelled);
	$controller->suspend;
	pass_deadline('timed');
	ends('timed', 'failed run_timed_out');
	is(ending_of('cancelled'), 'active', 'its other run goes on');
	sql(q{SELECT pdpp_run_cancel('cancelled', 'anna')});
	cmp_ok(given('cancelled'), '==', 60, 'until it has had its time to heed a cancel');
	pass_deadline('cancelled');
	ends('cancelled', 'cancelled owner_cancel_unheeded');
	ok(!is_gone($child{$_}), "$_: the process is still there") for qw(timed cancelled);
	my (undef, undef, $err) = $node->psql('postgres', q{SELECT pdpp_run_fence('timed')});
	like($err, qr/"code": "run_superseded"/, 'but what it writes is refused');
	like(sql(q{SELECT pdpp_run_cancel(pdpp_run_now('timed-connector', 'timed', 'next')->>'run_id')}), qr/cancel_requested/, 'and the connection is free');

	$controller->resume;
	ok(goes_away($child{$_}), "$_: it comes back, and kills the process") for qw(timed cancelled);
	has('timed', 'run.failed run.late_outcome');
	has('cancelled', 'run.cancelled run.late_outcome');
	is(sql(q{SELECT data_json#>>'{evidence,reason}' FROM pdpp.spine_events WHERE run_id = 'timed' AND event_type = 'run.late_outcome'}), 'run_already_ended', 'what it saw is kept');
	is(ending_of('timed'), 'failed run_timed_out', 'the ending stands');
	sql(q{SELECT pdpp_run_now('timed-connector', 'timed', 'goes on')});
	has('goes on', 'run.started');
	is($controller->stop('KILL'), 'signal 9', 'it goes on, and is killed');
	is(sql('SELECT count(*) FROM pdpp_check()'), 0, 'all is well');
};

# With a guard that makes no pass the controller is alone with its run.
subtest 'a controller that does not stand still stops the run in time' => sub {
	set('pdpp.reconcile_interval', '1h');
	my $controller = PdppController->start(conninfo => $db, connections => { alone => on_and_on('alone'),
		limited => { command => on_and_on('limited'), timeout_seconds => 1, grace_seconds => 0 } });
	my $run = decode_json((finish(start('', $pdpp, '--db', $db, 'now', 'alone', '--timeout', '1')))[1])->{run_id};
	ends($run, 'failed run_timed_out');
	my $status = status_of($run);
	is($status->{failure}{message}, "the connector was still running when the run's deadline was near", 'it says itself why');
	is(sql("SELECT concat_ws(' ', data_json->>'signal', data_json->>'forced') FROM pdpp.spine_events WHERE run_id = '$run' AND event_type = 'run.failed'"), 'SIGTERM false', 'and what it saw');
	sql(q{SELECT pdpp_run_now('limited-connector', 'limited', 'limited')});
	ends('limited', 'failed run_timed_out');
	is(status_of('limited')->{failure}{message}, 'the connector was still running after its time limit of 1 seconds', 'its own limit comes before the deadline that it gives the run');
	$controller->stop;
	set('pdpp.reconcile_interval', '100ms');
};

subtest 'what the database is told of limits' => sub {
	set('pdpp.launch_deadline', '2min');
	my $controller = PdppController->start(conninfo => $db, connections => {
		file => { command => on_and_on('file'), timeout_seconds => 100.5, grace_seconds => 2 }, none => on_and_on('none'),
		slow => { command => [ 'sh', '-c', "echo \$\$ >$folder/slow.new; mv $folder/slow.new $folder/slow.pid; trap '' TERM; while :; do sleep 0.1; done" ], grace_seconds => 100 } });
	is(sql(q{SELECT string_agg(connector_instance_id || ' ' || coalesce(extract(epoch FROM run_timeout)::float8::text, 'none'), ', ' ORDER BY 1) FROM pdpp.connections WHERE boot_epoch IS NOT NULL
		AND connector_instance_id IN ('file', 'none', 'slow')}), 'file 227.5, none none, slow none', 'offered: until it is started, for the run, to stop it, and to say so');
	sql(qq{SELECT pdpp_run_now('$_-connector', '$_', '$_')}) for qw(file none slow);
	has($_, 'run.started') for qw(file none slow);
	cmp_ok(given('file'), '==', 107.5, 'and at the start, from then on');
	is(given('none'), '', 'none is none');
	my $slow = child_of('slow');
	sql(q{SELECT pdpp_run_cancel('slow')});
	has('slow', 'run.cancel_requested run.deadline_extended');
	cmp_ok(given('slow'), '==', 105, 'who needs longer to stop than a cancel gives asks for it');
	kill 'KILL', $slow;
	ends('slow', 'cancelled owner_cancelled');
	$controller->stop('KILL');
	set('pdpp.launch_deadline', '1min');

	my $run = start('', $pdpp, '--db', $db, 'run', '--connector', 'by_hand', '--timeout', '100', '--', @{ on_and_on('by_hand') });
	child_of('by_hand');
	within(sub { sql(q{SELECT count(*) FROM pdpp.controller_active_runs WHERE connector_id = 'by_hand' AND deadline_at IS NOT NULL}) });
	is(sql(q{SELECT deadline_at - deadline_set_at FROM pdpp.controller_active_runs WHERE connector_id = 'by_hand'}), '00:01:55', 'pdpp run as well');
	kill 'INT', pid_of($run);
	finish($run);
};

subtest 'SQL that knows of no deadlines' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE older');
	$node->safe_psql('older', q{CREATE EXTENSION pdpp VERSION '0.2.0'});
	my $controller = PdppController->start(conninfo => $node->connstr('older'), connections => { old => { command => ['true'], timeout_seconds => 100 } });
	$node->safe_psql('older', q{SELECT pdpp_run_now('old-connector', 'old', 'old')});
	ok(within(sub { $node->safe_psql('older', q{SELECT pdpp_run_status('old')->>'status'}) eq 'completed' }), 'a controller with limits runs what there is to run');
	like($controller->log, qr/start recorded without a time/, 'and says that nobody else knows of them');
	$controller->stop;
};

subtest 'another life of the server' => sub {
	sql(q{SELECT pdpp_run_now('c', 'restarted', 'restarted', timeout => '1h'), pdpp_run_started('restarted');
		UPDATE pdpp.controller_active_runs SET deadline_at = deadline_at - interval '2 hours', deadline_set_at = deadline_set_at - interval '2 hours' WHERE run_id = 'restarted'});
	sql(q{SELECT pdpp_run_now('c', 'over', 'over', timeout => '1h'), pdpp_run_started('over')});
	pass_deadline('over');
	ends('over', 'failed run_timed_out');
	is(ending_of('restarted'), 'active', 'a time that was given before it counts from its start');
};

$node->stop;
done_testing();
