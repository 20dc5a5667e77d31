# The admin listener: liveness, readiness with what it takes away, and metrics that count what happened.

use strict;
use warnings;

use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('admin', conf => "shared_preload_libraries = 'pdpp'\npdpp.databases = 'served'\npdpp.liveness_grace = 300");
$node->safe_psql('postgres', 'CREATE DATABASE served; CREATE DATABASE unserved; CREATE ROLE reader LOGIN');
$node->safe_psql($_, q{CREATE EXTENSION pdpp; SELECT pdpp_grant('reader', 'owner')}) for 'served', 'unserved';

sub start { my ($database, @rest) = @_; return PdppGateway->start(conninfo => $node->connstr($database), admin => 1, @rest); }

# The value of a series, written as Prometheus writes it; undef if there is none.
sub metric
{
	my ($gateway, $series) = @_;
	my ($value) = $gateway->admin->get('/metrics')->{body} =~ /^\Q$series\E (\S+)$/m;
	return $value;
}

my $gateway = start('postgres');

subtest 'what it serves, and nothing else' => sub {
	my $live = $gateway->admin->get('/live');
	is($live->{status}, 200, '/live');
	is_deeply($live->{json}, { status => 'live' }, 'says so');
	is($gateway->admin->request('HEAD', '/live')->{body}, '', 'HEAD has no body');
	is($gateway->admin->get('/_ref/runs/run_1')->{json}{error}{code}, 'not_found', 'no runs here');
	my $wrong = $gateway->admin->request('POST', '/metrics', [], '');
	is($wrong->{status}, 405, 'nothing to post');
	is($wrong->{headers}{allow}, 'GET, HEAD', 'Allow');
	is($gateway->get_as_owner($_)->{status}, 404, "$_ is not among the routes") for '/live', '/ready', '/metrics';
	my $plain = PdppGateway->start(conninfo => $node->connstr('served'));
	unlike($plain->log, qr/admin listening/, 'off unless it is asked for');
	is($plain->stop, 0, 'stops');
};

subtest 'a strange Host is not answered' => sub {
	my $status = sub { my ($of, $host) = @_; my $client = $of->connect; $client->send("GET /metrics HTTP/1.1\r\nHost: $host\r\n\r\n"); return $client->receive->{status} };
	my $named = PdppGateway->start(conninfo => $node->connstr('served'), admin => 1, args => [ '--admin-host', 'gateway.internal', '--admin-host', 'other' ]);
	for my $of ($gateway->admin, $named->admin)
	{
		is($status->($of, $_), 200, "Host: $_") for '127.0.0.1', '127.0.0.1:' . $of->{port}, 'localhost:1', 'x.localhost', '[::1]:9090';
		is($status->($of, $_), 421, "Host: $_") for 'evil.example', 'evil.example:9090', '192.0.2.1', '127.0.0.1.evil.example', '[2001:db8::1]', '0.0.0.0';
	}
	is($status->($gateway->admin, 'gateway.internal:9090'), 421, 'a name that was not given');
	is($status->($named->admin, $_), 200, "one that was: $_") for 'gateway.internal:9090', 'GATEWAY.INTERNAL', 'other';
	my $nameless = $gateway->admin->connect;
	$nameless->send("GET /live HTTP/1.0\r\n\r\n");
	is($nameless->receive->{status}, 200, 'none at all');
	is($named->stop, 0, 'stops');

	my $open = PdppGateway->start(conninfo => $node->connstr('served'), args => [ '--admin', '0.0.0.0:0' ]);
	$open->await_log(qr{admin listening on http://0.0.0.0:\d+});
	my ($port) = $open->log =~ m{admin listening on http://0.0.0.0:(\d+)};
	my $everywhere = bless { host => '127.0.0.1', port => $port }, 'PdppGateway';
	is($status->($everywhere, $_), 200, "where it listens everywhere: $_") for 'localhost', "192.0.2.1:$port", '[2001:db8::1]';
	is($status->($everywhere, 'evil.example'), 421, 'but not by any name');
	is($open->stop, 0, 'stops');
};

subtest 'not ready without the extension, ready with it' => sub {
	my $answer = $gateway->admin->get('/ready');
	is($answer->{status}, 503, 'no extension: 503');
	is($answer->{json}{status}, 'not_ready', 'not ready');
	ok($answer->{json}{checks}{database}{ok}, 'the database is there');
	ok(!$answer->{json}{checks}{extension}{ok}, 'the extension is not');
	like($answer->{json}{checks}{extension}{message}, qr/not installed/, 'which it says');
	$node->safe_psql('postgres', 'CREATE EXTENSION pdpp');
	PdppGateway::await(sub { $gateway->admin->get('/ready')->{status} == 200 }, 'the gateway is ready');
	my $ready = $gateway->admin->get('/ready')->{json};
	is($ready->{status}, 'ready', 'ready by itself');
	is($ready->{checks}{extension}{version}, '0.3.0', 'the version of the extension');
	is($ready->{checks}{reconciler}{by}, 'gateway', 'the gateway calls the guard');
	$node->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'pdpp'});
	my $old = $gateway->admin->get('/ready');
	is($old->{status}, 503, 'an older extension: 503');
	like($old->{json}{checks}{extension}{message}, qr/alter extension pdpp update/, 'with what to do');
	$node->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '0.3.0' WHERE extname = 'pdpp'});
	is($gateway->admin->get('/ready')->{status}, 200, 'ready again');
};

