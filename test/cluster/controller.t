# `pdpp controller` against a real cluster: every ending of a run it launches, with real processes and signals, and what
# becomes of its runs when it is cancelled, reloaded, drained, killed, or loses its database.

use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use PdppCluster;
use PdppController;
use Programs qw(:DEFAULT memory_ok);

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $json = JSON::PP->new->canonical;

my $node = PdppCluster->running('main', conf => "pdpp.liveness_grace = '10s'");

delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }

sub write_file {
	my ($name, $content) = @_;
	open my $file, '>', "$folder/$name" or die "$name: $!";
	print {$file} $content;
	close $file;
	return "$folder/$name";
}

# A connections file in our folder: connection => command, or all of its settings.
sub connections_file {
	my ($name, %setups) = @_;
	return PdppController::connections_file("$folder/$name", %setups);
}

sub shell { my ($script) = @_; return [ 'sh', '-c', $script ] }

# A controller that has offered its connections.
sub start_controller {
	my ($file, @options) = @_;
	return PdppController->start(conninfo => $db, file => $file, args => \@options);
}

sub run_now {
	my ($connection) = @_;
	return sql("SELECT pdpp_run_now('$connection-connector', '$connection')->>'run_id'");
}

sub status_of { my ($run_id) = @_; return decode_json(sql("SELECT pdpp_run_status('$run_id')")) }

sub types_of {
	my ($run_id) = @_;
	return sql("SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events WHERE run_id = '$run_id'");
}

sub started { my ($run_id) = @_; return within(sub { types_of($run_id) =~ /run\.started/ }) }

# The status once the run has ended.
sub ended {
	my ($run_id) = @_;
	my $status;
	within(sub { $status = status_of($run_id); $status->{status} ne 'active' });
	return $status;
}

sub ends_as {
	my ($run_id, $word, $reason, $name) = @_;
	my $status = ended($run_id);
	is($status->{status}, $word, "$name: status");
	is($status->{terminal_reason}, $reason, "$name: reason");
	return $status;
}

subtest 'endings' => sub {
	my $controller = start_controller(connections_file('endings.json',
		'completes' => {
			command => shell(q(echo "secret-of-stdout $GREETING $GONE."; pwd >&2; echo "id=$PDPP_RUN_ID";
				echo '{"type":"PROGRESS","count":1}'; echo '{"type":"DONE","status":"succeeded","records_emitted":7}'; cat)),
			env => { GREETING => 'hallo', GONE => undef }, cwd => $folder },
		'exits' => shell('exit 3'),
		'killed' => shell('kill -9 $$'),
		'late' => { command => [ 'sleep', '1000' ], timeout_seconds => 0.2 },
		'missing' => ['/no/such/executable'],
		'homeless' => { command => ['true'], cwd => '/no/such/folder' }));
	my %run = map { $_ => run_now($_) } qw(completes exits killed late missing homeless);
	my $status = ends_as($run{completes}, 'completed', undef, 'completes');
	is($status->{connector_id}, 'completes-connector', 'its connector');
	is($status->{connector_instance_id}, 'completes', 'its connection');
	is(types_of($run{completes}), 'run.admitted run.started run.progress_reported run.completed', 'its events');
	is(sql("SELECT data_json->>'records_emitted' FROM pdpp.spine_events WHERE run_id = '$run{completes}'"
			. " AND event_type = 'run.completed'"), '7', 'what its DONE said');
	ends_as($run{exits}, 'failed', 'connector_exit_nonzero', 'exits');
	ends_as($run{killed}, 'failed', 'connector_killed_by_signal', 'killed');
	ends_as($run{late}, 'failed', 'run_timed_out', 'late');
	$status = ends_as($run{missing}, 'failed', 'launch_failed', 'missing executable');
	is($status->{failure}{message}, 'cannot execute "/no/such/executable": No such file or directory', 'why');
	is($status->{connector_instance_id}, 'missing', 'which connection');
	$status = ends_as($run{homeless}, 'failed', 'launch_failed', 'missing working directory');
	like($status->{failure}{message}, qr{cannot enter the working directory "/no/such/folder"}, 'why');
	is($controller->stop, 0, 'drained');
	my $err = $controller->log;
	for my $name (qw(missing homeless))
	{
		my @lines = grep { /launch failed run_id=$run{$name} / } split /\n/, $err;
		is(scalar @lines, 1, "$name: one log line");
		like($lines[0] // '', qr/trace_id=trc_\w+ connector_id=$name-connector connector_instance_id=$name message=cannot/,
			"$name: it names the run");
	}
	unlike($err, qr/secret-of-stdout/, 'what connectors print is not logged');
};

