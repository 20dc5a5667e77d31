# Runs started and cancelled over HTTP: acknowledgements, refusals, bodies with every digit, repeated requests, and a
# database that is lost at COMMIT.

use strict;
use warnings;
use utf8;

use CuttingProxy;
use PdppCluster;
use JSON::PP ();
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('launching');
my $socket = $node->host . '/.s.PGSQL.' . $node->port;
my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'), args => [ '--pool', '8' ]);
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
my @json = ('Content-Type' => 'application/json');

# One value from SQL, as the bytes that PostgreSQL prints.
sub sql
{
	my ($statement) = @_;
	utf8::encode($statement);
	return $node->safe_psql('postgres', $statement);
}

# Puts a connection on record.
sub connection
{
	my ($name, $connector) = @_;
	sql("INSERT INTO pdpp.connections VALUES ('$name', '" . ($connector // 'connector') . "', 0, NULL)");
	return "/_ref/connections/$name/run";
}

# POST as the owner; a body is JSON.
sub post
{
	my ($path, $body, @headers) = @_;
	return $gateway->request('POST', $path, [ @owner, (defined $body ? @json : ()), @headers ], $body);
}

sub is_error
{
	my ($answer, $status, $code, $param, $name) = @_;
	my $error = ($answer->{json} // {})->{error} // {};
	is($answer->{status}, $status, "$name: $status");
	is($error->{code}, $code, "$name: code $code");
	is($error->{param}, $param, "$name: param");
	ok(length($error->{message} // ''), "$name: message");
	is($error->{request_id}, $answer->{headers}{'request-id'}, "$name: the request id");
	return $error;
}

# An acknowledged run; gives its id.
sub is_ack
{
	my ($answer, $name) = @_;
	is($answer->{status}, 202, "$name: 202") or diag $answer->{body};
	my $ack = $answer->{json} // {};
	is_deeply([ sort keys %$ack ], [qw(links object run_id status trace_id)], "$name: the keys");
	is("$ack->{object} $ack->{status}", 'run_ack started', "$name: the words");
	is($answer->{headers}{location}, $ack->{links}{self}, "$name: Location is its link");
	is($answer->{headers}{'retry-after'}, '1', "$name: Retry-After");
	is($answer->{headers}{'cache-control'}, 'no-store', "$name: not stored");
	my $status = $gateway->get_as_owner($answer->{headers}{location});
	is($status->{status}, 200, "$name: the handle resolves");
	is($status->{json}{run_id}, $ack->{run_id}, "$name: to that run");
	is($status->{json}{trace_id}, $ack->{trace_id}, "$name: of that trace");
	return $ack->{run_id};
}

sub admissions
{
	my ($connection) = @_;
	return sql("SELECT count(*) FROM pdpp.spine_events WHERE connector_instance_id = '$connection' AND event_type = 'run.admitted'");
}

# What the admission of a run keeps of the request.
sub data_of
{
	my ($run) = @_;
	return sql("SELECT data_json FROM pdpp.spine_events WHERE run_id = '$run' AND event_type = 'run.admitted'");
}

# Whether the status tells the deadline on record, which has yet to come.
sub is_time_from_now
{
	my ($run) = @_;
	my $deadline = $gateway->get_as_owner("/_ref/runs/$run")->{json}{deadline_at} // '';
	return sql("SELECT '$deadline' = to_char(deadline_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AND deadline_at > now() FROM pdpp.controller_active_runs WHERE run_id = '$run'");
}

subtest 'a connection is run' => sub {
	my $path = connection('plain', 'mail');
	my $run = is_ack(post($path), 'no body');
	like($run, qr/^run_[0-9a-f]{32}$/, 'a generated id');
	is(sql("SELECT connector_id || ' ' || connector_instance_id FROM pdpp.controller_active_runs WHERE run_id = '$run'"),
		'mail plain', 'with the connector on record');
	my $now = sql("SELECT abs(('x' || substr('$run', 5, 12))::bit(48)::bigint - extract(epoch FROM clock_timestamp()) * 1000) < 600000");
	is($now, 't', 'the id begins with the time');

	my $error = is_error(post($path), 409, 'run_already_active', 'connector_instance_id', 'again');
	is($error->{active_run_id}, $run, 'again: names the active run');
	my $busy = post($path);
	is($busy->{headers}{location}, "/_ref/runs/$run", 'again: Location is the active run');
	is($busy->{headers}{'cache-control'}, 'no-store', 'again: not stored');
	is(admissions('plain'), 1, 'one run');

	my $gone = is_error(post('/_ref/connections/never/run'), 404, 'connector_instance_not_found', 'connector_instance_id',
		'an unknown connection');
	is(post('/_ref/connections/never/run')->{json}{error}{type}, 'not_found_error', 'an unknown connection: type');
	is_error(post('/_ref/connections/%2E%2E/run'), 400, 'invalid_request', 'connector_instance_id', 'an impossible name');
	is_error(post('/_ref/connections/' . 'x' x 257 . '/run'), 400, 'invalid_request', 'connector_instance_id', 'a long name');

	connection("a/b é?%");
	my $odd = post('/_ref/connections/a%2Fb%20%C3%A9%3F%25/run', qq({"run_id": "r/\xc3\xbc %"}));
	is_ack($odd, 'names that need encoding');
	is($odd->{headers}{location}, '/_ref/runs/r%2F%C3%BC%20%25', 'and so does their Location');
	is(post('/_ref/connections/a%2Fb%20%C3%A9%3F%25/run')->{headers}{location}, '/_ref/runs/r%2F%C3%BC%20%25',
		'also when it is in the way');
};

subtest 'a connector is run' => sub {
	my $path = '/_ref/connectors/cal/run';
	is(sql("SELECT count(*) FROM pdpp.connections WHERE connector_id = 'cal'"), 0, 'nothing on record');
	my $run = is_ack(post($path), 'none offered');
	is(sql("SELECT connector_instance_id FROM pdpp.controller_active_runs WHERE run_id = '$run'"), 'cal',
		'the connection named like it');
	sql("INSERT INTO pdpp.connections VALUES ('cal-anna', 'cal', 0, gen_random_uuid())");
	$run = is_ack(post($path), 'one offered');
	is(sql("SELECT connector_instance_id FROM pdpp.controller_active_runs WHERE run_id = '$run'"), 'cal-anna', 'that one');
	is_error(post($path), 409, 'run_already_active', 'connector_instance_id', 'one offered, and active');
	sql("INSERT INTO pdpp.connections VALUES ('cal-bob', 'cal', 0, gen_random_uuid())");
	my $error = is_error(post($path), 409, 'ambiguous_connection', 'connector_id', 'several');
	is_deeply($error->{connector_instance_ids}, [ 'cal-anna', 'cal-bob' ], 'several: they are listed');
	is(post($path)->{headers}{location}, undef, 'several: no Location');
	is_ack(post('/_ref/connections/cal-bob/run'), 'one of them by its name');
};

subtest 'what the body may say' => sub {
	my $count = 0;
	my $try = sub {
		my ($body, @headers) = @_;
		++$count;
		utf8::encode($body);
		return post(connection("body-$count"), $body, @headers);
	};
	my $run = is_ack($try->('{"run_id": "run-of-mine"}'), 'a run id');
	is($run, 'run-of-mine', 'is kept');
	is(is_ack($try->(qq( \t{"data" : {"a": 1}}\r\n)), 'data') && data_of(post_id()), '{"a": 1}', 'is kept');

	my $digits = '{"n": [1.10, 12345678901234567890123, 0.1000000000000000055511151231257827, 1e400, -0.0, 1E-7]}';
	is_ack($try->(qq({"data": $digits, "run_id": "digits"})), 'numbers');
	is(data_of('digits'), sql("SELECT '$digits'::jsonb"), 'keep every digit');
	is_ack($try->('{"run_id": "text", "data": {"ü": "\u00e9\ud83d\ude00\"\\\\/", "data": {"data": 1}}}'), 'text');
	is(data_of('text'), sql(q(SELECT '{"ü": "é😀\"\\\\/", "data": {"data": 1}}'::jsonb)), 'is kept');
	is_ack($try->('{"r\u0075n_id": "escaped"}'), 'an escaped name is the same name');
	is(sql("SELECT pdpp_run_status('escaped')->>'status'"), 'active', 'and is understood');
	is_ack($try->('{"run_id": "deep", "data": {"a": ' . '[' x 150 . ']' x 150 . '}}'), '150 levels');
	is_ack($try->('{"run_id": "large", "data": {"a": "' . 'x' x 60000 . '"}}'), '60 kB');
	my $given = sub { return sql("SELECT deadline_at - deadline_set_at FROM pdpp.controller_active_runs WHERE run_id = '$_[0]'") };
	$run = is_ack($try->('{"timeout_seconds": 90, "data": {"n": 1e400}}'), 'a time');
	is($given->($run), '00:01:30', 'is what the run has');
	is(is_time_from_now($run), 't', 'its status says until when');
	is($given->(is_ack($try->('{"timeout_seconds": 100.5005}'), 'parts of a millisecond')), '00:01:40.5005', 'too');
	is($given->(is_ack($try->('{"timeout_seconds": 1e9}'), 'the longest time')), '11574 days 01:46:40', 'too');
	is($given->(is_ack($try->('{"timeout_seconds": 1.5e2}'), 'in any notation')), '00:02:30', 'too');
	is($given->(is_ack(post('/_ref/connectors/timed/run', '{"timeout_seconds": 60}'), 'of a connector')), '00:01:00', 'as well');
	my $kept = '"force": true, "run_admission": "manual", "resources": ["messages", {"n": 1.10}]';
	$run = is_ack($try->(qq({$kept, "timeout_seconds": 90})), 'what other servers are told beside');
	is(data_of($run), sql("SELECT '{$kept}'::jsonb"), 'is kept as data');
	is($given->($run), '00:01:30', 'and nothing else of the body');
	is(data_of(is_ack($try->(qq({"data": {"force": 1, "n": 0.0}, $kept})), 'beside data')), sql(qq(SELECT '{"n": 0.0, $kept}'::jsonb)),
		'before what data says under those names');
	is(data_of(is_ack($try->('{"force": false}'), 'one of them')), '{"force": false}', 'alone');
	is(data_of(is_ack(post('/_ref/connectors/keeping/run', qq({$kept})), 'of a connector')), sql("SELECT '{$kept}'::jsonb"), 'as well');
	is(data_of(is_ack($try->('{"force": null, "run_admission": null, "resources": null, "data": {"force": null}}'), 'null')), '{"force": null}', 'says nothing');
	is(data_of(is_ack($try->('{"force": null, "run_admission": "manual"}'), 'beside one that says something')), '{"run_admission": "manual"}', 'nor there');
	is_ack($try->('{}'), 'an empty object');
	is_ack($try->(''), 'an empty body with a content type');

	my @bad = (
		[ 'another member', '{"run_id": "x", "priority": 1}', 'priority' ],
		[ 'a member in other letters', '{"Data": {}}', 'Data' ],
		[ 'a run id that is a number', '{"run_id": 7}', 'run_id' ],
		[ 'a run id that is null', '{"run_id": null}', 'run_id' ],
		[ 'a run id that is an object', '{"run_id": {"run_id": "x"}}', 'run_id' ],
		[ 'an impossible run id', '{"run_id": ".."}', 'run_id' ],
		[ 'an empty run id', '{"run_id": ""}', 'run_id' ],
		[ 'data that is null', '{"data": null}', 'data' ],
		[ 'data that is an array', '{"data": [1]}', 'data' ],
		[ 'data that is text', '{"data": "{}"}', 'data' ],
		(map { [ "a time that is $_", qq({"timeout_seconds": $_}), 'timeout_seconds' ] } qw(0 -1 1e-7 1000000001 1e400 null true "60" [60] {})),
		(map { [ "force that is $_", qq({"force": $_}), 'force' ] } qw(0 "true" [] {})),
		(map { [ "run_admission that is $_", qq({"run_admission": $_}), 'run_admission' ] } qw(1 true [] {})),
		(map { [ "resources that is $_", qq({"force": true, "resources": $_}), 'resources' ] } qw(1 "a" true {})),
		(map { [ "data that is $_ beside force", qq({"data": $_, "force": true}), 'data' ] } qw(null 1 "a" true [1] [{}])),
		[ 'a number that is too large', '{"data": {"n": 1e200000}}', 'data' ],
		[ 'an array', '[]', undef ], [ 'text', '"run"', undef ], [ 'a number', '1', undef ], [ 'null', 'null', undef ],
		[ 'no JSON', '{"run_id"', undef ], [ 'blanks', '  ', undef ], [ 'two objects', '{} {}', undef ],
		[ 'a comma too many', '{"data": {},}', undef ], [ 'a comment', '{} // x', undef ],
		[ 'NaN', '{"data": {"n": NaN}}', undef ], [ 'a number with a leading zero', '{"data": {"n": 01}}', undef ],
		[ 'a member twice', '{"run_id": "a", "run_id": "a"}', undef ],
		[ 'a member twice, once escaped', '{"run_id": "a", "r\u0075n_id": "b"}', undef ],
		[ 'a member of data twice', '{"data": {"a": [{"b": 1, "b": 2}]}}', undef ],
		[ 'U+0000', '{"data": {"a": "\u0000"}}', undef ], [ 'U+0000 in a name', '{"data": {"\u0000": 1}}', undef ],
		[ 'half a surrogate pair', '{"data": {"a": "\ud83d"}}', undef ],
		[ '250 levels', '{"data": {"a": ' . '[' x 250 . ']' x 250 . '}}', undef ],
		[ '60,000 levels', '{"data": {"a": ' . '[' x 60000 . ']' x 60000 . '}}', undef ],
		[ 'endless nesting', '[' x 100000, undef ]);
	for my $case (@bad)
	{
		my ($name, $body, $param) = @$case;
		is_error($try->($body), 400, 'invalid_request', $param, $name);
	}
	++$count;
	is_error(post(connection("body-$count"), qq({"data": {"a": "\xff"}})), 400, 'invalid_request', undef, 'bytes that are not UTF-8');
	++$count;
	is_error(post(connection("body-$count"), qq({"data": {"a": "\x00"}})), 400, 'invalid_request', undef, 'a NUL byte');
	is_error($try->('{"data": {"a": "' . 'x' x 70000 . '"}}'), 413, 'event_too_large', 'data', 'data of 70 kB');
	is_error($try->('{"data": {"a": "' . 'x' x 140000 . '"}}'), 413, 'body_too_large', undef, 'a body of 140 kB');
	is(sql(q(SELECT count(*) FROM pdpp.spine_events WHERE connector_instance_id LIKE 'body-%' AND event_type = 'run.admitted')), 18, 'none of these left a run');

	for my $type ('application/x-www-form-urlencoded', 'text/plain', 'application/jsonx', 'application/json+x', '')
	{
		my $path = connection('type-' . ++$count);
		is_error($gateway->request('POST', $path, [ @owner, 'Content-Type' => $type ], '{}'), 415,
			'unsupported_media_type', undef, "a body that is <$type>");
	}
	is_error($gateway->request('POST', connection('untyped'), \@owner, '{}'), 415, 'unsupported_media_type', undef, 'a body without a type');
	is_ack($gateway->request('POST', connection('charset'), [ @owner, 'Content-Type' => 'Application/JSON; charset=utf-8' ], '{}'),
		'a type with a parameter');
	is_ack($gateway->request('POST', connection('typed'), [ @owner, 'Content-Type' => 'text/plain' ]), 'a type without a body');
	is_error(post(connection('asked') . '?run_id=x'), 400, 'invalid_request', 'run_id', 'a parameter in the query');
};

# The run that was admitted last.
sub post_id { return sql("SELECT run_id FROM pdpp.spine_events WHERE event_type = 'run.admitted' ORDER BY recorded_at DESC LIMIT 1"); }

subtest 'a run id belongs to one run' => sub {
	is_ack(post(connection('first'), '{"run_id": "taken"}'), 'the first');
	is_error(post(connection('second'), '{"run_id": "taken"}'), 409, 'run_id_taken', 'run_id', 'another');
	is(is_error(post('/_ref/connections/first/run', '{"run_id": "taken"}'), 409, 'run_already_active', 'connector_instance_id',
			'the same once more')->{active_run_id}, 'taken', 'the same once more: names itself');
};

subtest 'who may' => sub {
	my $run = is_ack(post(connection('csrf')), 'with a session');
	for my $path ('/_ref/connections/csrf/run', '/_ref/connectors/csrf/run', "/_ref/runs/$run/cancel", '/_ref/runs/never/cancel',
		'/_ref/connections/never/run')
	{
		is_error($gateway->request('POST', $path), 401, 'owner_session_required', undef, "$path without a session");
		is_error($gateway->request('POST', $path, \@json, '{"x": 1}'), 401, 'owner_session_required', undef,
			"$path without a session, and wrong besides");
		for my $origin ('http://evil.example', 'null')
		{
			is_error(post($path, '{"x": 1}', Origin => $origin), 403, 'origin_mismatch', undef, "$path from $origin");
		}
		my $get = $gateway->get_as_owner($path);
		is($get->{status}, 405, "GET $path");
		is($get->{headers}{allow}, 'POST', 'Allow');
	}
	is(sql("SELECT pdpp_run_status('$run')->>'status'"), 'active', 'nothing happened');
	is_error(post("/_ref/connections/csrf/run", undef, Origin => 'http://127.0.0.1:' . $gateway->port), 409, 'run_already_active',
		'connector_instance_id', 'a page of this server may');
	is_error(post('/_ref/connections/csrf/run/x'), 404, 'not_found', undef, 'a longer path');
	is_error(post('/_ref/connections//run'), 404, 'not_found', undef, 'a path without a name');
};

subtest 'a run is cancelled' => sub {
	my $run = is_ack(post(connection('stop'), '{"run_id": "stop it"}'), 'a run');
	my $answer = post('/_ref/runs/stop%20it/cancel');
	is($answer->{status}, 202, 'accepted');
	is($answer->{body}, '{"object": "run_cancel_ack", "run_id": "stop it", "status": "cancel_requested"}', 'the acknowledgement');
	is($answer->{headers}{'cache-control'}, 'no-store', 'not stored');
	is(sql("SELECT pdpp_run_status('stop it')->>'status'"), 'cancelled', 'nobody was there to stop it: it has ended');
	is(sql("SELECT data_json->>'requested_by' FROM pdpp.spine_events WHERE run_id = 'stop it' AND event_type = 'run.cancel_requested'"),
		'owner', 'who asked for it is on record');
	is(post('/_ref/runs/stop%20it/cancel')->{body}, $answer->{body}, 'asked again: the same');
	is(post('/_ref/runs/stop%20it/cancel', '{}')->{status}, 202, 'with an empty object');
	is_error(post('/_ref/runs/stop%20it/cancel', '{"reason": "x"}'), 400, 'invalid_request', 'reason', 'with a member');
	is_error(post('/_ref/runs/never/cancel'), 404, 'not_found', 'run_id', 'an unknown run');

	is_ack(post(connection('done'), '{"run_id": "done"}'), 'another');
	sql(q{SELECT pdpp_run_settle('done', 'completed')});
	my $error = is_error(post('/_ref/runs/done/cancel'), 409, 'run_already_terminal', 'run_id', 'a run that has ended');
	is($error->{status}, 'completed', 'and how');

	# one that is owned by a living boot goes on until its controller has stopped it
	my $controller = $node->background_psql('postgres');
	$controller->query_safe(q{SELECT pdpp_controller_boot('ctl'); SELECT pdpp_controller_offer('[{"connector_instance_id": "owned", "connector_id": "c"}]')});
	is_ack(post('/_ref/connectors/c/run', '{"run_id": "owned"}'), 'a run of an offered connection');
	$controller->query_safe(q{SELECT pdpp_run_claim()});
	is(post('/_ref/runs/owned/cancel')->{status}, 202, 'is asked to stop');
	my $status = $gateway->get_as_owner('/_ref/runs/owned')->{json};
	is($status->{status}, 'active', 'and is active until it has');
	ok($status->{cancel_requested_at}, 'with the request on record');
	$controller->query_safe(q{SELECT pdpp_run_settle('owned', 'cancelled', '{"reason": "owner_cancelled"}')});
	is(post('/_ref/runs/owned/cancel')->{status}, 202, 'a repeated request is still acknowledged');
	$controller->quit;
};

subtest 'an idempotency key' => sub {
	my $path = connection('idem');
	my @key = ('Idempotency-Key' => 'key one/é');
	utf8::encode($key[1]);
	my $first = post($path, '{"data": {"n": 1.0}}', @key);
	my $run = is_ack($first, 'the first');
	my $same = post($path, ' {"data":{"n":1.0}}', 'idempotency-key' => $key[1]);
	is($same->{status}, 202, 'the same again: 202');
	is($same->{body}, $first->{body}, 'the same acknowledgement, byte for byte');
	is($same->{headers}{location}, $first->{headers}{location}, 'and Location');
	sql("SELECT pdpp_run_settle('$run', 'completed')");
	is(post($path, '{"data": {"n": 1.0}}', @key)->{body}, $first->{body}, 'also after the run has ended');
	is_error(post($path, '{"data": {"n": 2}}', @key), 422, 'idempotency_conflict', 'idempotency_key', 'other data');
	is_error(post($path, '{"run_id": "x", "data": {"n": 1.0}}', @key), 422, 'idempotency_conflict', 'idempotency_key', 'a run id');
	is_error(post(connection('idem-2'), '{"data": {"n": 1.0}}', @key), 422, 'idempotency_conflict', 'idempotency_key', 'another connection');
	is_error(post($path, undef, 'Idempotency-Key' => ''), 400, 'invalid_request', 'idempotency_key', 'an empty key');
	is_error(post($path, undef, 'Idempotency-Key' => 'x' x 257), 400, 'invalid_request', 'idempotency_key', 'a long key');
	is_error(post($path, undef, 'Idempotency-Key' => "\xff"), 400, 'invalid_request', 'idempotency_key', 'a key that is not UTF-8');
	is_error(post($path, undef, @key, 'Idempotency-Key' => 'b'), 400, 'invalid_request', 'idempotency_key', 'two keys');
	is(admissions('idem'), 1, 'one run');

	$gateway->stop;
	$gateway = PdppGateway->start(conninfo => $node->connstr('postgres'), args => [ '--pool', '8' ]);
	$node->restart;
	is(post($path, '{"data": {"n": 1.0}}', @key)->{body}, $first->{body}, 'also after restarts of both');
};

subtest 'an idempotency key, in parallel' => sub {
	for my $round (1 .. 10)
	{
		my $path = $round % 2 ? connection("at-once-$round") : "/_ref/connectors/at-once-$round/run";
		my @clients = map { $gateway->connect } 1 .. 8;
		$_->send_request('POST', $path, [ @owner, 'Idempotency-Key' => "at-once-$round" ]) for @clients;
		my %bodies;
		for my $client (@clients)
		{
			my $answer = $client->receive;
			$bodies{"$answer->{status} $answer->{body}"}++;
		}
		is(scalar(keys %bodies), 1, "round $round: eight answers are one") or diag explain \%bodies;
		like((keys %bodies)[0], qr/^202 /, "round $round: an acknowledgement");
		is(admissions("at-once-$round"), 1, "round $round: one run");
	}
};

subtest 'without a key, in parallel: one run, and the others are told of it' => sub {
	for my $round (1 .. 10)
	{
		my $path = connection("race-$round");
		my @clients = map { $gateway->connect } 1 .. 8;
		$_->send_request('POST', $path, \@owner) for @clients;
		my (@runs, @active);
		for my $answer (map { $_->receive } @clients)
		{
			push @runs, $answer->{json}{run_id} if $answer->{status} == 202;
			push @active, $answer->{json}{error}{active_run_id} if $answer->{status} == 409;
		}
		is(scalar(@runs), 1, "round $round: one acknowledgement");
		is_deeply(\@active, [ ($runs[0]) x 7 ], "round $round: the others name it");
	}
};

# A gateway behind a proxy that cuts calls of admissions or of cancels.
sub behind
{
	my ($mode, %option) = @_;
	my $proxy = CuttingProxy->new($mode, $socket, call => qr/_run_now\(|_run_cancel\(/, %option);
	my $behind = PdppGateway->start(
		conninfo => $proxy->conninfo . ' dbname=postgres user=' . sql('SELECT current_user'),
		args => [ '--pool', '1' ]);
	return ($proxy, $behind);
}

subtest 'the database is lost at COMMIT' => sub {
	for my $mode ('unsent', 'unanswered', 'unheard')
	{
		for my $case ([ 'no ids' ], [ 'a run id', qq({"run_id": "cut-$mode"}) ], [ 'a key', undef, 'Idempotency-Key' => "cut-$mode" ])
		{
			my ($what, $body, @headers) = @$case;
			my ($proxy, $behind) = behind($mode);
			my $name = "cut $mode $what" =~ s/ /-/gr;
			my $answer = $behind->request('POST', connection($name), [ @owner, @headers, ($body ? @json : ()) ], $body);
			is_ack($answer, "$mode, $what");
			is(admissions($name), 1, "$mode, $what: one run");
			like($behind->log, qr/function=pdpp_connection_run_now answer lost/, "$mode, $what: in the log");
			my $status = sql("SELECT pdpp_run_status('$answer->{json}{run_id}')->>'status'");
			is($status, 'active', "$mode, $what: it is active");

			# a busy connection is refused as ever, and the refusal is not repeated
			my $requests = () = $behind->log =~ /answer lost/g;
			is($behind->request('POST', "/_ref/connections/$name/run", \@owner)->{status}, 409, "$mode, $what: then it is busy");
			is(scalar(() = $behind->log =~ /answer lost/g), $requests, "$mode, $what: which is no doubt");
			is($behind->stop, 0, 'stops');
			$proxy->stop;
		}

		if ($mode ne 'unheard')    # the server sends a refusal at once, so that it is heard, and means that nothing was written
		{
			my ($proxy, $behind) = behind($mode);
			sql("SELECT pdpp_run_now('connector', 'cut-$mode-busy', run_id => 'there before $mode')");
			my $refused = $behind->request('POST', "/_ref/connections/cut-$mode-busy/run", [ @owner, @json ],
				qq({"run_id": "there before $mode"}));
			is_error($refused, 409, 'run_already_active', 'connector_instance_id',
				"$mode, a run that was there before, of the same id");
			is($behind->stop, 0, 'stops');
			$proxy->stop;
		}

		my ($proxy, $behind) = behind($mode);
		sql("SELECT pdpp_run_now('connector', 'cancel-$mode', run_id => 'cancel-$mode')");
		is($behind->request('POST', "/_ref/runs/cancel-$mode/cancel", \@owner)->{status}, 202, "$mode, a cancel request");
		is(sql("SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events WHERE run_id = 'cancel-$mode'"),
			'run.admitted run.cancel_requested run.cancelled', "$mode, a cancel request: happened once");
		is($behind->stop, 0, 'stops');
		$proxy->stop;
	}
};

subtest 'the lost call is still at work when it is repeated' => sub {
	my $path = connection('still');
	my ($proxy, $behind) = behind('unanswered');
	my $holder = $node->background_psql('postgres');
	$holder->query_safe(q{BEGIN; SELECT FROM pdpp.connections WHERE connector_instance_id = 'still' FOR UPDATE});
	my $client = $behind->connect;
	$client->send_request('POST', $path, \@owner);
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 2 FROM pg_stat_activity WHERE query LIKE '%pdpp_connection_run_now(%' AND wait_event_type = 'Lock'})
	  or die 'the two calls do not wait';
	ok(!$client->has_more, 'no answer before it is known');
	$holder->quit;
	is_ack($client->receive, 'the answer');
	is(admissions('still'), 1, 'one run');
	is($behind->stop, 0, 'stops');
	$proxy->stop;
};

subtest 'a server process that does not answer' => sub {
	my $slow = PdppGateway->start(conninfo => $node->connstr('postgres') . ' application_name=slow',
		args => [ '--pool', '1', '--statement-timeout', '300' ]);
	# the gateway looks at its grants over the same connection when it begins, naming the function too
	my $pid;
	PdppGateway::await(
		sub {
			$slow->request('POST', '/_ref/runs/never/cancel', \@owner);
			$pid = sql(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'slow' AND query LIKE '%pdpp_run_cancel(%$1%'});
		},
		'the connection is known');
	kill 'STOP', $pid;
	my $answer = $slow->request('POST', connection('slow'), \@owner);
	is_ack($answer, 'the answer');
	kill 'CONT', $pid;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid") or die;
	is(admissions('slow'), 1, 'one run, also when the first call has been made after all');

	# a statement that takes too long is refused by the server: nothing was written, and nothing is repeated
	my $holder = $node->background_psql('postgres');
	my $path = connection('late');
	$holder->query_safe(q{BEGIN; SELECT FROM pdpp.connections WHERE connector_instance_id = 'late' FOR UPDATE});
	my $late = $slow->request('POST', $path, \@owner);
	is_error($late, 504, 'timeout', undef, 'a statement timeout');
	$holder->quit;
	is(admissions('late'), 0, 'no run');
	is($slow->stop, 0, 'stops');
};

subtest 'what cannot be learned is in doubt' => sub {
	my ($proxy, $behind) = behind('unheard', times => 1_000_000, call => qr/_run_now\(|_run_status\(/);
	my $answer = $behind->request('POST', connection('doubt'), \@owner);
	my $error = is_error($answer, 503, 'in_doubt', undef, 'an admission');
	is($answer->{headers}{'retry-after'}, '1', 'Retry-After');
	like($error->{run_id} // '', qr/^run_[0-9a-f]{32}$/, 'names the run');
	is($gateway->get_as_owner("/_ref/runs/$error->{run_id}")->{json}{trace_id}, $error->{trace_id}, 'which resolves, with its trace');
	is(admissions('doubt'), 1, 'one run');

	$error = is_error($behind->request('POST', connection('doubt-key'), [ @owner, 'Idempotency-Key' => 'doubt' ]),
		503, 'in_doubt', undef, 'an admission with a key');
	is($error->{idempotency_key}, 'doubt', 'names the key');
	is_ack(post('/_ref/connections/doubt-key/run', undef, 'Idempotency-Key' => 'doubt'), 'with which it is asked again');
	is(admissions('doubt-key'), 1, 'one run');
	is($behind->stop, 0, 'stops');
	$proxy->stop;
};

subtest 'nothing is handed out before COMMIT' => sub {
	# an admission that is refused at COMMIT, by a constraint that is checked then
	sql(q{CREATE TABLE bad (run_id text, CONSTRAINT never CHECK (true), CONSTRAINT ref UNIQUE (run_id) DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO bad VALUES ('x');
		CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
			$$BEGIN IF new.run_id = 'spoilt' THEN INSERT INTO public.bad VALUES ('x'); END IF; RETURN new; END$$;
		CREATE TRIGGER spoil BEFORE INSERT ON pdpp.spine_events FOR EACH ROW EXECUTE FUNCTION spoil()});
	my $path = connection('commit');
	is_error(post($path, '{"run_id": "spoilt"}'), 500, 'internal_error', undef, 'an admission that fails at COMMIT');
	is_error($gateway->get_as_owner('/_ref/runs/spoilt'), 404, 'not_found', 'run_id', 'was never acknowledged, and never was');
	is_ack(post($path, '{"run_id": "sound"}'), 'the next one');
	sql('DROP TRIGGER spoil ON pdpp.spine_events');
};

is($gateway->stop, 0, 'the gateway stops');
done_testing();