subtest 'somebody must call the guard' => sub {
	my $served = PdppGateway->start(conninfo => $node->connstr('served') . ' user=reader', admin => 1);
	PdppGateway::await(sub { $served->admin->get('/ready')->{status} == 200 }, 'the worker is there');
	is($served->admin->get('/ready')->{json}{checks}{reconciler}{by}, 'worker', 'the background worker does');
	is($served->stop, 0, 'stops');

	my $unserved = PdppGateway->start(conninfo => $node->connstr('unserved') . ' user=reader', admin => 1);
	$unserved->await_log(qr/the launch guard is left to/);
	my $answer = $unserved->admin->get('/ready');
	is($answer->{status}, 503, 'no worker, and a role that may not: 503');
	like($answer->{json}{checks}{reconciler}{message}, qr/nobody calls the launch guard/, 'which it says');
	my $other = start('unserved');
	PdppGateway::await(sub { $unserved->admin->get('/ready')->{status} == 200 }, 'the other gateway does');
	is($unserved->admin->get('/ready')->{json}{checks}{reconciler}{by}, 'controller', 'as a controller would');
	is($other->stop, 0, 'stops');
	PdppGateway::await(sub { $unserved->admin->get('/ready')->{status} == 503 }, 'its absence is noticed');
	is($unserved->stop, 0, 'stops');
};

subtest 'the metrics' => sub {
	my $served = start('served', args => [ '--threads', '1' ]); # whose pool is one
	my %before = map { $_ => metric($served, $_) } 'pdpp_run_admissions_total', 'pdpp_run_unknown_total';
	is($before{pdpp_run_admissions_total}, 0, 'counters begin at 0');
	$node->safe_psql('served', q{SELECT pdpp_run_now('c', run_id => 'run_secret')});
	$served->get_as_owner('/_ref/runs/run_secret') for 1 .. 3;
	$node->safe_psql('served', q{SELECT pdpp_run_settle('run_secret', 'abandoned')});
	$served->get_as_owner('/_ref/runs/run_secret');
	$served->get_as_owner('/_ref/runs/run_hidden') for 1 .. 2;
	$served->get('/_ref/runs/run_secret');
	$served->get_as_owner('/nowhere/run_secret');
	$served->connect->send("nonsense\r\n\r\n");
	my $started = $served->request('POST', '/_ref/connections/c/run', [ Authorization => 'Bearer ' . PdppGateway::token() ], '');
	is($started->{status}, 202, 'a run is started');
	PdppGateway::await(sub { defined metric($served, 'pdpp_http_requests_total{method="<unknown>",route="none",status="400"}') },
		'nonsense is counted too');

	my $route = 'method="GET",route="/_ref/runs/{run_id}"';
	my %expected = (
		qq(pdpp_http_requests_total{$route,status="200"}) => 4,
		qq(pdpp_http_requests_total{$route,status="404"}) => 2,
		qq(pdpp_http_requests_total{$route,status="401"}) => 1,
		'pdpp_http_requests_total{method="GET",route="none",status="404"}' => 1,
		'pdpp_http_request_duration_seconds_count{route="/_ref/runs/{run_id}"}' => 7,
		'pdpp_http_request_duration_seconds_bucket{route="/_ref/runs/{run_id}",le="+Inf"}' => 7,
		'pdpp_run_resolutions_total{status="active"}' => 3,
		'pdpp_run_resolutions_total{status="abandoned"}' => 1,
		'pdpp_run_resolutions_total{status="failed"}' => 0,
		'pdpp_run_unknown_total' => 2,
		'pdpp_run_admissions_total' => 1,
		'pdpp_pool_connections{state="open"}' => 2,    # one for reads, one for writes
		'pdpp_pool_connections{state="busy"}' => 0,
		'pdpp_pool_waiting' => 0,
		'pdpp_waiters' => 0,
		'pdpp_streams' => 0,
		'pdpp_build_info{version="0.3.0"}' => 1);
	is(metric($served, $_), $expected{$_}, $_) for sort keys %expected;
	cmp_ok(metric($served, 'process_resident_memory_bytes'), '>', 1e6, 'memory');
	my $client = $served->connect;
	$client->request('GET', '/nowhere');
	PdppGateway::await(sub { metric($served, 'pdpp_http_connections') == 1 }, 'an open connection is counted');
	my $answer = $served->admin->get('/metrics');
	like($answer->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4}, 'the type that Prometheus wants');
	unlike($answer->{body}, qr/run_secret|run_hidden|nowhere/, 'nothing that a client chose');
	my @names = $answer->{body} =~ /^# TYPE (\S+)/mg;
	is(scalar(grep { !/^(pdpp|process)_/ } @names), 0, 'names have a prefix');
	my ($documented) = slurp_file('docs/operating/gateway.md') =~ /^## Metrics\n(.*?)^## /ms;
	my @documented = map { /`(\w+)`/g } $documented =~ /^\| ((?:`\w+`(?:, )?)+) \|/mg;
	is_deeply([ sort @documented ], [ sort @names ], 'those that are documented');
	is($served->stop, 0, 'stops');
};