subtest 'output is logged on request, with what the connection sets' => sub {
	local @ENV{qw(GONE PGPASSWORD PDPP_OWNER_PASSWORD)} = qw(inherited inherited inherited);
	my $controller = start_controller(connections_file('output.json',
		'shown' => {
			command => shell(q(printf "GREETING=$GREETING GONE=$GONE\nPG=$PGPASSWORD OWNER=$PDPP_OWNER_PASSWORD\a\n"; pwd >&2)),
			env => { GREETING => 'hallo', GONE => undef }, cwd => $folder }), '--show-output');
	my $run_id = run_now('shown');
	ends_as($run_id, 'completed', undef, 'shown');
	$controller->stop;
	my $err = $controller->log;
	like($err, qr/output run_id=$run_id stdout: GREETING=hallo GONE=$/m, 'the environment');
	like($err, qr/output run_id=$run_id stdout: PG= OWNER=\\x07$/m, 'our credentials are not passed on; nothing rings');
	like($err, qr/output run_id=$run_id stderr: \Q$folder\E$/m, 'the working directory');
};

subtest 'nobody can fork' => sub {
	my $file = connections_file('fork.json', 'forkless' => ['true']);
	# a sanitizer would look for leaks in a process of its own
	my $controller = PdppController->start(conninfo => $db, file => $file,
		before => [ 'bash', '-c', 'ulimit -u 1; export ASAN_OPTIONS=detect_leaks=0; exec "$@"', 'bash' ]);
	my $status = ends_as(run_now('forkless'), 'failed', 'launch_failed', 'no fork');
	like($status->{failure}{message}, qr/cannot start a process: Resource temporarily unavailable/, 'why');
	is($controller->stop, 0, 'the controller lives');
};

subtest 'the database refuses run.started' => sub {
	sql('CREATE ROLE halfway LOGIN');
	sql(q{SELECT pdpp_grant('halfway', 'controller')});
	sql('REVOKE EXECUTE ON FUNCTION pdpp_run_started FROM halfway');
	my $file = connections_file('refused.json', 'refused' => shell("echo \$\$ >$folder/refused.pid; exec sleep 1000"));
	my $controller = PdppController->start(conninfo => "$db user=halfway", file => $file);
	my $status = ends_as(run_now('refused'), 'failed', 'launch_failed', 'refused');
	like($status->{failure}{message}, qr/^cannot record run.started: permission denied/, 'why');
	ok(!-s "$folder/refused.pid" || goes_away(slurp_file("$folder/refused.pid") + 0), 'its process is gone');
	$controller->stop;
};

