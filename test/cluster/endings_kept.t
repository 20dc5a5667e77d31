# An ending is not thrown away while its launcher lives, whatever the database says about it: each refusal passes in the
# end, and the run has then ended as its process did. What cannot be recorded until its launcher ends is left to the guard.

use strict;
use warnings;
use Cwd qw(abs_path);
use Encode ();
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(sleep time);

use CuttingProxy;
use PdppCluster;
use PdppController;
use Programs;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir_short());

delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);

sub cluster {
	my ($name) = @_;
	my $node = PdppCluster->running($name, conf => "pdpp.liveness_grace = '20s'\npdpp.launch_deadline = '1h'");
	return $node;
}

my $node = cluster('main');
my $away = cluster('away');
my $db = $node->connstr('postgres');

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }

sub shell { my ($script) = @_; return [ 'sh', '-c', $script ] }

# A connector that ends when it is told to, with a code.
sub told { my ($name, $code) = @_; return shell("while [ ! -e $folder/$name ]; do sleep 0.05; done; exit $code") }

sub let_end { my ($name) = @_; append_to_file("$folder/$name", ''); return }

sub run_now { my ($connection, $at) = @_;
	return ($at // $node)->safe_psql('postgres', "SELECT pdpp_run_now('$connection-connector', '$connection')->>'run_id'") }

sub types_of {
	my ($run_id, $at) = @_;
	return ($at // $node)->safe_psql('postgres',
		"SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events WHERE run_id = '$run_id'");
}

sub started { my ($run_id, $at) = @_; return within(sub { types_of($run_id, $at) =~ /run\.started/ }) }

# The data of its ending once it has ended.
sub ending_of {
	my ($run_id, $at) = @_;
	$at //= $node;
	$at->poll_query_until('postgres', "SELECT pdpp_run_status('$run_id')->>'status' <> 'active'") or die "$run_id never ended";
	return decode_json($at->safe_psql('postgres',
		"SELECT data_json || jsonb_build_object('ended_as', event_type) FROM pdpp.spine_events WHERE run_id = '$run_id'"
		  . " AND event_type IN ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')"));
}

# Refuses so many writes of a connection's events; the number goes on counting whatever is rolled back.
sub refuse {
	my ($connection, $event_type, $times, $error) = @_;
	sql(qq{CREATE SEQUENCE "$connection tries";
		CREATE FUNCTION "refuse $connection"() RETURNS trigger LANGUAGE plpgsql AS
		\$\$BEGIN IF EXISTS (SELECT FROM pdpp.controller_active_runs WHERE run_id = new.run_id AND connector_instance_id = '$connection')
				AND nextval('public."$connection tries"') <= $times THEN RAISE EXCEPTION USING $error; END IF; RETURN new; END\$\$;
		CREATE TRIGGER "refuse $connection" BEFORE INSERT ON pdpp.spine_events FOR EACH ROW
		WHEN (new.event_type = '$event_type')
		EXECUTE FUNCTION "refuse $connection"()});
	return;
}

sub tries { my ($connection) = @_; return sql(qq{SELECT last_value FROM "$connection tries" WHERE is_called}) || 0 }

sub is_told { my ($controller, $run_id) = @_; return $controller->await_log(qr/ending not recorded yet run_id=$run_id trace_id=trc_\w+ attempts=\d+ endings_waiting=[1-9]\d* message=./) }

my @refused = qw(once thrice limit bulk);
my $long = q(printf '{"type":"DONE","status":"failed","error":{"message":"%s"}}\n' $(head -c 2000 /dev/zero | tr '\0' x));
# of what no index has room for, however it is compressed
my $incompressible = join '', map { chr(0x4e00 + int rand 20000) } 1 .. 1500;
append_to_file("$folder/incompressible", Encode::encode_utf8(qq({"type":"DONE","status":"failed","error":{"message":"$incompressible"}}\n)));
my $controller = PdppController->start(
	conninfo => $db,
	args => [ '--controller-id', 'keeper', '--parallel', '20', '--metrics-file', "$folder/keeper.prom" ],
	connections => {
		(map { ("fenced-$_" => told("fenced-$_", 3)) } 1 .. 6), (map { ($_ => shell('exit 3')) } @refused), quick => ['true'],
		readonly => told('readonly', 3), large => shell("while [ ! -e $folder/large ]; do sleep 0.05; done; $long"),
		larger => shell("while [ ! -e $folder/larger ]; do sleep 0.05; done; $long"),
		picky => shell($long), indexed => [ 'cat', "$folder/incompressible" ],
		missing => ['/no/such/executable'], slow => [ 'sleep', '1000' ],
		unstarted => [ 'sleep', '1000' ] });

# ---- what lasts for longer than a minute: begun here, looked at in the end ------------------------------------------

my $long_ago = time + 66;

my %fenced = map { ($_ => run_now("fenced-$_")) } 1 .. 6;
ok(started($_), 'runs') for values %fenced;
my @fences = map { start('', 'psql', '-Xq', $db, '-c', "BEGIN; SELECT pdpp_run_fence('$_'); SELECT pg_sleep(66); COMMIT") } values %fenced;
$node->poll_query_until('postgres', q{SELECT count(*) = 6 FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND wait_event = 'PgSleep'}) or die 'no fence';
let_end("fenced-$_") for 1 .. 6;

my $gone = PdppController->start(conninfo => $away->connstr('postgres'), args => [ '--controller-id', 'patient' ],
	connections => { patient => told('patient', 7) });
my $patient = run_now('patient', $away);
ok(started($patient, $away), 'runs');
my $alone = start('', $pdpp, '--db', $away->connstr('postgres'), 'run', '--connector', 'alone', '--', @{ told('patient', 7) });
my $alone_run = wait_for($alone, 'err', qr/"run_id": "(run_[0-9a-f]+)"/);
ok(started($alone_run, $away), 'runs');
$away->stop('immediate');
let_end('patient');

# ---- meanwhile ------------------------------------------------------------------------------------------------------

subtest 'what others wait for holds nobody else up' => sub {
	is_told($controller, $_) for values %fenced;
	like(slurp_file("$folder/keeper.prom"), qr/^pdpp_launcher_endings_waiting\{controller_id="keeper"\} 6$/m, 'as many as are told to Prometheus');
	for my $round (1 .. 5)
	{
		is(ending_of(run_now('quick'))->{ended_as}, 'run.completed', "another run, round $round");
	}
	is(sql("SELECT pdpp_run_status('$_')->>'status'"), 'active', 'the ending waits behind the fence') for values %fenced;
};

subtest 'somebody\'s trigger raises' => sub {
	refuse('once', 'run.failed', 1, q{MESSAGE = 'not now', ERRCODE = 'P0001'});
	my $run_id = run_now('once');
	my $ending = ending_of($run_id);
	is("$ending->{ended_as} $ending->{reason} $ending->{exit_code}", 'run.failed connector_exit_nonzero 3', 'once');
	like($controller->log, qr/ending not recorded yet run_id=$run_id trace_id=trc_\w+ attempts=1 endings_waiting=\d+ message=not now/, 'the log says so');

	refuse('limit', 'run.failed', 1, q{MESSAGE = 'too much', ERRCODE = '54000'});
	$ending = ending_of(run_now('limit'));
	is("$ending->{ended_as} $ending->{reason} $ending->{exit_code}", 'run.failed connector_exit_nonzero 3', 'a limit of the server');

	# more often than it is taken for a mistake of the evidence
	refuse('thrice', 'run.failed', 20, q{MESSAGE = 'no such thing', ERRCODE = 'PT404'});
	$ending = ending_of(run_now('thrice'));
	is("$ending->{ended_as} $ending->{reason}", 'run.failed connector_exit_nonzero', 'again and again');
	is(tries('thrice'), 21, 'and each time it was tried again');

	refuse('missing', 'run.failed', 3, q{MESSAGE = 'not now', ERRCODE = 'P0001'});
	$ending = ending_of(run_now('missing'));
	is($ending->{reason}, 'launch_failed', 'at a failure to launch');
	like($ending->{message}, qr{/no/such/executable}, 'whose message is kept');

	refuse('slow', 'run.started', 1, q{MESSAGE = 'not now', ERRCODE = 'P0001'});
	$run_id = run_now('slow');
	ok(started($run_id), 'at the start');
	sql("SELECT pdpp_run_cancel('$run_id')");
	is(ending_of($run_id)->{reason}, 'owner_cancelled', 'of a run that goes on');

	refuse('unstarted', 'run.started', 1000, q{MESSAGE = 'never', ERRCODE = 'P0001'});
	$ending = ending_of(run_now('unstarted'));
	is("$ending->{reason}: $ending->{message}", 'launch_failed: cannot record run.started: never', 'for good: the run has not started');
};

subtest 'read-only for a moment' => sub {
	my $run_id = run_now('readonly');
	ok(started($run_id), 'runs');
	sql("ALTER SYSTEM SET default_transaction_read_only = on");
	sql("SELECT pg_reload_conf()");
	$node->poll_query_until('postgres', 'SHOW default_transaction_read_only', 'on') or die 'not reloaded';
	let_end('readonly');
	is_told($controller, $run_id);
	like($controller->log, qr/run_id=$run_id .* message=cannot execute \w+.* in a read-only transaction/, 'refused with 25006');
	# a session sees the setting between two transactions
	$node->safe_psql('postgres', "SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only");
	sql("SELECT pg_reload_conf()");
	is(ending_of($run_id)->{exit_code}, 3, 'and recorded afterwards');
};

subtest 'evidence that is too large' => sub {
	my ($large, $larger) = map { run_now($_) } qw(large larger);
	ok(started($_), 'runs') for $large, $larger;
	my $limit = sub {
		my ($bytes) = @_;
		sql("LOAD 'pdpp'; ALTER SYSTEM SET pdpp.max_event_bytes = $bytes");
		sql('SELECT pg_reload_conf()');
		$node->poll_query_until('postgres', "SELECT pdpp_run_status('x') IS NOT NULL; SELECT setting FROM pg_settings WHERE name = 'pdpp.max_event_bytes'",
			"t\n$bytes") or die 'not reloaded';
		return;
	};
	$limit->(1000);
	let_end('large');
	my $ending = ending_of($large);
	is($ending->{reason}, 'connector_reported_failed', 'the reason is kept');
	like($ending->{connector_error_message}, qr/^x{100}\x{2026}$/, 'the message is cut');
	$controller->await_log(qr/ending recorded with less evidence run_id=$large/);
	pass('which the log says');
	$limit->(60);
	let_end('larger');
	is_deeply(ending_of($larger), { reason => 'connector_reported_failed', ended_as => 'run.failed' }, 'the reason alone');
	sql("LOAD 'pdpp'; ALTER SYSTEM RESET pdpp.max_event_bytes");
	sql('SELECT pg_reload_conf()');

	sql(q{ALTER TABLE pdpp.spine_events ADD CONSTRAINT small CHECK (length(data_json::text) < 1000) NOT VALID});
	is(ending_of(run_now('picky'))->{reason}, 'connector_reported_failed', 'somebody\'s check');
	sql(q{ALTER TABLE pdpp.spine_events DROP CONSTRAINT small});

	# a limit of the server's own, which it says as it says that its queues are full (class 54)
	sql(q{CREATE INDEX too_small ON pdpp.spine_events ((data_json->>'connector_error_message'))});
	$ending = ending_of(run_now('indexed'));
	is($ending->{reason}, 'connector_reported_failed', 'somebody\'s index');
	like($ending->{connector_error_message}, qr/^[\x{4e00}-\x{9fff}]{100}\x{2026}$/, 'whose rows may not be larger');
	sql(q{DROP INDEX pdpp.too_small});
};

subtest 'an ending that waits leaves its place to another run' => sub {
	my $narrow = PdppController->start(conninfo => $db, args => [ '--controller-id', 'narrow', '--parallel', '1' ],
		connections => { held => told('held', 3), next => ['true'] });
	my $run_id = run_now('held');
	ok(started($run_id), 'runs');
	my $holder = $node->background_psql('postgres');
	$holder->query_safe("BEGIN; SELECT FROM pdpp.controller_active_runs WHERE run_id = '$run_id' FOR UPDATE");
	let_end('held');
	is_told($narrow, $run_id);
	is(ending_of(run_now('next'))->{ended_as}, 'run.completed', 'which is launched, and ends');
	is(sql("SELECT pdpp_run_status('$run_id')->>'status'"), 'active', 'while the first waits for a lock');
	$holder->quit;
	is(ending_of($run_id)->{exit_code}, 3, 'and is recorded afterwards');
	is($narrow->stop, 0, 'drained');
};

subtest 'a cancel of a run whose ending waits' => sub {
	refuse('bulk', 'run.failed', 12, q{MESSAGE = 'not now', ERRCODE = 'P0001'});
	my $run_id = run_now('bulk');
	is_told($controller, $run_id);
	sql("SELECT pdpp_run_cancel('$run_id')");
	my $ending = ending_of($run_id);
	is("$ending->{ended_as} $ending->{reason}", 'run.failed connector_exit_nonzero', 'does no harm');
};

subtest 'pdpp run' => sub {
	refuse('single', 'run.failed', 2, q{MESSAGE = 'not now', ERRCODE = 'P0001'});
	my ($code, undef, $err) = finish(start('', $pdpp, '--db', $db, 'run', '--connector', 'single', '--', 'sh', '-c', 'exit 3'));
	is($code, 1, 'exit code');
	like($err, qr/ending not recorded yet run_id=run_\w+ trace_id=trc_\w+ attempts=1 endings_waiting=1 message=not now/, 'it says so');
	like((split /\n/, $err)[-1], qr/"terminal_reason": "connector_exit_nonzero"/, 'and tells the ending in the end');

	refuse('stuck', 'run.failed', 1000, q{MESSAGE = 'never', ERRCODE = 'P0001'});
	my $run = start('', $pdpp, '--db', $db, 'run', '--connector', 'stuck', '--', 'sh', '-c', 'exit 3');
	my $run_id = wait_for($run, 'err', qr/"run_id": "(run_[0-9a-f]+)"/);
	wait_for($run, 'err', qr/ending not recorded yet/);
	# two are taken for the process, which is over; the third is for the program
	within(sub { kill 'INT', pid_of($run); $run->{handle}->pump_nb; return !$run->{handle}->pumpable });
	is((finish($run))[0], -2, 'asked three times it goes');
	sql(q{DROP FUNCTION "refuse stuck" CASCADE});
	ok(within(sub { sql('SELECT pdpp_reconcile()'); types_of($run_id) =~ /run\.abandoned$/ }), 'and the guard ends the run');
};

subtest 'a drain does not wait for ever' => sub {
	refuse('never', 'run.failed', 1_000_000, q{MESSAGE = 'never', ERRCODE = 'P0001'});
	my $path = "$folder/notify";
	my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "notify: $!";
	my $heard = sub {
		IO::Select->new($manager)->can_read($PostgreSQL::Test::Utils::timeout_default) or die 'nothing is heard';
		recv($manager, my $text, 4096, 0);
		return $text;
	};
	local $ENV{NOTIFY_SOCKET} = $path;
	my $draining = PdppController->start(conninfo => $db, args => [ '--controller-id', 'drainer', '--drain-timeout', '1' ],
		connections => { never => shell('exit 3') });
	is($heard->(), 'READY=1', 'systemd hears that it is ready');
	my $run_id = run_now('never');
	is_told($draining, $run_id);
	is($heard->(), 'STATUS=Endings not recorded yet: 1.', 'and of the ending that waits');
	is($draining->stop, 1, 'told to stop it gives up, and its exit code says so');
	like($draining->log, qr/ending not recorded run_id=$run_id .*\n.*drained but for 1 endings/, 'and its log');
	sql(q{DROP FUNCTION "refuse never" CASCADE});
	ok(within(sub { sql('SELECT pdpp_reconcile()'); types_of($run_id) =~ /run\.abandoned$/ }), 'the guard ends the run');
};

subtest 'nor for a run of a connection that is not there any more' => sub {
	refuse('vanished', 'run.failed', 1_000_000, q{MESSAGE = 'never', ERRCODE = 'P0001'});
	my $proxy = CuttingProxy->new('held', $node->host . '/.s.PGSQL.' . $node->port, call => qr/pdpp_controller_offer\(/, later => 1);
	my $file = PdppController::connections_file("$folder/vanishing.json", vanished => ['true']);
	my $reloaded = PdppController->start(conninfo => $proxy->conninfo . " dbname=postgres user=$ENV{PGUSER}", file => $file,
		args => [ '--controller-id', 'reloaded', '--drain-timeout', '1' ]);
	# the database hears of the change no sooner than the run is claimed
	$proxy->hold;
	PdppController::connections_file($file, stays => ['true']);
	kill 'HUP', $reloaded->pid;
	$proxy->await_held;
	my $run_id = run_now('vanished');
	is_told($reloaded, $run_id);
	$proxy->let_go;
	is($reloaded->stop, 1, 'told to stop it gives up');
	like($reloaded->log, qr/ending not recorded run_id=$run_id .*\n.*drained but for 1 endings/, 'and names the run');
	$proxy->stop;
	sql(q{DROP FUNCTION "refuse vanished" CASCADE});
	ok(within(sub { sql('SELECT pdpp_reconcile()'); types_of($run_id) =~ /run\.abandoned$|run\.failed$/ }), 'the guard ends the run');
};

subtest 'more than a minute' => sub {
	sleep 0.5 while time < $long_ago;
	finish($_) for @fences;
	for my $run_id (values %fenced)
	{
		my $ending = ending_of($run_id);
		is("$ending->{ended_as} $ending->{reason}", 'run.failed connector_exit_nonzero', 'behind a fence');
	}
	ok(within(sub { slurp_file("$folder/keeper.prom") =~ /^pdpp_launcher_endings_waiting\{controller_id="keeper"\} 0$/m }), 'then there are none any more');
	$away->start;
	is(ending_of($patient, $away)->{exit_code}, 7, 'without a server');
	is(types_of($patient, $away), 'run.admitted run.started run.failed', 'once');
	my ($code, undef, $err) = finish($alone);
	is($code, 1, 'pdpp run: exit code');
	is(ending_of($alone_run, $away)->{exit_code}, 7, 'pdpp run: without a server');
	cmp_ok(scalar(() = $gone->log =~ /ending not recorded yet run_id=$patient/g), '<', 10, 'the log has not been flooded');
	is($gone->stop, 0, 'drained');
};

is($controller->stop, 0, 'drained');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pdpp.controller_active_runs'), 0, 'no run is left active');
done_testing();