# What a scrape has of an ending, or of all whose reason the program does not know.
sub endings { my ($gateway, $status, $reason) = @_; return metric($gateway, qq(pdpp_run_endings_total{reason="$reason",status="$status"})); }

subtest 'endings are counted once, whoever ends the runs' => sub {
	my $counting = start('served');
	is(endings($counting, @$_), 0, "$_->[0], $_->[1]: there from the start")
	  for [ 'completed', 'none' ], [ 'completed', 'other' ], [ 'failed', 'launch_failed' ], [ 'failed', 'connector_exit_nonzero' ],
	  [ 'failed', 'run_timed_out' ], [ 'cancelled', 'owner_cancelled' ], [ 'cancelled', 'controller_drained' ],
	  [ 'abandoned', 'controller_terminated_before_run_finished' ];
	isnt($node->safe_psql('served', q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.abandoned'}), 0, 'runs had ended before');
	PdppGateway::await(sub {
		$node->safe_psql('served', q{DO $$ BEGIN PERFORM pdpp_run_settle(pdpp_run_now('first')->>'run_id', 'completed', '{"reason": "first"}'); END $$});
		endings($counting, 'completed', 'other') }, 'it has begun to count');
	$node->safe_psql('served', $_) for (q{SELECT pdpp_run_settle(pdpp_run_now('e', 'e-' || n, 'e-' || n)->>'run_id', 'completed') FROM generate_series(1, 5) AS n},
		q{SELECT pdpp_run_launch_failed(pdpp_run_now('e')->>'run_id', 'no')},
		q{SELECT pdpp_run_cancel(pdpp_run_now('e')->>'run_id')},
		q{SELECT pdpp_run_settle(pdpp_run_now('e', 'e-' || n)->>'run_id', 'failed', jsonb_build_object('reason', 'strange "' || n || E'"\\n')) FROM generate_series(1, 3) AS n},
		q{SELECT pdpp_run_settle(pdpp_run_now('e')->>'run_id', 'failed', '{"reason": 7, "failure_reason": "run_timed_out"}')},
		q{SELECT pdpp_run_settle(pdpp_run_now('e')->>'run_id', 'abandoned', '{"reason": "launch_failed"}')});
	# a controller that goes away; the background worker ends its run
	my $controller = $node->background_psql('served');
	$controller->query_safe($_) for q{SELECT pdpp_controller_boot('lost')},
	  q{SELECT pdpp_controller_offer('[{"connector_instance_id": "lost", "connector_id": "lost"}]')}, q{SELECT pdpp_run_now('lost')},
	  q{SELECT pdpp_run_started(pdpp_run_claim()->>'run_id')};
	$controller->quit;
	# the last of them is seen after all others
	PdppGateway::await(sub { endings($counting, 'abandoned', 'controller_terminated_before_run_finished') }, 'all are counted');
	for my $scrape ('first', 'second')
	{
		my %expected = ('completed none' => 5, 'failed launch_failed' => 1, 'cancelled owner_cancelled' => 1, 'failed other' => 3,
			'failed run_timed_out' => 1, 'abandoned launch_failed' => 1, 'abandoned controller_terminated_before_run_finished' => 1,
			'failed none' => 0, 'abandoned other' => 0);
		is(endings($counting, split(/ /)), $expected{$_}, "$scrape scrape: $_") for sort keys %expected;
		is(metric($counting, 'pdpp_run_detection_seconds_count'), 1, "$scrape scrape: how long a detection took");
		cmp_ok(metric($counting, 'pdpp_run_detection_seconds_sum'), '>=', 0.3, "$scrape scrape: the grace at least");
		is(metric($counting, 'pdpp_run_detection_seconds_bucket{le="0.1"}'), 0, "$scrape scrape: in its bucket");
	}
	unlike($counting->admin->get('/metrics')->{body}, qr/strange/, 'no text of a launcher is a label');
	# more than one call of the database counts, in a transaction that takes its time
	$node->safe_psql('served', q{INSERT INTO pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
		SELECT 'many-' || n, 3, 'e', 'run.cancelled', clock_timestamp(), clock_timestamp(), '{"reason": "controller_drained"}' FROM generate_series(1, 25000) AS n});
	PdppGateway::await(sub { endings($counting, 'cancelled', 'controller_drained') >= 25000 }, 'many are counted');
	$node->safe_psql('served', q{SELECT pdpp_run_settle(pdpp_run_now('e')->>'run_id', 'failed', '{"reason": "connector_exit_nonzero"}')});
	PdppGateway::await(sub { endings($counting, 'failed', 'connector_exit_nonzero') == 1 }, 'and what comes next');
	is(endings($counting, 'cancelled', 'controller_drained'), 25000, 'none of them twice');
	is($counting->stop, 0, 'stops');
};

subtest 'who may not count serves the other metrics' => sub {
	$node->safe_psql('served', 'REVOKE EXECUTE ON FUNCTION pdpp_run_endings FROM reader');
	my $reader = PdppGateway->start(conninfo => $node->connstr('served') . ' user=reader', admin => 1);
	$reader->await_log(qr/endings of runs are not counted/);
	is($reader->admin->get('/metrics')->{status}, 200, 'the metrics are there') for 1 .. 3;
	is(scalar(() = $reader->log =~ /\[warning\] endings of runs are not counted: .*permission denied/g), 1, 'which is said once');
	is(endings($reader, 'completed', 'none'), 0, 'nothing is counted');
	$node->safe_psql('served', q{SELECT pdpp_grant('reader', 'owner')});
	PdppGateway::await(sub {
		$node->safe_psql('served', q{DO $$ BEGIN PERFORM pdpp_run_settle(pdpp_run_now('first')->>'run_id', 'completed'); END $$});
		endings($reader, 'completed', 'none') }, 'counts once it may');
	is($reader->stop, 0, 'stops');
};

subtest 'calls by /rpc are counted like those by /_ref' => sub {
	my $served = start('served');
	my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
	my $call = sub {
		my ($status, $function, $arguments, @headers) = @_;
		my $answer = $served->request('POST', "/rpc/$function", [ @owner, 'Content-Type' => 'application/json', @headers ],
			JSON::PP::encode_json($arguments));
		is($answer->{status}, $status, "$function: $status");
		return $answer->{json};
	};
	my @series = (
		(map { qq(pdpp_run_resolutions_total{status="$_"}) } qw(active completed failed cancelled abandoned)),
		'pdpp_run_unknown_total', 'pdpp_run_admissions_total');
	my $counts = sub { return join ' ', map { metric($served, $_) } @series; };
	is($counts->(), '0 0 0 0 0 0 0', 'nothing yet');
	my $ack = $call->(200, 'pdpp_run_now', { connector_id => 'by_rpc', idempotency_key => 'k' });
	is($counts->(), '0 0 0 0 0 0 1', 'an admission');
	$call->(422, 'pdpp_run_now', { connector_id => 'by_rpc', idempotency_key => 'k', data => { a => 1 } });
	$call->(409, 'pdpp_run_now', { connector_id => 'by_rpc' });
	is($counts->(), '0 0 0 0 0 0 1', 'a refusal is none');
	$call->(200, 'pdpp_run_status', { run_id => $ack->{run_id} });
	$served->get_as_owner("/rpc/pdpp_run_status?run_id=$ack->{run_id}");
	is($counts->(), '2 0 0 0 0 0 1', 'a status that is active');
	$call->(200, 'pdpp_run_cancel', { run_id => $ack->{run_id} });
	$call->(200, 'pdpp_run_timeline', { run_id => $ack->{run_id} });
	$call->(200, 'pdpp_run_list', {});
	is($counts->(), '2 0 0 0 0 0 1', 'neither an acknowledgement, nor a timeline, nor a list resolves a handle');
	$call->(200, 'pdpp_run_status', { run_id => $ack->{run_id} });
	is($counts->(), '2 0 0 1 0 0 1', 'a status that is final');
	$call->(404, $_, { run_id => 'run_hidden' }) for qw(pdpp_run_status pdpp_run_timeline pdpp_run_cancel);
	is($counts->(), '2 0 0 1 0 3 1', 'ids that were never handed out');
	my @ids = ('run_secret', $ack->{run_id}, 'run_hidden', undef, 'a","http_status":404,"b');
	$call->(200, 'pdpp_run_statuses', { run_ids => \@ids });
	is($counts->(), '2 0 0 2 1 5 1', 'each of many');
	$call->(200, 'pdpp_run_statuses', { run_ids => ['run_secret'] }, Accept => 'application/vnd.pgrst.object+json');
	is($counts->(), '2 0 0 2 2 5 1', 'a single one as an object');
	$call->(400, 'pdpp_run_timeline', { run_id => $ack->{run_id}, cursor => 'x' });
	is($served->request('POST', '/rpc/pdpp_run_status', [], '{}')->{status}, 401, 'without a session');
	is($counts->(), '2 0 0 2 2 5 1', 'what is refused counts nothing');
	is($served->stop, 0, 'stops');
};

subtest 'busy connections and the queue for them are seen, and do not make it unready' => sub {
	my $busy = start('served', args => [ '--pool', '1' ]);
	PdppGateway::await(sub { $busy->admin->get('/ready')->{status} == 200 }, 'ready');
	my $session = $node->background_psql('served');
	$session->query_safe('BEGIN; LOCK TABLE pdpp.spine_events IN ACCESS EXCLUSIVE MODE');
	my @clients = map { $busy->connect } 1 .. 2;
	$_->send_request('GET', '/_ref/runs/run_secret/timeline', [ Authorization => 'Bearer ' . PdppGateway::token() ]) for @clients;
	PdppGateway::await(
		sub { metric($busy, 'pdpp_pool_connections{state="busy"}') == 1 && metric($busy, 'pdpp_pool_waiting') == 1 },
		'one is busy, one waits');
	is($busy->admin->get('/ready')->{status}, 200, 'ready all the same');
	$session->quit;
	$_->receive for @clients;
	is($busy->stop, 0, 'stops');
};

subtest 'not ready where no run can be started' => sub {
	my $database = PdppCluster->bare('writable', allows_streaming => 1, conf => "max_connections = 50\nfsync = on");
	$database->safe_psql('postgres', q{CREATE EXTENSION pdpp; SELECT pdpp_run_now('c', run_id => 'run_1')});
	my $probed = PdppGateway->start(conninfo => $database->connstr('postgres'), admin => 1);
	my $ready = sub { my ($of) = @_; return ($of // $probed)->admin->get('/ready'); };
	PdppGateway::await(sub { $ready->()->{status} == 200 }, 'ready');
	is_deeply($ready->()->{json}{checks}{writes}, { ok => JSON::PP::true }, 'writes are possible');

	$database->safe_psql('postgres', q{ALTER SYSTEM SET default_transaction_read_only = on});
	$database->reload;
	PdppGateway::await(sub { $ready->()->{status} == 503 }, 'a server that turns read-only is noticed');
	my $answer = $ready->();
	like($answer->{json}{checks}{writes}{message}, qr/default_transaction_read_only/, 'which it says');
	is_deeply([ grep { !$answer->{json}{checks}{$_}{ok} } sort keys %{ $answer->{json}{checks} } ], ['writes'], 'and nothing else');
	my $post = $probed->request('POST', '/_ref/connections/c/run', [ Authorization => 'Bearer ' . PdppGateway::token() ], '');
	is($post->{status}, 503, 'a write is 503');
	is($post->{headers}{'retry-after'}, '1', 'with Retry-After');
	is($probed->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'reads are answered');
	$database->safe_psql('postgres', q{SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only});
	$database->reload;
	PdppGateway::await(sub { $ready->()->{status} == 200 }, 'ready again');

	my $standby = $database->standby('read_only');
	$database->poll_query_until('postgres', 'SELECT count(*) = 1 FROM pg_stat_replication') or die 'no standby';
	my $durability = sub { $ready->()->{json}{checks}{durability} };
	ok($durability->()->{ok}, 'an asynchronous standby keeps nobody from being served');
	like($durability->()->{message}, qr/asynchronous.*synchronous_standby_names/, 'but what is acknowledged is worth less, which it says');
	$database->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = '*'});
	$database->reload;
	PdppGateway::await(sub { !defined $durability->()->{message} }, 'no longer, where the standby is waited for');

	# Each setting, and how many more standbys its commits wait for than there are. It is seen without rights, too.
	$database->safe_psql('postgres', q{CREATE ROLE modest LOGIN; SELECT pdpp_grant('modest', 'owner'), pdpp_grant('modest', 'controller')});
	my $modest = PdppGateway->start(conninfo => $database->connstr('postgres') . ' user=modest', admin => 1);
	my $name = $database->safe_psql('postgres', 'SELECT application_name FROM pg_stat_replication');
	for my $case ([ "ANY 1 (nobody, $name)", 0 ], [ 'nobody', 1 ], [ "FIRST 2 (nobody, $name)", 1 ], [ uc $name, 0 ], [ '2 (*)', 1 ])
	{
		my ($setting, $lacking) = @$case;
		$database->safe_psql('postgres', qq{SET synchronous_commit = local; ALTER SYSTEM SET synchronous_standby_names = '$setting'});
		$database->reload;
		$database->poll_query_until('postgres', qq{SELECT current_setting('synchronous_standby_names') = '$setting'});
		for my $of ($probed, $modest)
		{
			PdppGateway::await(sub { $ready->($of)->{status} == ($lacking ? 503 : 200) }, "$setting: " . ($lacking ? 'not ready' : 'ready'));
			my $checks = $ready->($of)->{json}{checks};
			like($checks->{writes}{message}, qr/every commit waits for \d of the standbys.* and (?:one is|0 are) connected/, 'which it says') if $lacking;
		}
	}
	is($modest->stop, 0, 'stops');
	$database->safe_psql('postgres', q{SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names});
	$database->reload;
	PdppGateway::await(sub { $ready->()->{status} == 200 }, 'ready where none is waited for');
	my $alone = PdppGateway->start(conninfo => $standby->connstr('postgres'), admin => 1);
	$answer = $ready->($alone);
	is($answer->{status}, 503, 'a standby alone: 503');
	ok($answer->{json}{checks}{database}{ok}, 'it is there');
	like($answer->{json}{checks}{writes}{message}, qr/standby only/, 'but it is a standby');
	my $both = PdppGateway->start(admin => 1, conninfo =>
		  sprintf('host=%s,%s port=%d,%d dbname=postgres', $standby->host, $database->host, $standby->port, $database->port));
	PdppGateway::await(sub { $ready->($both)->{status} == 200 }, 'ready with a primary among several hosts');
	$database->stop;
	$answer = $ready->($both);
	is($answer->{status}, 503, 'without it: 503');
	like($answer->{json}{checks}{database}{message}, qr/no server that takes writes/, 'which it says');
	$standby->promote;
	for my $promoted ($alone, $both)
	{
		PdppGateway::await(sub { $ready->($promoted)->{status} == 200 }, 'ready with the new primary');
		is($promoted->stop, 0, 'stops');
	}
	is($probed->stop, 0, 'stops');
	$standby->stop;
};

subtest 'the queue of notifications' => sub {
	my $probed = start('postgres');
	PdppGateway::await(sub { $probed->admin->get('/ready')->{status} == 200 }, 'ready, once its guard has passed');
	is($probed->admin->get('/ready')->{json}{checks}{notifications}{ok}, JSON::PP::true, 'there is room');
	# Somebody listens, to something of his own, and idles in a transaction, while others notify.
	my $idler = $node->background_psql('unserved');
	$idler->query_safe('LISTEN something');
	$idler->query_safe('BEGIN; SELECT 1');
	$node->safe_psql('unserved', q{SELECT count(pg_notify('x', repeat('x', 7000) || n)) FROM generate_series(1, 2000) AS n});
	my $usage = $node->safe_psql('postgres', 'SELECT pg_notification_queue_usage()');
	cmp_ok($usage, '>', 0, 'the queue fills');
	cmp_ok(abs($probed->admin->get('/ready')->{json}{checks}{notifications}{queue_usage} - $usage), '<', 1e-9, 'which /ready says');
	PdppGateway::await(sub { (metric($probed, 'pdpp_notification_queue_usage') // 0) > 0 }, 'and a metric');
	# To fill it takes 8 GB. So the function says it instead; SQL is put in its place where it is called.
	$idler->quit;
	for my $case ([ '0.49', 200, undef ], [ '0.5', 200, qr/fills/ ], [ '0.874', 200, qr/fills/ ],
		[ '0.875', 503, qr/is full, and ours are dropped.*pg_stat_activity/ ], [ '0.9999', 503, qr/is full.*pg_stat_activity/ ])
	{
		my ($level, $status, $message) = @$case;
		$node->safe_psql('postgres',
			"CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8 LANGUAGE sql AS 'SELECT ${level}::float8'");
		my $answer = $probed->admin->get('/ready');
		is($answer->{status}, $status, "$level of it used: $status") or diag explain $answer->{json};
		my $check = $answer->{json}{checks}{notifications};
		is($check->{message} // '', defined $message ? ($check->{message} =~ $message ? $check->{message} : 'something else') : '', 'says so');
	}
	$node->safe_psql('postgres',
		q{CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8 LANGUAGE internal AS 'pg_notification_queue_usage'});
	is($probed->admin->get('/ready')->{status}, 200, 'ready again');
	is($probed->stop, 0, 'stops');
};

subtest 'not ready without the database, nor while it drains' => sub {
	my $database = PdppCluster->bare('away');
	$database->safe_psql('postgres', q{CREATE EXTENSION pdpp; SELECT pdpp_run_now('c', run_id => 'run_1')});
	my $lonely = PdppGateway->start(conninfo => $database->connstr('postgres'), admin => 1);
	PdppGateway::await(sub { $lonely->admin->get('/ready')->{status} == 200 }, 'ready');
	my $session = $database->background_psql('postgres');
	$session->query_safe('BEGIN; LOCK TABLE pdpp.spine_events IN ACCESS EXCLUSIVE MODE');
	my $client = $lonely->connect;
	$client->send_request('GET', '/_ref/runs/run_1', [ Authorization => 'Bearer ' . PdppGateway::token() ]);
	$database->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'})
	  or die 'the statement does not wait';
	kill 'TERM', $lonely->pid;
	$lonely->await_log(qr/stopping/);
	my $draining = $lonely->admin->get('/ready');
	is($draining->{status}, 503, 'draining: 503');
	is($draining->{json}{status}, 'draining', 'which it says');
	is($lonely->admin->get('/live')->{status}, 200, 'but live');
	$session->quit;
	is($client->receive->{status}, 200, 'what was in flight is answered');
	is($lonely->stop, 0, 'stops');

	$lonely = PdppGateway->start(conninfo => $database->connstr('postgres'), admin => 1);
	PdppGateway::await(sub { $lonely->admin->get('/ready')->{status} == 200 }, 'ready');
	$database->stop('immediate');
	my $answer = $lonely->admin->get('/ready');
	is($answer->{status}, 503, 'the database is away: 503');
	ok(!$answer->{json}{checks}{database}{ok}, 'which it says');
	unlike($answer->{body}, qr/socket|host|port|role/, 'without telling where it was');
	is($lonely->admin->get('/live')->{status}, 200, 'the gateway lives');
	$database->start;
	PdppGateway::await(sub { $lonely->admin->get('/ready')->{status} == 200 }, 'ready again');
	is($lonely->stop, 0, 'stops');
};

is($gateway->stop, 0, 'the gateway stops cleanly');
done_testing();