subtest 'cancel' => sub {
	my $controller = start_controller(connections_file('cancel.json',
		'obeys' => [ 'sleep', '1000' ],
		'deaf' => { command => shell(q(trap '' TERM; echo '{"type":"PROGRESS"}'; while :; do sleep 0.1; done)),
			grace_seconds => 0.2 }), '--controller-id', 'canceller');
	my $cancel = sub { my ($run_id) = @_; return sql("SELECT pdpp_run_cancel('$run_id')->>'status'") };

	my $run_id = run_now('obeys');
	ok(started($run_id), 'runs');
	is($cancel->($run_id), 'cancel_requested', 'cancelled while it runs');
	is($cancel->($run_id), 'cancel_requested', 'and once more');
	ends_as($run_id, 'cancelled', 'owner_cancelled', 'while it runs');
	is(types_of($run_id), 'run.admitted run.started run.cancel_requested run.cancelled', 'events');
	is($cancel->($run_id), 'cancel_requested', 'after the end');

	$run_id = run_now('deaf');
	ok(within(sub { types_of($run_id) =~ /run\.progress_reported/ }), 'runs');
	$cancel->($run_id);
	ends_as($run_id, 'cancelled', 'owner_cancel_forced', 'deaf to SIGTERM');

	# before the claim: in the admission's own transaction nobody can have claimed it
	$run_id = sql(q{WITH run AS MATERIALIZED (SELECT pdpp_run_now('obeys-connector', 'obeys')->>'run_id' AS id)
		SELECT id FROM run WHERE pdpp_run_cancel(id) IS NOT NULL});
	ends_as($run_id, 'cancelled', 'owner_cancelled', 'before the claim');
	is(types_of($run_id), 'run.admitted run.cancel_requested run.cancelled', 'never started');

	# between claim and start: whoever asks right after the claim comes before, at or after run.started
	for my $round (1 .. 20)
	{
		$run_id = run_now('obeys');
		within(sub { sql("SELECT count(*) FROM pdpp.controller_active_runs WHERE run_id = '$run_id' AND boot_epoch IS NULL") eq '0' });
		$cancel->($run_id);
		my $status = ended($run_id);
		is("$status->{status} $status->{terminal_reason}", 'cancelled owner_cancelled', "right after the claim, round $round");
	}

	# after a restart of the controller nobody owns the run
	$run_id = run_now('obeys');
	started($run_id);
	$controller->stop('KILL');
	$controller = start_controller("$folder/cancel.json", '--controller-id', 'canceller');
	my $status = ended($run_id);
	is($status->{status}, 'abandoned', 'the next life of the controller finds the run of its last');
	$controller->stop;
};

