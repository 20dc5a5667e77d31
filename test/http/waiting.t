# Prefer: wait: answers that are held back until there is something to say, and what ends such a wait otherwise.

use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PdppCluster->running('waiting', conf => 'restart_after_crash = on');

my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
my $gateways = 0;

# The longest wait that a gateway of these tests allows: an answer to a request that may wait that long was not waited
# for, or the tests would have timed out.
my $long = 3600;

# A gateway whose connections have a name of their own.
sub start
{
	my (%args) = ('--wait-limit' => $long, @_);
	my $name = 'gateway_' . ++$gateways;
	my $gateway = PdppGateway->start(
		conninfo => $node->connstr('postgres') . " application_name=$name",
		args => [%args]);
	$gateway->{name} = $name;
	return $gateway;
}

my $runs = 0;

# Admits a run, and gives its id.
sub new_run
{
	my $run = 'run_' . ++$runs;
	$node->safe_psql('postgres', "SELECT pdpp_run_now('connector_$runs', run_id => '$run')");
	return $run;
}

sub sql { return $node->safe_psql('postgres', join '; ', map { "SELECT $_" } @_); }

# Sends a request that waits, and comes back when it has looked at the run. Gives its client.
sub send_waiting
{
	my ($gateway, $run, $wait, @headers) = @_;
	my $now = sql('clock_timestamp()');
	my $client = $gateway->connect;
	$client->send_request('GET', "/_ref/runs/$run", [ @owner, Prefer => "wait=$wait", @headers ]);
	await_look($gateway, $now);
	return $client;
}

# Waits until the gateway has read a status since.
sub await_look
{
	my ($gateway, $since) = @_;
	$node->poll_query_until('postgres',
		qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = '$gateway->{name}' AND state = 'idle'
		   AND query LIKE '%pdpp_run_status%' AND state_change > '$since'}) or die 'the gateway does not look';
	return;
}

# Ends the session that listens, and waits until another does.
sub cut_feed
{
	my $killed = $node->safe_psql('postgres',
		q{SELECT pid FROM (SELECT pid, pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'pdpp feed' OFFSET 0) AS feed});
	$killed =~ s/\n/,/g;
	$node->poll_query_until('postgres',
		qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'pdpp feed' AND state = 'idle' AND query LIKE 'LISTEN%' AND pid NOT IN ($killed)})
	  or die 'nobody listens';
	return;
}

sub is_status
{
	my ($answer, $run, $status, $wait, $name) = @_;
	is($answer->{status}, 200, "$name: 200") or diag explain $answer;
	is($answer->{json}{run_id}, $run, "$name: the run");
	is($answer->{json}{status}, $status, "$name: $status");
	is($answer->{headers}{'preference-applied'}, "wait=$wait", "$name: Preference-Applied");
	return;
}

my $gateway = start();

subtest 'a run that has ended is not waited for' => sub {
	my $run = new_run();
	sql("pdpp_run_settle('$run', 'completed')");
	is_status($gateway->get_as_owner("/_ref/runs/$run", Prefer => "wait=$long"), $run, 'completed', $long, 'at once');
	my $unknown = $gateway->get_as_owner('/_ref/runs/run_never', Prefer => "wait=$long");
	is($unknown->{status}, 404, 'neither is one that never was');
	is($unknown->{json}{error}{code}, 'not_found', 'which is typed');
	is($gateway->get("/_ref/runs/$run", Prefer => "wait=$long")->{status}, 401, 'nobody waits without a session');
	my $head = $gateway->request('HEAD', "/_ref/runs/$run", [ @owner, Prefer => "wait=$long" ]);
	is($head->{headers}{'preference-applied'}, "wait=$long", 'HEAD waits as GET does');
};

subtest 'the next change of the status is the answer' => sub {
	my $run = new_run();
	my $client = send_waiting($gateway, $run, $long);
	sql("pdpp_run_started('$run')");
	my $answer = $client->receive;
	is_status($answer, $run, 'active', $long, 'started');
	like($answer->{json}{started_at}, qr/^\d/, 'with the time of the start');

	my $again = send_waiting($gateway, $run, $long);
	sql("pdpp_run_event('$run', 'progress')", "pdpp_run_event('$run', 'progress')");
	sql("pdpp_run_settle('$run', 'failed', '{\"reason\": \"because\"}')");
	$answer = $again->receive;
	is_status($answer, $run, 'failed', $long, 'events that change nothing are passed over');
	is($answer->{json}{terminal_reason}, 'because', 'with its reason');

	my $other = new_run();
	$client = send_waiting($gateway, $other, $long);
	sql("pdpp_run_cancel('$other')");
	is_status($client->receive, $other, 'cancelled', $long, 'cancelled');
	is_status($client->request('GET', "/_ref/runs/$other", [ @owner, Prefer => "wait=$long" ]),
		$other, 'cancelled', $long, 'the connection is good for more');
};

