# `pdpp run`, `pdpp status` and `pdpp timeline` against a real cluster: every way a run can end, with real processes,
# real signals and real losses of the database.

use strict;
use warnings;
use File::Basename qw(dirname);
use JSON::PP;
use POSIX qw(:sys_wait_h);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use CuttingProxy;
use PdppCluster;
use Programs qw(:DEFAULT child preloaded);

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = PostgreSQL::Test::Utils::tempdir();

my $node = PdppCluster->running('main', conf => 'pdpp.liveness_grace = 0');

# Only --db, or what a test sets itself, says where the database is.
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');

# The run in flight of this connector has started, as far as the database knows.
sub await_start
{
	my ($connector) = @_;
	$node->poll_query_until('postgres', "SELECT launch_deadline IS NULL FROM pdpp.controller_active_runs WHERE connector_id = '$connector'")
		or die 'it does not start';
	return;
}
sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }

sub pdpp { my (@arguments) = @_; return finish(start('', $pdpp, '--db', $db, @arguments)) }

sub start_run { my (@arguments) = @_; return start('', $pdpp, '--db', $db, 'run', @arguments) }

# Runs to the end; gives what there is to look at.
sub run_of {
	my ($self) = @_;
	my ($code, $out, $err) = finish($self);
	my @lines = split /\n/, $err;
	my $ack = eval { decode_json($lines[0]) } // {};
	my $ending = eval { decode_json($lines[-1]) } // {};
	my %run = (code => $code, out => $out, err => $err, lines => \@lines, ack => $ack, ending => $ending,
		id => $ack->{run_id} // '');
	$run{status} = decode_json(sql("SELECT pdpp_run_status('$run{id}')"));
	my $data = sql(
		"SELECT data_json FROM pdpp.spine_events WHERE run_id = '$run{id}'"
		  . " AND event_type IN ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')");
	$run{data} = $data =~ /\n/ || $data eq '' ? { problem => "not one terminal event: $data" } : decode_json($data);
	$run{types} = sql("SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events"
		  . " WHERE run_id = '$run{id}'");
	$run{flight} = sql("SELECT count(*) FROM pdpp.controller_active_runs WHERE run_id = '$run{id}'");
	return \%run;
}

sub run_shell { my ($script, @options) = @_; return run_of(start_run(@options, '--', 'sh', '-c', $script)) }

# What every run that was acknowledged has in common.
sub ended_as {
	my ($run, $code, $status, $reason, $name) = @_;
	is($run->{code}, $code, "$name: exit code");
	like($run->{id}, qr/^run_[0-9a-f]{32}$/, "$name: the first line is the acknowledgement");
	is($run->{status}{status}, $status, "$name: status");
	is($run->{status}{terminal_reason}, $reason, "$name: reason");
	is_deeply($run->{ending}{status}, $status, "$name: the last line is the ending");
	is($run->{flight}, 0, "$name: no flight row is left");
	return;
}

sub write_file {
	my ($name, $content, $mode) = @_;
	open my $file, '>', "$folder/$name" or die "$name: $!";
	print {$file} $content;
	close $file;
	chmod $mode, "$folder/$name";
	return "$folder/$name";
}

subtest 'a run that completes' => sub {
	my $run = run_of(start_run('--connector', 'mail', '--connection', 'mail-anna', '--', 'sh', '-c', <<'SH'));
echo "id=$PDPP_RUN_ID trace=$PDPP_TRACE_ID parent=$TRACEPARENT"
echo '{"type":"PROGRESS","stream":"inbox","message":"half way","count":5,"total":10,"note":"hunter2-note"}'
echo hunter2-stdout
echo '{"type":"RECORD","data":"hunter2-record"}'
echo hunter2-stderr >&2
printf '{"type":"PROGRESS","stream":"inbox","count":10,"total":10}\n{"type":"DONE","status":"succeeded","records_emitted":10}'
SH
	ended_as($run, 0, 'completed', undef, 'completed');
	is($run->{status}{connector_id}, 'mail', 'connector');
	is($run->{status}{connector_instance_id}, 'mail-anna', 'connection');
	is($run->{types}, 'run.admitted run.started run.progress_reported run.progress_reported run.completed', 'events');
	is($run->{data}{records_emitted}, 10, 'a DONE without a line end is read too');
	my $trace = $run->{ack}{trace_id};
	my ($hex) = $trace =~ /^trc_([0-9a-f]{32})$/;
	like($run->{out}, qr/^id=$run->{id} trace=$trace parent=00-$hex-[0-9a-f]{16}-01$/m, 'the child knows its run');
	is_deeply(
		decode_json(sql("SELECT jsonb_agg(data_json ORDER BY event_seq) FROM pdpp.spine_events"
				  . " WHERE run_id = '$run->{id}' AND event_type = 'run.progress_reported'")),
		[
			{ stream => 'inbox', message => 'half way', count => 5, total => 10 },
			{ stream => 'inbox', message => undef, count => 10, total => 10 } ],
		'progress');
	is(sql("SELECT string_agg(concat_ws(' ', event->>'actor_type', event->>'stream_id'), ', ' ORDER BY n)"
		  . " FROM jsonb_array_elements(pdpp_run_timeline('$run->{id}')->'data') WITH ORDINALITY AS e(event, n)"),
		'connector, runtime, connector inbox, connector inbox, connector', 'by whom, and of which stream');
	like($run->{out}, qr/hunter2-stdout\n.*hunter2-record/s, 'standard output is passed on');
	is($run->{lines}[1], 'hunter2-stderr', 'and so is standard error');
	$node->command_ok([ 'pg_dump', '-d', $db, '-f', "$folder/dump.sql" ], 'dump');
	my $dump = slurp_file("$folder/dump.sql");
	like($dump, qr/half way/, 'the dump holds what is recorded');
	unlike($dump, qr/hunter2/, 'and nothing else of what the child printed');
};

subtest 'exit codes and signals' => sub {
	my $run = run_shell('exit 0');
	ended_as($run, 0, 'completed', undef, 'exit 0');
	is($run->{status}{connector_id}, 'sh', 'the connector is named like the command');

	$run = run_shell('exit 3');
	ended_as($run, 1, 'failed', 'connector_exit_nonzero', 'exit 3');
	is($run->{data}{exit_code}, 3, 'with its code');
	is_deeply(
		$run->{status}{failure},
		{
			reason => 'connector_exit_nonzero', message => 'the connector exited with code 3',
			origin => 'connector', connector_error_message => undef },
		'the failure is told');

	$run = run_shell('kill -KILL $$');
	ended_as($run, 1, 'failed', 'connector_killed_by_signal', 'SIGKILL');
	is("$run->{data}{signal} $run->{data}{signal_number}", 'SIGKILL 9', 'with its signal');
};

subtest 'DONE decides over the exit code' => sub {
	my $run = run_shell(q(echo '{"type":"DONE","status":"succeeded","records_emitted":4}'; exit 9));
	ended_as($run, 0, 'completed', undef, 'succeeded');
	is_deeply($run->{data}, { records_emitted => 4, exit_code => 9 }, 'the exit code is kept');

	$run = run_shell(q(echo '{"type":"DONE","status":"failed","records_emitted":1,"error":{"message":"no such box"}}'));
	ended_as($run, 1, 'failed', 'connector_reported_failed', 'failed');
	is($run->{data}{records_emitted}, 1, 'records emitted before it failed');
	is($run->{status}{failure}{origin}, 'connector', 'origin');
	is($run->{status}{failure}{connector_error_message}, 'no such box', 'in its own words');

	$run = run_shell(q(echo '{"type":"DONE","status":"cancelled"}'; exit 1));
	ended_as($run, 1, 'cancelled', 'connector_reported_cancelled', 'cancelled');

	$run = run_shell(q(echo '{"type":"DONE","status":"succeeded"}'; echo ready; exec sleep 1000), '--timeout', '0.3');
	ended_as($run, 0, 'completed', undef, 'over the time limit after DONE');
};

subtest 'DONE that is hard to read' => sub {
	my $says = sub { my ($line, $end) = @_; return run_of(start_run('--connector', 'says', '--', 'cat', write_file('said', $line . ($end // "\n"), 0644))) };
	my $failed = sub { my ($message) = @_; return qq({"type":"DONE","status":"failed","error":{"message":"$message"}}) };
	my $mark = "\xef\xbf\xbd"; # U+FFFD
	for my $case (
		[ 'half of a surrogate pair', $failed->('no report-\udce9.pdf'), "no report-$mark.pdf" ],
		[ 'a Latin-1 byte', $failed->("caf\xe9"), "caf$mark" ],
		[ 'a raw tab', $failed->("a\tb"), "a\tb" ],
		[ 'NUL', $failed->("a\0b"), 'ab' ],
		[ 'a byte order mark', "\xef\xbb\xbf" . $failed->('x'), 'x' ],
		[ 'no line end', $failed->('x'), 'x', '' ],
		[ 'printed over several lines', qq({\n  "type": "DONE",\n  "status": "failed",\n  "error": {\n    "message": "x"\n  }\n}), 'x' ],
		[ 'a line end within a string, before the type', qq({"error":{"message":"a\nb"},"status":"failed","type":"DONE"}), "a\nb" ],
		[ 'behind what a carriage return overwrites', "50%\r" . $failed->('x'), 'x' ],
		[ 'behind a sequence of the terminal', "\e[0m" . $failed->('x'), 'x' ],
		[ 'behind other text', 'loading... ' . $failed->('x'), 'x' ],
		[ 'in an array', '[ ' . $failed->('x') . ' ]', 'x' ],
		[ 'behind a no-break space', "\xc2\xa0" . $failed->('x'), 'x' ],
		[ 'behind a blank without a width', "\xe2\x80\x8b" . $failed->('x'), 'x' ],
		[ 'escaped keys', '{"\u0074ype":"DO\u004eE","\u0073tatus":"failed","error":{"message":"x"}}', 'x' ],
		[ 'blanks and another order', qq( { "error" : {"message": "x"} , "status" : "failed", "type" : "DONE" }\r), 'x' ])
	{
		my ($name, $line, $message, $end) = @{$case};
		my $run = $says->($line, $end);
		ended_as($run, 1, 'failed', 'connector_reported_failed', $name);
		my $got = $run->{status}{failure}{connector_error_message};
		utf8::encode($got);
		is($got, $message, "$name: its message");
	}
	my $long = 'x' x (1 << 20);
	for my $case (
		[ 'an unknown status', '{"type":"DONE","status":"error"}', qr/neither succeeded nor failed nor cancelled, but "error"$/ ],
		[ 'no status', '{"type":"DONE"}', qr/it has no status$/ ],
		[ 'a status that is no string', '{"type":"DONE","status":1}', qr/its status is no string$/ ],
		[ 'two of them', '{"type":"DONE","status":"failed","status":"succeeded"}', qr/status more than once$/ ],
		[ 'cut short', '{"type":"DONE","status":"succeeded"', qr/cannot be parsed: \w/, '' ],
		[ 'a trailing comma', '{"type":"DONE","status":"failed",}', qr/cannot be parsed: \w/ ],
		[ 'a dictionary of Python', q({'type': 'DONE', 'status': 'failed'}), qr/cannot be parsed: \w/ ],
		[ 'nested too deep', '{"type":"DONE","status":"succeeded","a":' . ('[' x 5000) . (']' x 5000) . '}', qr/cannot be parsed: \w/ ],
		[ 'too long', qq({"type":"DONE","status":"succeeded","a":"$long"}), qr/longer than 1048576 bytes/ ],
		[ 'too long, its type behind', qq({"a":"$long","status":"failed","type":"DONE"}), qr/longer than 1048576 bytes/ ],
		[ 'two of them, one escaped', '{"type":"DONE","status":"failed","\u0073tatus":"succeeded"}', qr/status more than once$/ ],
		[ 'an escaped word and a trailing comma', '{"type":"DO\u004eE","status":"failed",}', qr/cannot be parsed: \w/ ],
		[ 'an escaped word, too long', qq({"type":"DO\\u004eE","status":"failed","a":"$long"}), qr/longer than 1048576 bytes/ ],
		[ 'blanks in front, too long', (' ' x (1 << 20)) . $failed->('x'), qr/longer than 1048576 bytes/ ],
		[ 'NUL in front, too long', ("\0" x (1 << 20)) . $failed->('x'), qr/longer than 1048576 bytes/ ],
		[ 'over several lines, with a trailing comma', qq({\n  "type": "DONE",\n  "status": "failed",\n}), qr/cannot be parsed: \w/ ],
		[ 'over several lines, and cut short', qq({\n  "type": "DONE",\n  "status":), qr/cannot be parsed: \w/ ],
		[ 'one behind it that can be read', qq({"type":"DONE"}\n{"type":"DONE","status":"succeeded"}), qr/it has no status$/ ],
		[ 'one before it that can be read', qq({"type":"DONE","status":"succeeded"}\n{"type":"DONE"}), qr/it has no status$/ ])
	{
		my ($name, $line, $message, $end) = @{$case};
		my $run = $says->($line, $end);
		ended_as($run, 1, 'failed', 'connector_report_unreadable', $name);
		like($run->{status}{failure}{message}, $message, "$name: the message says what is wrong");
		is($run->{status}{failure}{origin}, 'connector', "$name: origin");
		is(scalar(grep { /connector report unreadable run_id=$run->{id} trace_id=$run->{ack}{trace_id} .*message=DONE: / } @{ $run->{lines} }),
			1, "$name: one log line");
	}
	my $run = $says->(join("\n", '{"type":"PROGRESS","count":1}', '{"type":"PROGRESS","count":NaN}', '{"type":"PROGRESS"', '{"type":"PROGRESS","count":2}',
			qq({"type":"RECORD","data":{"type":"DONE","text":"$long"}}), '{"type":"RECORD","data":{"type":"DONE"},"ratio":NaN}'));
	ended_as($run, 0, 'completed', undef, 'PROGRESS that cannot be read');
	is($run->{types}, 'run.admitted run.started run.progress_reported run.progress_reported run.completed', 'loses itself alone');
	is_deeply($run->{data}, { unreadable_progress => 2 }, 'and is counted');
	is(scalar(grep { /connector report unreadable .*message=PROGRESS: / } @{ $run->{lines} }), 1, 'one log line for all');
	$run = $says->(join("\n", 'done with {"x":1}', 'DONE', 'type: DONE', 'function () {', qq({\n  "type": "RECORD",\n  "data": {\n    "type": "DONE"\n  }\n}),
			'sent {"type":"RECORD","data":{"type":"DONE","status":"failed"}}', 'sent {"type":"DONE","status":"succeeded"}', '{"text":"{\"type\":\"DONE\"}"}'));
	ended_as($run, 0, 'completed', undef, 'text that mentions DONE');
	is_deeply($run->{data}, {}, 'claims nothing');
	$run = run_shell(q(echo 'sent {"type":"DONE","status":"succeeded"}'; exit 3));
	ended_as($run, 1, 'failed', 'connector_exit_nonzero', 'success that is told behind other text is not believed');
};

subtest 'what cannot be launched' => sub {
	my $plain = write_file('plain', "#!/bin/sh\n", 0644);
	mkdir "$folder/closed", 0;
	local $ENV{PATH} = "$folder/closed:$ENV{PATH}"; # which is passed over in the search
	my @cases = (
		[ 'missing executable', ["$folder/missing"], qr{^cannot execute "\Q$folder\E/missing": No such file} ],
		[ 'unknown command', ['pdpp-no-such-command'], qr/^cannot execute "pdpp-no-such-command": No such file/ ],
		[ 'no permission', [$plain], qr/^cannot execute "\Q$plain\E": Permission denied/ ],
		[ 'bad directory', ['true'], qr/^cannot enter .*missing": No such file/, '--cwd', "$folder/missing" ],
		[ 'closed directory', ['true'], qr/^cannot enter .*closed": Permission denied/, '--cwd', "$folder/closed" ]);
	for my $case (@cases)
	{
		my ($name, $command, $message, @options) = @{$case};
		my $run = run_of(start_run(@options, '--connector', 'broken', '--', @{$command}));
		ended_as($run, 1, 'failed', 'launch_failed', $name);
		is($run->{types}, 'run.admitted run.failed', "$name: it never started");
		like($run->{data}{message}, $message, "$name: the operating system's message");
		is($run->{data}{records_emitted}, 0, "$name: no records");
		my @log = grep { /run_id=$run->{id}/ && /trace_id=$run->{ack}{trace_id}/ } @{ $run->{lines} };
		is(scalar @log, 1, "$name: one log line with run id and trace id");
		like($log[0], qr/connector_id=broken connector_instance_id=broken message=cannot e/, "$name: connector and message in it");
	}
	my $run = run_of(start_run('--connector', 'broken', '--', "$folder/a\x1b[2Jb\n\xff"));
	ended_as($run, 1, 'failed', 'launch_failed', 'a name that is not text');
	is(scalar(grep { /launch failed/ } @{ $run->{lines} }), 1, 'one log line');
	like($run->{err}, qr/a\\x1b\[2Jb\\n/, 'its control characters are escaped');
	unlike($run->{err}, qr/\x1b/, 'all of them');
};

subtest 'interrupted' => sub {
	for my $signal (qw(INT TERM HUP))
	{
		my $started = start_run('--', 'sh', '-c', 'echo pid=$$; exec sleep 1000');
		my $child = wait_for($started, 'out', qr/pid=(\d+)\n/);
		kill $signal, pid_of($started);
		my $run = run_of($started);
		ended_as($run, 1, 'cancelled', 'owner_cancelled', $signal);
		is_deeply($run->{data}{forced}, JSON::PP::false, "$signal: it went when asked");
		ok(is_gone($child), "$signal: the child has gone");
	}
	my $started = start_run('--', 'sh', '-c', q{trap 'echo asked' TERM; echo ready; while :; do sleep 0.1; done});
	wait_for($started, 'out', qr/ready/);
	kill 'INT', pid_of($started);
	wait_for($started, 'out', qr/asked/);
	kill 'INT', pid_of($started);
	my $run = run_of($started);
	ended_as($run, 1, 'cancelled', 'owner_cancel_forced', 'asked twice');
	is_deeply($run->{data}{forced}, JSON::PP::true, 'the second time is an order');

	$started = start_run('--', 'sh', '-c',
		q{trap 'echo "{\"type\":\"DONE\",\"status\":\"failed\"}"; exit 1' TERM; echo ready; while :; do sleep 0.1; done});
	wait_for($started, 'out', qr/ready/);
	kill 'INT', pid_of($started);
	ended_as(run_of($started), 1, 'cancelled', 'owner_cancelled', 'a DONE on its way out');
};

subtest 'over time' => sub {
	my $run = run_shell('exec sleep 1000', '--timeout', '0.3');
	ended_as($run, 1, 'failed', 'run_timed_out', 'timeout');
	is($run->{status}{failure}{origin}, 'controller', 'origin');
	like($run->{status}{failure}{message}, qr/time limit of 0.3 seconds/, 'message');
	$run = run_shell('exit 0', '--timeout', '1000');
	ended_as($run, 0, 'completed', undef, 'in time');
};

subtest 'a guardian that somebody stops' => sub {
	my $module = preloaded('stopped_guardian', $folder);
	my %prctl = ('before it launches' => 36, 'while the connector runs' => 15); # PR_SET_CHILD_SUBREAPER, PR_SET_NAME
	for my $when (sort keys %prctl)
	{
		my $run = do { local @ENV{qw(LD_PRELOAD STOPPED_AT)} = ($module, $prctl{$when}); start_run('--', 'sh', '-c', 'exit 0') };
		ended_as(run_of($run), 0, 'completed', undef, $when);
	}
};

subtest 'a file for Prometheus' => sub {
	my $run = run_shell('exit 0', '--metrics-file', "$folder/run.prom");
	ended_as($run, 0, 'completed', undef, 'with one');
	like(slurp_file("$folder/run.prom"), qr/^pdpp_launcher_endings_waiting\{controller_id="run\@.+:\d+"\} 0$/m, 'no ending waits');
	my $runs = sql('SELECT count(*) FROM pdpp.spine_events');
	my ($code, undef, $err) = finish(start('', $pdpp, '--db', $db, 'run', '--metrics-file', "$folder/none/run.prom", '--', 'true'));
	is($code, 2, 'one that cannot be written: exit code');
	like($err, qr{cannot write $folder/none/run.prom: No such file or directory}, 'why');
	is(sql('SELECT count(*) FROM pdpp.spine_events'), $runs, 'and no run was admitted');
};

subtest 'the launcher is killed' => sub {
	my $started = start_run('--connector', 'orphan', '--', 'sh', '-c', 'echo pid=$$; exec sleep 1000');
	my $child = wait_for($started, 'out', qr/pid=(\d+)\n/);
	my $id = wait_for($started, 'err', qr/"run_id": "(run_[0-9a-f]+)"/);
	my $status = "SELECT pdpp_run_status('$id')->>'status'";
	is(sql($status), 'active', 'the run is active');
	kill 'KILL', pid_of($started);
	ok(goes_away($child), 'the child goes with its launcher');
	$node->poll_query_until('postgres', "SELECT pdpp_reconcile() IS NOT NULL AND ($status) <> 'active'")
	  or die 'never reconciled';
	is(sql($status), 'abandoned', 'another session settles the run');
	IPC::Run::kill_kill($started->{handle});
	is(run_shell('exit 0', '--connector', 'orphan')->{code}, 0, 'the connection is free again');
};

subtest 'the database refuses run.started' => sub {
	sql(q{CREATE FUNCTION refuse_start() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN RAISE EXCEPTION 'not today'; END$$;
		CREATE TRIGGER refuse_start BEFORE INSERT ON pdpp.spine_events FOR EACH ROW
		WHEN (new.event_type = 'run.started') EXECUTE FUNCTION refuse_start()});
	my $run = run_shell("echo \$\$ >$folder/refused.pid; exec sleep 1000");
	sql('DROP FUNCTION refuse_start CASCADE');
	ended_as($run, 1, 'failed', 'launch_failed', 'refused');
	is($run->{data}{message}, 'cannot record run.started: not today', 'with what the database said');
	is(scalar(grep { /launch failed run_id=$run->{id}/ } @{ $run->{lines} }), 1, 'one log line');
	is(sql("SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.started' AND run_id = '$run->{id}'"),
		0, 'it never started');
	# killed perhaps before it wrote its number
	my $pid = -s "$folder/refused.pid" ? slurp_file("$folder/refused.pid") : 0;
	ok(!$pid || is_gone($pid + 0), 'the child was killed');
};

subtest 'the connection is lost while the child runs' => sub {
	my $started = start_run('--connector', 'cut', '--', 'sh', '-c',
		q(echo ready; while [ ! -e ) . $folder . q(/go ]; do sleep 0.1; done;
		echo '{"type":"PROGRESS","message":"afterwards"}'; exit 0));
	wait_for($started, 'out', qr/ready/);
	is(sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pdpp'"),
		2, 'its sessions are terminated');
	write_file('go', '', 0644);
	my $run = run_of($started);
	ended_as($run, 0, 'completed', undef, 'cut');
	is($run->{types}, 'run.admitted run.started run.progress_reported run.completed', 'nothing is missing');

	$started = start_run('--connector', 'cut', '--', 'sh', '-c',
		q(echo ready; while [ ! -e ) . $folder . q(/stopped ]; do sleep 0.1; done; exit 7));
	wait_for($started, 'out', qr/ready/);
	await_start('cut');
	$node->stop('immediate');
	write_file('stopped', '', 0644);
	$node->start;
	$run = run_of($started);
	ended_as($run, 1, 'failed', 'connector_exit_nonzero', 'a crash of the server');
	is($run->{types}, 'run.admitted run.started run.failed', 'settled once');

	$started = start_run('--connector', 'cut', '--', 'sh', '-c',
		q(echo ready; while [ ! -e ) . $folder . q(/lost ]; do sleep 0.1; done; exit 0));
	wait_for($started, 'out', qr/ready/);
	await_start('cut'); # the child is at work before its start is on record
	# stopped, it cannot rejoin its boot within the grace
	kill 'STOP', pid_of($started);
	sql("ALTER SYSTEM SET pdpp.liveness_grace = '100ms'");
	sql("SELECT pg_reload_conf(), pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pdpp'");
	$node->poll_query_until('postgres',
		q{SELECT pdpp_reconcile() IS NOT NULL AND NOT EXISTS (SELECT FROM pdpp.controller_active_runs
			WHERE connector_id = 'cut')}) or die 'never reconciled';
	sql('ALTER SYSTEM RESET pdpp.liveness_grace');
	sql('SELECT pg_reload_conf()');
	kill 'CONT', pid_of($started);
	write_file('lost', '', 0644);
	$run = run_of($started);
	ended_as($run, 1, 'abandoned', $run->{status}{terminal_reason}, 'the guard was faster');
	like($run->{types}, qr/run.abandoned run.late_outcome$/, 'what really happened is kept as evidence');
};

subtest 'the connection is lost at COMMIT' => sub {
	my $socket = $node->host . '/.s.PGSQL.' . $node->port;
	for my $mode (qw(unsent unheard))
	{
		my $before = sql('SELECT count(DISTINCT run_id) FROM pdpp.spine_events');
		my $proxy = CuttingProxy->new($mode, $socket);
		my ($code, $out, $err) = finish(start('', $pdpp, '--db', $proxy->conninfo . ' dbname=postgres', 'run', '--',
				'sh', '-c', "touch $folder/launched-$mode"));
		$proxy->stop;
		my $admitted = sql('SELECT count(DISTINCT run_id) FROM pdpp.spine_events') - $before;
		ok(!-e "$folder/launched-$mode", "$mode: nothing was launched");
		if ($mode eq 'unsent')
		{
			is($code, 4, 'unsent: exit code');
			is($admitted, 0, 'unsent: no run was admitted');
			unlike($err, qr/run_ack/, 'unsent: no handle was handed out');
			like($err, qr/nothing was started/, 'unsent: and it says so');
		}
		else
		{
			is($code, 1, 'unheard: exit code');
			is($admitted, 1, 'unheard: the run was admitted');
			my ($id) = $err =~ /\A\{.*"run_id": "(run_[0-9a-f]+)"/;
			is(sql("SELECT pdpp_run_status('$id')->>'terminal_reason'"), 'launch_failed', 'unheard: its handle resolves');
		}
	}
};

# Starts now, ends after its grace of ten seconds: looked at near the end.
my $stubborn = start_run('--timeout', '0.2', '--connector', 'stubborn', '--', 'sh', '-c',
	q{trap '' TERM; while :; do sleep 0.1; done});

subtest 'input, output and words' => sub {
	my ($code, $out, $err) = finish(start("to the child\n", $pdpp, '--db', $db, 'run', '--', 'cat'));
	is($out, "to the child\n", 'standard input is the child\'s');

	($code, $out) = pdpp('run', '--', 'printf', '<%s>', '', 'a b', '[1,2]', '--', '--json', '{}');
	is($out, '<><a b><[1,2]><--><--json><{}>', 'words arrive as they are');

	my $long = 3 << 20;
	my $run = run_shell(qq(head -c $long /dev/zero | tr '\\0' x; echo; echo '{"type":"PROGRESS","count":1}';)
		  . q(printf '{"type":"PROGRESS","message":"'; head -c 1100000 /dev/zero | tr '\0' y; echo '"}'));
	ended_as($run, 0, 'completed', undef, 'long lines');
	is(length $run->{out}, $long + 1 + 30 + 1100000 + 33, 'long lines are passed on whole');
	is($run->{types}, 'run.admitted run.started run.progress_reported run.completed', 'but not read');

	$run = run_shell('sleep 1000 & echo left=$!');
	ended_as($run, 0, 'completed', undef, 'something left behind');
	ok(goes_away($run->{out} =~ /left=(\d+)/ ? $1 : 0), 'does not outlive the run');

	$run = run_shell('printf partial >&2');
	is($run->{lines}[1], 'partial', 'a last line without an end does not run into ours');

	$run = run_shell(q(i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "{\"type\":\"PROGRESS\",\"count\":$i}"; done));
	ended_as($run, 0, 'completed', undef, 'a flood');
	my $count = () = $run->{types} =~ /progress/g;
	cmp_ok($count, '<', 3000, 'a flood of progress is thinned out');
	is(sql("SELECT max((data_json->>'count')::int) FROM pdpp.spine_events WHERE run_id = '$run->{id}'"),
		3000, 'and its newest is there');
};

subtest 'a reader that does not read' => sub {
	pipe my $reader, my $writer or die "pipe: $!";
	my $err = "$folder/slow.err";
	my $pid = child(
		sub {
			open STDOUT, '>&', $writer or POSIX::_exit(99);
			open STDERR, '>', $err or POSIX::_exit(99);
			exec $pdpp, '--db', $db, 'run', '--connector', 'slow', '--', 'sh', '-c',
			  q(head -c 150000 /dev/zero | tr '\0' x; echo end) or POSIX::_exit(99);
		});
	close $writer;
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pdpp.spine_events WHERE event_type = 'run.completed' AND actor_id = 'slow'})
	  or die 'never settled';
	pass('the run is settled all the same');
	is(waitpid($pid, WNOHANG), 0, 'the rest waits');
	my $out = do { local $/ = undef; readline $reader };
	is(length $out, 150004, 'for the reader, whole');
	waitpid $pid, 0;
	is($?, 0, 'exit code');

	# and one that goes away
	system("$pdpp --db '$db' run --connector gone -- seq 200000 2>$folder/gone.err | head -n 1 >/dev/null");
	is(sql(q{SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events
		WHERE run_id = (SELECT run_id FROM pdpp.spine_events WHERE actor_id = 'gone' AND event_seq = 1)}),
		'run.admitted run.started run.completed', 'a reader that goes away does not end the run');
};

subtest 'output: JSON when piped, words on a terminal' => sub {
	my $run = run_shell('exit 3', '--connector', "esc\xc2\xa0x");
	my ($code, $out, $err) = pdpp('status', $run->{id});
	is($code, 0, 'status: exit code');
	is($out, sql("SELECT pdpp_run_status('$run->{id}')") . "\n", 'status: the body, byte for byte');
	($code, $out) = pdpp('timeline', $run->{id});
	is($out, sql("SELECT pdpp_run_timeline('$run->{id}')") . "\n", 'timeline: the body, byte for byte');
	($code, $out) = pdpp('timeline', '--all', '--limit', '1', $run->{id});
	my @types = map { $_->{event_type} } map { @{ decode_json($_)->{data} } } split /\n/, $out;
	is("@types", $run->{types}, 'timeline --all: every page');
	my $cursor = decode_json((split /\n/, $out)[0])->{next_cursor};
	($code, $out) = pdpp('timeline', $run->{id}, '--cursor', $cursor);
	is(decode_json($out)->{data}[0]{event_seq}, 2, 'timeline --cursor: goes on');

	my $on_terminal = sub {
		my (@command) = @_;
		my $shown = '';
		my $handle = IPC::Run::start([@command], '<pty<', \my $nothing, '>pty>', \$shown,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		IPC::Run::finish($handle);
		$shown =~ s/\r\n/\n/g;
		return $shown;
	};
	like($on_terminal->($pdpp, '--db', $db, 'status', $run->{id}),
		qr/^run +$run->{id}\nstatus +failed\nreason +connector_exit_nonzero\n/, 'status for people');
	my $timeline = $on_terminal->($pdpp, '--db', $db, 'timeline', $run->{id});
	is(join(' ', $timeline =~ /(run\.\w+)/g), $run->{types}, 'timeline for people');
	like($on_terminal->($pdpp, '--db', $db, '--json', 'status', $run->{id}), qr/^\{.*\}$/, '--json on a terminal');
	like($on_terminal->($pdpp, '--db', $db, 'run', '--', 'sh', '-c', 'echo said; test -t 0 && exit 9; exit 3'),
		qr/^run run_[0-9a-f]{32} started\nsaid\nrun run_[0-9a-f]{32} failed: connector_exit_nonzero \(the connector exited with code 3\)\nnext: .*\n$/,
		'run for people; the child does not get the terminal');
	my ($next) = $on_terminal->($pdpp, '--db', $db, 'run', '--', 'true') =~ /^next: (pdpp status .*); from a gateway: /m;
	local $ENV{PATH} = dirname($pdpp) . ":$ENV{PATH}";
	like($on_terminal->('sh', '-c', $next // 'echo none'), qr/^run +run_\w+\nstatus +completed\n/, 'what it says comes next can be run as it is');
	like($on_terminal->($pdpp, '--db', $db, 'status', 'nope'), qr/^pdpp: Run not found: nope\n      \w/, 'errors for people');

	sql(qq{SELECT pdpp_run_now('evil', run_id => 'evil'); SELECT pdpp_run_event('evil', 'note', '{"a":"\\u001b[2J\\u009b1m"}')});
	my $evil = $on_terminal->($pdpp, '--db', $db, 'timeline', 'evil');
	like($evil, qr/\\u001b\[2J\\x9b1m/, 'control characters are shown');
	unlike($evil, qr/[\x1b\x9b]/, 'not sent');
};

subtest 'exit codes' => sub {
	my $failure = sub {
		my ($code, $key, $name, @arguments) = @_;
		my ($got, $out, $err) = finish(start('', $pdpp, @arguments));
		is($got, $code, "$name: exit code $code");
		is($out, '', "$name: nothing on standard output");
		my $error = eval { decode_json($err) } // {};
		is($error->{error}{code}, $key, "$name: a JSON object says what");
		unlike($err, qr/[0-9][0-9A-Z]{4}:|LINE|SQLSTATE/, "$name: without jargon");
		return $error->{error};
	};
	$failure->(2, 'usage', 'no command');
	$failure->(2, 'usage', 'unknown command', 'fly');
	$failure->(2, 'usage', 'no words behind --', '--db', $db, 'run', '--');
	$failure->(2, 'usage', 'no --', '--db', $db, 'run', 'true');
	$failure->(2, 'usage', 'negative time', '--db', $db, 'run', '--timeout', '-1', '--', 'true');
	$failure->(2, 'usage', 'time that is none', '--db', $db, 'run', '--timeout', 'soon', '--', 'true');
	$failure->(2, 'usage', 'no run', '--db', $db, 'status');
	is($failure->(2, 'usage', 'no such command', '--db', $db, 'statsu', 'x')->{message}, 'there is no command statsu', 'which');
	is($failure->(2, 'usage', 'no such option', 'status', '--bd', 'app', 'x')->{message}, 'there is no option --bd', 'which');
	like($failure->(2, 'usage', 'what is run stands alone', '--db', $db, 'run', 'true')->{hint}, qr/pdpp run -- true/, 'where it goes');
	is($failure->(2, 'usage', 'an option without its value', 'status', 'x', '--db')->{message}, '--db needs a value', 'which');
	like($failure->(2, 'usage', 'prune without a time', 'prune')->{message}, qr/--before or --older-than/, 'which');
	like($failure->(2, 'usage', 'a configuration that is none', 'serve', '--config', $_)->{message}, qr{\A\Q$_\E: the file cannot be read\z}, $_)
	  for "$folder/no.conf", $folder;
	{
		local $ENV{PDPP_OWNER_PASSWORD_FILE} = "$folder/no-password";
		my $error = $failure->(2, 'usage', 'a password file that is not there', 'token');
		is($error->{message}, "there is no file $folder/no-password", 'which');
		like($error->{hint}, qr/pdpp init makes it/, 'and what makes it');
	}
	$failure->(2, 'usage', 'page too large', '--db', $db, 'timeline', '--limit', '5001', 'x');
	$failure->(3, 'not_found', 'unknown status', '--db', $db, 'status', 'never');
	$failure->(3, 'not_found', 'unknown timeline', '--db', $db, 'timeline', 'never');
	$failure->(3, 'not_found', 'an id that looks like an option', '--db', $db, 'status', '--', '--never');
	$failure->(3, 'not_found', 'an empty id', 'status', '--db', $db, '');
	like($failure->(4, 'cannot_connect', 'no server', '--db', "host=$folder port=1", 'status', 'x')->{hint}, qr/\AIf the server there is down, start it\. Check --db/,
		'what to look at');
	$failure->(4, 'cannot_connect', 'no server for run', '--db', "host=$folder port=1", 'run', '--', 'true');
	$failure->(4, 'cannot_connect', 'no such database', '--db', "$db dbname=nowhere", 'status', 'x');
	$failure->(5, 'invalid_cursor', 'a cursor we did not make', '--db', $db, 'timeline', 'evil', '--cursor', 'x');
	$failure->(5, 'invalid_request', 'a connector without a name', '--db', $db, 'run', '--connector', '..', '--', 'true');
	sql('CREATE DATABASE bare');
	my $bare = $failure->(5, 'refused', 'no extension', '--db', "$db dbname=bare", 'status', 'x');
	like($bare->{message}, qr/CREATE EXTENSION pdpp/, 'no extension: what to do');
	like($bare->{hint}, qr/: pdpp init --db bare$/, 'and what does more');
	sql('CREATE ROLE stranger LOGIN');
	like($failure->(5, 'permission_denied', 'no privilege', '--db', "$db user=stranger", 'status', 'x')->{hint},
		qr/pdpp init --db postgres --role stranger.*select pdpp_grant\('stranger', 'owner'\)/, 'no privilege: what to do');
	like($failure->(4, 'cannot_connect', 'no such role', '--db', "$db user=nobody_here", 'status', 'x')->{hint},
		qr/PGUSER.*pdpp init --db postgres --role nobody_here/, 'no such role: what to do');
	like($failure->(4, 'cannot_connect', 'no such database', '--db', "$db dbname=nowhere", 'status', 'x')->{hint},
		qr/pdpp init --db nowhere --create-db/, 'no such database: what to do');

	# what pdpp_grant does not grant has a grant of its own, which helps
	sql(q{SELECT pdpp_grant('stranger', 'owner'), pdpp_grant('stranger', 'controller')});
	for my $case ([ 'pdpp_check\(\)', 'check' ], [ 'pdpp_prune\(timestamptz, integer\)', 'prune', '--older-than', '1 day' ])
	{
		my ($function, @command) = @$case;
		my $hint = $failure->(5, 'permission_denied', "no privilege to $command[0]", '--db', "$db user=stranger", @command)->{hint};
		like($hint, qr/: (grant execute on function public\.$function to stranger)$/, "no privilege to $command[0]: what to do");
		sql($hint =~ /(grant execute.*)/);
		is((finish(start('', $pdpp, '--db', "$db user=stranger", @command)))[0], 0, "which helps $command[0]");
	}

	my $started = start_run('--connection', 'busy', '--', 'sh', '-c', 'echo ready; exec sleep 1000');
	wait_for($started, 'out', qr/ready/);
	my $id = wait_for($started, 'err', qr/"run_id": "(run_[0-9a-f]+)"/);
	my $error = $failure->(5, 'run_already_active', 'busy', '--db', $db, 'run', '--connection', 'busy', '--', 'true');
	is($error->{active_run_id} // $error->{run_id}, $id, 'busy: names the active run');
	kill 'INT', pid_of($started);
	finish($started);

	my ($code, $out) = finish(start('', $pdpp, '--version'));
	is($code, 0, '--version');
	like($out, qr/^pdpp \d+\.\d+\.\d+$/, 'the version');
	($code, $out) = finish(start('', $pdpp, 'run', '--help'));
	is($code, 0, '--help');
	like($out, qr/pdpp run \[OPTIONS\] -- COMMAND/, 'the help');
	like($out, qr/^Of every command: --db CONNINFO, --json\./m, 'with what all take');
	($code, $out) = finish(start('', $pdpp, 'controller', '--help'));
	like($out, qr/--connections FILE .*\(required\)/, 'what must be said');
	like($out, qr/--parallel N .*\(default: \d+\)/, 'and what is so if nothing is said');
	unlike((finish(start('', $pdpp, 'prune', '--help')))[1], qr/Option Group/, 'in words for people');
};

subtest 'other ways to name the database' => sub {
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	is((finish(start('', $pdpp, '--db', 'postgres', 'status', 'never')))[0], 3, 'a plain name');
	is((finish(start('', $pdpp, 'status', 'never', '--db', 'postgres')))[0], 3, '--db after the command');
	local $ENV{PGDATABASE} = 'postgres';
	is((finish(start('', $pdpp, 'status', 'never')))[0], 3, 'the environment');
	local $ENV{PGSERVICEFILE} = write_file('services', "[here]\nhost=$ENV{PGHOST}\nport=$ENV{PGPORT}\ndbname=postgres\n", 0600);
	delete local @ENV{qw(PGHOST PGPORT PGDATABASE)};
	is((finish(start('', $pdpp, '--db', 'service=here', 'status', 'never')))[0], 3, 'a service');
};

subtest 'check' => sub {
	my ($code, $out) = pdpp('check');
	is($code, 0, 'all is well: exit code');
	is($out, '', 'nothing to say');
	sql(q{INSERT INTO pdpp.idempotency_keys VALUES ('key', 'run_none', '\\x00', now())});
	($code, $out) = pdpp('check');
	sql(q{SET session_replication_role = replica; DELETE FROM pdpp.idempotency_keys WHERE run_id = 'run_none'});
	is($code, 1, 'a violation: exit code');
	is(decode_json($out)->{run_id}, 'run_none', 'a line for it');
};

subtest 'a child that will not go' => sub {
	my $run = run_of($stubborn);
	ended_as($run, 1, 'failed', 'run_timed_out', 'stubborn');
	is_deeply($run->{data}{forced}, JSON::PP::true, 'killed after its grace');
	is($run->{data}{signal}, 'SIGKILL', 'by SIGKILL');
};

is(sql(q{SELECT count(*) FROM pdpp.controller_active_runs WHERE run_id <> 'evil'}), 0, 'no run is left active');
is( sql(q{SELECT count(*) FROM (SELECT run_id FROM pdpp.spine_events WHERE event_type IN
		('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned') GROUP BY 1 HAVING count(*) > 1) AS twice}),
	0, 'no run ended twice');

done_testing();