# Whoever may connect may send them: while a claim is under way, more than the controller keeps.
subtest 'hints that mean nothing' => sub {
	my $controller = start_controller(connections_file('hints.json', hinted => [ 'sleep', '1000' ]));
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('BEGIN; LOCK TABLE pdpp.controller_active_runs IN SHARE ROW EXCLUSIVE MODE');
	my $run = $holder->query_safe(q{SELECT pdpp_run_now('hinted-connector', 'hinted')->>'run_id'});
	sql('NOTIFY pdpp_run');
	ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pdpp_run_claim%' AND wait_event_type = 'Lock')}), 'a claim waits');
	# not all at once: what comes while the session asks something is libpq's to keep
	for my $burst (1 .. 20)
	{
		sql(qq{SELECT pg_notify('pdpp_run', left(repeat($burst || '.' || i || \$\$"'\\\\\\n\$\$, 2000), 7900)) FROM generate_series(1, 1000) AS i});
		$node->poll_query_until('postgres', 'SELECT pg_notification_queue_usage() = 0') or die 'nobody reads them';
	}
	my ($memory) = slurp_file('/proc/' . $controller->pid . '/status') =~ /VmHWM:\s*(\d+) kB/;
	memory_ok($memory, 60_000, 'of which little is kept');
	$holder->query_safe('COMMIT');
	$holder->quit;
	ok(started($run), 'then it goes on');
	sql("SELECT pdpp_run_cancel('$run')");
	ends_as($run, 'cancelled', 'owner_cancelled', 'what is asked for is heard');
	$controller->stop;
};

subtest 'several at once, a backlog' => sub {
	my %setups = map { ("many-$_" => shell('sleep 0.2')) } 1 .. 20;
	my $file = connections_file('many.json', %setups);
	# admitted before anybody is there to claim
	my @runs = map { run_now($_) } sort keys %setups;
	my $controller = start_controller($file, '--controller-id', 'many', '--parallel', '3');
	is(ended($_)->{status}, 'completed', 'claimed from the backlog') for @runs;
	my $most_at_once = sql(q{
		WITH change AS (
			SELECT recorded_at, CASE event_type WHEN 'run.started' THEN 1 ELSE -1 END AS by FROM pdpp.spine_events
			WHERE event_type IN ('run.started', 'run.completed')
				AND run_id IN (SELECT run_id FROM pdpp.spine_events WHERE connector_instance_id LIKE 'many-%'))
		SELECT max(running) FROM (SELECT sum(by) OVER (ORDER BY recorded_at, by) AS running FROM change) AS at_each_change});
	cmp_ok($most_at_once, '<=', 3, 'never more than --parallel at once');
	cmp_ok($most_at_once, '>', 1, 'but several');
	$controller->stop;
};

subtest 'data of any shape is no obstacle' => sub {
	my $controller = start_controller(connections_file('deep.json', 'deep' => ['true']));
	my $deep = ('{"a":' x 100) . '1e400' . ('}' x 100);
	my $run_id = sql("SELECT pdpp_run_now('deep-connector', 'deep', data => '$deep')->>'run_id'");
	ends_as($run_id, 'completed', undef, 'deep');
	$controller->stop;
};

subtest 'without a background worker the controller and the gateway call the guard' => sub {
	$node->append_conf('postgresql.conf', q{pdpp.launch_deadline = '100ms'}); # no session may set it
	$node->reload;
	ok($node->poll_query_until('postgres', q{SELECT pdpp_run_status('nobody') IS NOT NULL AND current_setting('pdpp.launch_deadline') = '100ms'}), 'a short deadline');
	my $overdue = sub { return sql(q{SELECT pdpp_run_now('nobodys')->>'run_id'}) };
	my $controller = start_controller(connections_file('guard.json'));
	ends_as($overdue->(), 'failed', 'launch_failed', 'by the controller');
	$controller->stop;
	my $gateway = start('', $pdpp, '--db', $db, 'serve', '--listen', '127.0.0.1:0', '--insecure-no-owner');
	ends_as($overdue->(), 'failed', 'launch_failed', 'by the gateway');
	kill 'TERM', pid_of($gateway);
	is((finish($gateway))[0], 0, 'the gateway ends');
	$node->append_conf('postgresql.conf', q{pdpp.launch_deadline = '1min'});
	$node->reload;

	sql('CREATE ROLE web LOGIN');
	sql(q{SELECT pdpp_grant('web', 'owner')});
	$gateway = start('', $pdpp, '--db', "$db user=web", 'serve', '--listen', '127.0.0.1:0', '--insecure-no-owner');
	ok(wait_for($gateway, 'err', qr/the launch guard is left to .*: permission denied for function pdpp_reconcile/),
		'a role that may not says so, once');
	kill 'TERM', pid_of($gateway);
	my ($code, undef, $err) = finish($gateway);
	is($code, 0, 'and serves');
};

subtest 'SIGHUP' => sub {
	my $file = connections_file('hup.json', 'old' => ['true']);
	my $controller = start_controller($file);
	write_file('hup.json', '[{"connector_instance_id": "new", "connector_id": "new-connector", "command": "true"}]');
	kill 'HUP', $controller->pid;
	$controller->await_log(qr/connections stay as they were: \Q$file\E: \[0\]\.command: must be an array/);
	pass('a file that is wrong changes nothing, and says where');
	ends_as(run_now('old'), 'completed', undef, 'as before');
	connections_file('hup.json', 'new' => ['true']);
	kill 'HUP', $controller->pid;
	ok(within(sub { sql("SELECT count(*) FROM pdpp.connections WHERE boot_epoch IS NOT NULL AND connector_instance_id = 'new'") }),
		'the new connection is offered');
	is(sql("SELECT count(*) FROM pdpp.connections WHERE boot_epoch IS NOT NULL AND connector_instance_id = 'old'"), 0,
		'the old one is withdrawn');
	ends_as(run_now('new'), 'completed', undef, 'the new connection');
	$controller->stop;
};

subtest 'a first offer that is in somebody\'s way waits like the later ones' => sub {
	sql(q{SELECT pdpp_run_settle(pdpp_run_now('held-connector', 'held')->>'run_id', 'completed')});
	my $holder = $node->background_psql('postgres');
	$holder->query_safe(q{BEGIN; SELECT FROM pdpp.connections WHERE connector_instance_id = 'held' FOR UPDATE});
	my $controller = PdppServer->launch(
		name => 'controller',
		arguments => [ '--db', "$db options='-c lock_timeout=100'", 'controller', '--connections', connections_file('held.json', 'held' => ['true']),
			'--controller-id', 'patient' ],
		ready => qr/cannot offer the connections.*cannot offer the connections/s);
	$holder->quit;
	$controller->await_log(qr/offering connections=1/);
	ends_as(run_now('held'), 'completed', undef, 'it goes on once the row is free');
	is($controller->stop, 0, 'and ends as ever');
	my (undef, undef, $err) = ();
	sql(q{ALTER TABLE pdpp.connections ADD CONSTRAINT no_bad CHECK (connector_instance_id <> 'bad')});
	IPC::Run::run([ PdppServer::program(), '--db', $db, 'controller', '--connections', connections_file('bad.json', 'bad' => ['true']) ],
		'>', \my $out, '2>', \$err);
	my $code = $? >> 8;
	sql('ALTER TABLE pdpp.connections DROP CONSTRAINT no_bad');
	is($code, 5, 'an offer that is refused for what it is ends it');
};

subtest 'draining' => sub {
	my $file = connections_file('drain.json', 'quick' => shell("while [ ! -e $folder/go ]; do sleep 0.05; done"),
		'endless' => [ 'sleep', '1000' ]);
	my $controller = start_controller($file, '--controller-id', 'drainer');
	my $quick = run_now('quick');
	ok(started($quick), 'runs');
	kill 'TERM', $controller->pid;
	$controller->await_log(qr/draining/);
	ok(within(sub { sql("SELECT count(*) FROM pdpp.connections WHERE boot_epoch IS NOT NULL AND connector_instance_id = 'quick'") eq '0' }),
		'the offer is withdrawn');
	my $unclaimed = run_now('endless');
	write_file('go', '');
	is($controller->finish, 0, 'drained');
	ends_as($quick, 'completed', undef, 'what ran may finish');
	is(status_of($unclaimed)->{status}, 'active', 'nothing more was claimed');

	$controller = start_controller($file, '--controller-id', 'drainer', '--drain-timeout', '0.3');
	ok(started($unclaimed), 'the next life claims it');
	kill 'TERM', $controller->pid;
	is($controller->finish, 0, 'drained in time');
	ends_as($unclaimed, 'cancelled', 'controller_drained', 'over the limit');
};

subtest 'draining while the database stands still' => sub {
	my $controller = start_controller(connections_file('still.json',
		'stubborn' => shell("echo \$\$ >$folder/stubborn.pid; exec sleep 1000")), '--controller-id', 'still');
	my $run_id = run_now('stubborn');
	ok(started($run_id), 'runs');
	my $session = $node->background_psql('postgres');
	$session->query_safe('BEGIN; LOCK TABLE pdpp.connections IN ACCESS EXCLUSIVE MODE');
	kill 'TERM', $controller->pid;
	$controller->await_log(qr/draining/);
	kill 'TERM', $controller->pid;
	ok(goes_away(slurp_file("$folder/stubborn.pid") + 0), 'a second signal stops what runs');
	unlike($controller->log, qr/cannot withdraw the offer/, 'whatever has become of the offer');
	$session->quit;
	is($controller->finish, 0, 'drained');
	ends_as($run_id, 'cancelled', 'controller_drained', 'and recorded');
};

subtest 'SIGKILL of the controller' => sub {
	my $controller = start_controller(connections_file('kill.json',
		'orphan' => shell("echo \$\$ >$folder/orphan.pid; exec sleep 1000")), '--controller-id', 'killed');
	my $run_id = run_now('orphan');
	ok(started($run_id), 'runs');
	$controller->stop('KILL');
	ok(goes_away(slurp_file("$folder/orphan.pid") + 0), 'the connector goes with it');
	ok(within(sub { sql('SELECT pdpp_reconcile()'); status_of($run_id)->{status} ne 'active' }), 'the guard ends the run');
	ends_as($run_id, 'abandoned', 'controller_terminated_before_run_finished', 'killed');
};

subtest 'a child that outlives its run is killed' => sub {
	my $controller = start_controller(connections_file('outlived.json',
		'outlived' => shell("echo \$\$ >$folder/outlived.pid; trap '' TERM; while :; do sleep 0.1; done")));
	my $run_id = run_now('outlived');
	ok(started($run_id), 'runs');
	within(sub { -s "$folder/outlived.pid" });
	sql(qq{SELECT pdpp_run_settle('$run_id', 'failed', '{"reason": "settled_by_another"}')});
	ok(goes_away(slurp_file("$folder/outlived.pid") + 0), 'its process is gone');
	ok(within(sub { types_of($run_id) =~ /run\.failed run\.late_outcome$/ }), 'what the controller saw is kept');
	is(status_of($run_id)->{terminal_reason}, 'settled_by_another', 'the ending stands');
	$controller->stop;
};

subtest 'the database restarts under it' => sub {
	my $controller = start_controller(connections_file('restart.json',
		'patient' => shell("echo \$\$ >$folder/patient.pid; while [ ! -e $folder/done ]; do sleep 0.05; done"),
		'quick' => ['true']), '--controller-id', 'survivor');
	my $run_id = run_now('patient');
	ok(started($run_id), 'runs');
	$node->restart;
	$controller->await_log(qr/rejoined controller_id=survivor/);
	pass('it rejoins its boot');
	is(sql("SELECT count(*) FROM pdpp.controller_boots WHERE controller_id = 'survivor'"), 1, 'no new boot');
	ends_as(run_now('quick'), 'completed', undef, 'it goes on claiming');
	is(status_of($run_id)->{status}, 'active', 'nothing has happened to the run');
	write_file('done', '');
	ends_as($run_id, 'completed', undef, 'over the restart');
	$node->stop('immediate');
	$node->start;
	ends_as(run_now('quick'), 'completed', undef, 'after a crash of the server');
	$controller->stop;
};

subtest 'its boot dies under a session that lives' => sub {
	my $controller = start_controller(connections_file('reborn.json', reborn => ['true']), '--controller-id', 'reborn');
	for my $death ("SET session_replication_role = replica; UPDATE pdpp.controller_boots SET lost_at = now(), dead_at = now() WHERE controller_id = 'reborn' AND dead_at IS NULL",
		'DROP EXTENSION pdpp; CREATE EXTENSION pdpp') {
		sql($death);
		ends_as(run_now('reborn'), 'completed', undef, $death);
	}
	is(sql(q{SELECT seq FROM pdpp.controller_boots WHERE controller_id = 'reborn'}), '1', 'it has booted anew');
	$controller->stop;
};

subtest 'a command line or a file that is wrong' => sub {
	my $refused = sub {
		my ($content, $pattern, $name) = @_;
		my ($code, undef, $err) = finish(start('', $pdpp, '--db', 'host=/nonexistent', 'controller', '--connections',
			write_file('wrong.json', $content)));
		is($code, 2, "$name: exit code");
		like($err, $pattern, "$name: what is wrong, and where");
		return;
	};
	$refused->("[\n  {\"connector_id\": }]", qr{wrong\.json: line 2, column 20: this is not JSON}, 'no JSON');
	$refused->('{}', qr{must be an array of connections}, 'no array');
	$refused->('[{"connector_id": "a", "command": ["x"]}]', qr{\[0\]: \\"connector_instance_id\\" is missing}, 'no id');
	$refused->('[{"connector_instance_id": "a", "connector_id": "a", "command": ["x"], "colour": 1}]',
		qr{\[0\]\.colour: there is no such setting}, 'a setting that is none');
	my ($code, undef, $err) = finish(start('', $pdpp, 'controller', '--connections', "$folder/nothing.json"));
	is($code, 2, 'no file: exit code');
	like($err, qr{nothing\.json: cannot be read: No such file or directory}, 'no file');
	($code) = finish(start('', $pdpp, '--db', 'host=/nonexistent', 'controller', '--connections', write_file('empty.json', '[]')));
	is($code, 4, 'no database');
};

$node->stop;
done_testing();