subtest 'a client that says what it knows misses nothing between two requests' => sub {
	my $run = new_run();
	my $known = $gateway->get_as_owner("/_ref/runs/$run")->{headers}{etag};
	my $client = send_waiting($gateway, $run, $long, 'If-None-Match' => $known);
	sql("pdpp_run_started('$run')");
	my $answer = $client->receive;
	is_status($answer, $run, 'active', $long, 'a change that comes');
	my $news = $gateway->get_as_owner("/_ref/runs/$run", Prefer => "wait=$long", 'If-None-Match' => $known);
	is_status($news, $run, 'active', $long, 'a change that came before, at once');
	is($news->{headers}{etag}, $answer->{headers}{etag}, 'the same one');
	my $none = $gateway->get_as_owner("/_ref/runs/$run", Prefer => 'wait=1', 'If-None-Match' => $news->{headers}{etag});
	is($none->{status}, 304, 'no change in time: 304');
	is($none->{headers}{'preference-applied'}, 'wait=1', 'after the wait');
	sql("pdpp_run_settle('$run', 'completed')");
	$answer = $gateway->get_as_owner("/_ref/runs/$run", Prefer => "wait=$long", 'If-None-Match' => $news->{headers}{etag});
	is_status($answer, $run, 'completed', $long, 'the end');
	is($gateway->get_as_owner("/_ref/runs/$run", Prefer => "wait=$long", 'If-None-Match' => $answer->{headers}{etag})->{status},
		304, 'after which nothing changes');
};

subtest 'a wait is over after its time' => sub {
	my $run = new_run();
	my $began = time;
	my $answer = $gateway->get_as_owner("/_ref/runs/$run", Prefer => 'wait=1');
	is_status($answer, $run, 'active', 1, 'in time');
	cmp_ok(time - $began, '>=', 1, 'not before');
	is_status($gateway->get_as_owner("/_ref/runs/$run", Prefer => 'handling=lenient, WAIT="0"'), $run, 'active', 0, 'none at all');

	my $short = start('--wait-limit', '1');
	is_status($short->get_as_owner("/_ref/runs/$run", Prefer => 'wait=100000'), $run, 'active', 1, 'no longer than the limit');
	is($short->stop, 0, 'stops');
};

subtest 'what cannot be understood is left aside' => sub {
	my $run = new_run();
	for my $prefer ('wait', 'wait=', 'wait=-1', 'wait=1.5', 'wait=soon', 'return=minimal', '"', 'wait=1 2')
	{
		my $answer = $gateway->get_as_owner("/_ref/runs/$run", Prefer => $prefer);
		is($answer->{status}, 200, "$prefer: answered");
		is($answer->{headers}{'preference-applied'}, undef, "$prefer: not applied");
	}
	my $timeline = $gateway->get_as_owner("/_ref/runs/$run/timeline", Prefer => "wait=$long");
	is($timeline->{headers}{'preference-applied'}, undef, 'a page of the timeline is not waited for');
};

subtest 'a run is started and waited for' => sub {
	for my $kind ('connections', 'connectors')
	{
		$node->safe_psql('postgres', "INSERT INTO pdpp.connections VALUES ('$kind', '$kind', 0, NULL)");
		my $path = "/_ref/$kind/$kind/run";
		my $late = $gateway->request('POST', $path, [ @owner, Prefer => 'wait=1' ]);
		is($late->{status}, 202, "$kind: 202 if it has not ended in time");
		is($late->{json}{object}, 'run_ack', "$kind: the acknowledgement");
		is($late->{headers}{'preference-applied'}, 'wait=1', "$kind: Preference-Applied");
		is($late->{headers}{'retry-after'}, '1', "$kind: Retry-After");
		my $run = $late->{json}{run_id};
		is($late->{headers}{location}, "/_ref/runs/$run", "$kind: Location");
		sql("pdpp_run_cancel('$run')");

		my $now = sql('clock_timestamp()');
		my $client = $gateway->connect;
		my @headers = (@owner, Prefer => "wait=$long", 'Idempotency-Key' => "key $kind");
		$client->send_request('POST', $path, \@headers);
		await_look($gateway, $now);
		$run = $node->safe_psql('postgres', "SELECT run_id FROM pdpp.controller_active_runs WHERE connector_instance_id = '$kind'");
		sql("pdpp_run_started('$run')");
		sql("pdpp_run_settle('$run', 'completed')");
		my $answer = $client->receive;
		is_status($answer, $run, 'completed', $long, "$kind: the end");
		is($answer->{json}{object}, 'run_status', "$kind: is a status");
		is($answer->{headers}{location}, "/_ref/runs/$run", "$kind: Location");
		is($answer->{headers}{'retry-after'}, undef, "$kind: nothing to come back for");

		is_status($gateway->request('POST', $path, \@headers), $run, 'completed', $long, "$kind: repeated, at once");
		is($gateway->request('POST', $path, [ @headers, Origin => 'http://elsewhere' ])->{status}, 403, "$kind: refusals do not wait");
	}
};

subtest 'those who wait hold no connection to the database' => sub {
	my $narrow = start('--pool', '1');
	my @runs = map { new_run() } 1 .. 20;
	my @clients = map { send_waiting($narrow, $_, $long) } @runs;
	is($narrow->get_as_owner("/_ref/runs/$_")->{json}{status}, 'active', "$_ is answered meanwhile") for @runs[ 0 .. 2 ];
	sql(map { "pdpp_run_settle('$_', 'completed')" } @runs);
	is_status($clients[$_]->receive, $runs[$_], 'completed', $long, "one of many") for 0 .. $#runs;

	my $run = new_run();
	@clients = map { send_waiting($narrow, $run, $long) } 1 .. 20;
	sql("pdpp_run_settle('$run', 'completed')");
	is_status($_->receive, $run, 'completed', $long, 'one of many for one run') for @clients;
	is($narrow->stop, 0, 'stops');
};

subtest 'a client that leaves is not waited for' => sub {
	my $run = new_run();
	my @clients = map { send_waiting($gateway, $run, $long) } 1 .. 5;
	PdppGateway::await(sub { $gateway->connections == 5 }, 'there are only these');
	close $_->{socket} for @clients;
	PdppGateway::await(sub { $gateway->connections == 0 }, 'their connections are closed');
	pass('and let go');

	my $eager = send_waiting($gateway, $run, $long);
	$eager->send_request('GET', "/_ref/runs/$run", [ @owner, 'Request-Id' => 'second' ]);
	sql("pdpp_run_settle('$run', 'completed')");
	is_status($eager->receive, $run, 'completed', $long, 'a client that sends its next request early is still there');
	is($eager->receive->{headers}{'request-id'}, 'second', 'and that is answered in its turn');
};

subtest 'notifications that are lost are made up for' => sub {
	my $run = new_run();
	my $client = send_waiting($gateway, $run, $long);
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'pdpp feed'});
	sql("pdpp_run_settle('$run', 'completed')");
	is_status($client->receive, $run, 'completed', $long, 'while nobody listened');

	$run = new_run();
	$client = send_waiting($gateway, $run, $long);
	cut_feed();
	sql("pdpp_run_settle('$run', 'completed')");
	is_status($client->receive, $run, 'completed', $long, 'over a new connection');

	$run = new_run();
	$client = send_waiting($gateway, $run, $long);
	$node->safe_psql('postgres', "SET pdpp.notify = off; SELECT pdpp_run_settle('$run', 'completed')");
	is_status($client->receive, $run, 'completed', $long, 'that were never sent');
};

subtest 'a database that goes away and comes back' => sub {
	for my $mode ('fast', 'immediate')
	{
		my $run = new_run();
		my $client = send_waiting($gateway, $run, $long);
		$node->stop($mode);
		my $away = $gateway->get_as_owner("/_ref/runs/$run", Prefer => 'wait=1');
		is($away->{status}, 503, "$mode: while it is away, 503");
		ok(!$client->has_more, "$mode: those who wait go on");
		$node->start;
		sql("pdpp_run_settle('$run', 'completed')");
		is_status($client->receive, $run, 'completed', $long, "$mode: and get their answer");
	}

	my $run = new_run();
	my $client = send_waiting($gateway, $run, 1);
	$node->stop('immediate');
	my $answer = $client->receive;
	is($answer->{status}, 503, 'a wait that is over while the database is away: 503');
	is($answer->{json}{error}{code}, 'database_unavailable', 'typed');
	is($answer->{headers}{'retry-after'}, '1', 'Retry-After');
	$node->start;
};

subtest 'a server that stops lets nobody wait' => sub {
	my $doomed = start();
	my $run = new_run();
	my $client = send_waiting($doomed, $run, $long);
	$node->safe_psql('postgres', "INSERT INTO pdpp.connections VALUES ('doomed', 'doomed', 0, NULL)");
	my $now = sql('clock_timestamp()');
	my $starter = $doomed->connect;
	$starter->send_request('POST', '/_ref/connections/doomed/run', [ @owner, Prefer => "wait=$long" ]);
	await_look($doomed, $now);
	is($doomed->stop, 0, 'it stops');
	my $answer = $client->receive;
	is_status($answer, $run, 'active', $long, 'the status as it stands');
	is($answer->{headers}{connection}, 'close', 'as the last answer');
	is($starter->receive->{status}, 202, 'and the acknowledgement');
};

is($gateway->stop, 0, 'the gateway stops cleanly');

$node->stop;
done_testing();
