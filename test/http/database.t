# The gateway and its database: connections cut and servers restarted under it, timeouts, a database that is not there,
# and stopping with work in flight. The client library's own tests against a server run here too.

use strict;
use warnings;

use IO::Socket::INET;
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs qw(child poll_through_crash);
use Test::More;
use Time::HiRes qw(sleep);

my $node = PdppCluster->running('database', conf => 'restart_after_crash = on');
$node->safe_psql('postgres', qq{SELECT pdpp_run_now('c$_', run_id => 'run_$_')}) for 1 .. 20;

my $gateways = 0;

# A gateway whose connections have a name of their own.
sub start
{
	my (%option) = @_;
	my $name = 'gateway_' . ++$gateways;
	my $to = delete $option{node} // $node;
	my $gateway = PdppGateway->start(
		conninfo => $to->connstr(delete $option{database} // 'postgres') . " application_name=$name",
		%option);
	$gateway->{name} = $name;
	return $gateway;
}

# Ends the server processes of a gateway, and waits until they are gone; gives their number.
sub cut
{
	my ($gateway) = @_;
	return $node->safe_psql('postgres',
		qq{SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity WHERE application_name = '$gateway->{name}'});
}

# A session that keeps every statement of the gateway waiting, until it quits.
sub hold_statements
{
	my $session = $node->background_psql('postgres');
	$session->query_safe('BEGIN; LOCK TABLE pdpp.spine_events IN ACCESS EXCLUSIVE MODE');
	return $session;
}

# Waits until this many statements of the gateway wait for a lock.
sub await_waiting
{
	my ($gateway, $number) = @_;
	$node->poll_query_until('postgres',
		qq{SELECT count(*) = $number FROM pg_stat_activity WHERE application_name = '$gateway->{name}' AND wait_event_type = 'Lock'})
	  or die 'the statements do not wait';
	return;
}

# Sends a status request as the owner, and does not wait for its answer.
sub send_get
{
	my ($gateway, $run) = @_;
	my $client = $gateway->connect;
	$client->send_request('GET', "/_ref/runs/$run", [ Authorization => 'Bearer ' . PdppGateway::token() ]);
	return $client;
}

sub is_unavailable
{
	my ($answer, $name) = @_;
	is($answer->{status}, 503, "$name: 503");
	is($answer->{json}{error}{code}, 'database_unavailable', "$name: typed");
	is($answer->{headers}{'retry-after'}, '1', "$name: Retry-After");
	return;
}

sub is_timeout
{
	my ($answer, $name) = @_;
	is($answer->{status}, 504, "$name: 504");
	is($answer->{json}{error}{code}, 'timeout', "$name: typed");
	return;
}

# Starts clients that ask for statuses without a pause, each on one connection, until told to stop.
sub start_load
{
	my ($gateway, $clients) = @_;
	my @load;
	for my $number (1 .. $clients)
	{
		pipe(my $stop, my $stopper) or die;
		pipe(my $result, my $writer) or die;
		my $pid = child(sub {
			close $_ for $stopper, $result;
			my (%seen, $broken);
			my $client = $gateway->connect;
			my @headers = (Authorization => 'Bearer ' . PdppGateway::token());
			until (IO::Select->new($stop)->can_read(0))
			{
				my $answer = $client->request('GET', '/_ref/runs/run_' . (1 + int rand 20), \@headers);
				if (!$answer) { $broken = 1; last; }
				my $kind = $answer->{status};
				$kind .= ' without Retry-After' if $kind == 503 && ($answer->{headers}{'retry-after'} // '') ne '1';
				$seen{$kind}++;
			}
			print $writer join(',', ($broken ? 'broken=1' : ()), map { "$_=$seen{$_}" } keys %seen), "\n";
			close $writer;
		});
		close $_ for $stop, $writer;
		push @load, { pid => $pid, stopper => $stopper, result => $result };
	}
	return \@load;
}

# Stops them: the number of answers by status.
sub stop_load
{
	my ($load) = @_;
	my %seen;
	close $_->{stopper} for @$load;
	for my $client (@$load)
	{
		my $line = readline $client->{result};
		chomp $line;
		for my $pair (split /,/, $line)
		{
			my ($kind, $number) = split /=/, $pair;
			$seen{$kind} += $number;
		}
		waitpid($client->{pid}, 0);
	}
	return \%seen;
}

subtest 'the client library against a server' => sub {
	(my $tests = $PdppGateway::program) =~ s{[^/]*$}{unit_tests};
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	my ($out, $err);
	IPC::Run::run([ $tests, '--run_test=pq_database', '--log_level=message', '--color_output=no' ], '>', \$out, '2>', \$err);
	is($?, 0, 'its tests pass') or diag $out, $err;
	like($out . $err, qr/Running [1-9]\d* test cases/, 'and there are some');
	poll_through_crash($node, 'SELECT true');
};

subtest 'a status in flight on a cut connection is read again' => sub {
	my $gateway = start(args => [ '--pool', '2' ]);
	my $holder = hold_statements();
	my @flying;
	for my $number (1, 2)
	{
		push @flying, send_get($gateway, "run_$number");
		await_waiting($gateway, $number);    # each on a connection of its own, since there is a free one
	}
	is(cut($gateway), 2, 'both connections are cut');
	$holder->quit;
	is($_->receive->{status}, 200, 'answered') for @flying;
	is($gateway->stop, 0, 'stops');
};

subtest 'the other requests in flight on a cut connection get 503, and no other does' => sub {
	my $gateway = start(args => [ '--pool', '2' ]);
	my $holder = hold_statements();
	my @flying = map { send_get($gateway, "run_$_/timeline") } 1, 2;
	await_waiting($gateway, 2);
	my $queued = send_get($gateway, 'run_3');
	my $kept = $gateway->connect;
	is($kept->request('GET', '/nowhere')->{status}, 404, 'the gateway is not held up');
	is(cut($gateway), 2, 'both connections are cut');
	is_unavailable($_->receive, 'in flight') for @flying;
	$holder->quit;
	is($queued->receive->{status}, 200, 'the request that waited for a connection gets a new one');
	is($flying[0]->request('GET', '/_ref/runs/run_1', [ Authorization => 'Bearer ' . PdppGateway::token() ])->{status},
		200, 'and the client that got 503 just asks again');
	like($gateway->log, qr/request_id=\S+ function=pdpp_run_timeline sqlstate=57P01 /, 'each is in the log, with its request');
	is($gateway->stop, 0, 'stops');
};

subtest 'idle connections that are cut cost nothing' => sub {
	my $gateway = start(args => [ '--pool', '3' ]);
	my $holder = hold_statements();
	my @flying;
	for my $number (1 .. 3)
	{
		push @flying, send_get($gateway, "run_$number");
		await_waiting($gateway, $number);
	}
	$holder->quit;
	is($_->receive->{status}, 200, 'answered') for @flying;
	is(cut($gateway), 3, 'three idle connections are cut');
	is($gateway->get_as_owner("/_ref/runs/run_$_")->{status}, 200, "request $_ after it") for 1 .. 5;
	for my $mode ('fast', 'immediate')
	{
		$node->stop($mode);
		$node->start;
		is($gateway->get_as_owner("/_ref/runs/run_$_")->{status}, 200, "request $_ after a $mode restart") for 1 .. 5;
	}
	unlike($gateway->log, qr/error/, 'nothing to report');
	is($gateway->stop, 0, 'stops');
};

subtest 'cut again and again under load' => sub {
	my $gateway = start(args => [ '--pool', '4' ]);
	my $load = start_load($gateway, 8);
	my $cuts = 0;
	for (1 .. 20)
	{
		$node->poll_query_until('postgres',
			qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = '$gateway->{name}' AND query LIKE '%pdpp_run_status%'})
		  or die 'no load';
		$cuts += cut($gateway);
	}
	my $seen = stop_load($load);
	my $failed = delete $seen->{503} // 0;
	my $answered = delete $seen->{200} // 0;
	is_deeply($seen, {}, 'every answer is 200 or 503 with Retry-After, on connections that last');
	cmp_ok($failed, '<=', $cuts, "at most one 503 for each cut connection ($failed for $cuts, beside $answered times 200)");
	cmp_ok($answered, '>', 0, 'and others were answered');
	is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'afterwards all is well');
	is($gateway->stop, 0, 'stops');
};

subtest 'a restart under load is survived' => sub {
	my $gateway = start();
	for my $mode ('fast', 'immediate')
	{
		my $load = start_load($gateway, 8);
		$node->poll_query_until('postgres',
			qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = '$gateway->{name}'})
		  or die 'no load';
		$node->stop($mode);
		is_unavailable($gateway->get_as_owner('/_ref/runs/run_1'), "$mode: while the database is away");
		is($gateway->get('/_ref/runs/run_1')->{status}, 401, "$mode: the session is checked without it");
		$node->start;
		PdppGateway::await(sub { $gateway->get_as_owner('/_ref/runs/run_1')->{status} == 200 }, 'the gateway has recovered');
		my $seen = stop_load($load);
		is_deeply([ grep { $_ !~ /^(200|503)$/ } keys %$seen ], [], "$mode: every answer is 200 or 503 with Retry-After");
		cmp_ok($seen->{200}, '>', 0, "$mode: it recovered by itself");
	}
	is($gateway->stop, 0, 'stops');
};

subtest 'every statement has a timeout' => sub {
	my $gateway = start(args => [ '--statement-timeout', '300', '--pool', '1' ]);
	my $holder = hold_statements();
	for my $path ('/_ref/runs/run_1', '/_ref/runs/run_1/timeline', '/_ref/runs/nope')
	{
		is_timeout($gateway->get_as_owner($path), $path);
	}
	is($node->safe_psql('postgres',
			qq{SELECT count(*) FROM pg_stat_activity WHERE application_name = '$gateway->{name}' AND state = 'active'}),
		'0', 'nothing of it goes on in the server');
	$holder->quit;
	is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'afterwards all is well');

	my $pid = $node->safe_psql('postgres',
		qq{SELECT pid FROM pg_stat_activity WHERE application_name = '$gateway->{name}'});
	kill 'STOP', $pid;
	is_timeout($gateway->get_as_owner('/_ref/runs/run_1'), 'a server process that does not answer at all');
	is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'is replaced');
	kill 'CONT', $pid;
	like($gateway->log, qr/sqlstate=57014 /, 'the timeout is in the log');
	is($gateway->stop, 0, 'stops');
};

subtest 'a pool that is exhausted is 503' => sub {
	my $gateway = start(args => [ '--pool', '1' ]);
	my $holder = hold_statements();
	my $flying = send_get($gateway, 'run_1');
	await_waiting($gateway, 1);
	is_unavailable($gateway->get_as_owner('/_ref/runs/run_2'), 'with all connections in use');
	$holder->quit;
	is($flying->receive->{status}, 200, 'the one that has it is answered');
	is($gateway->stop, 0, 'stops');
};

subtest 'it starts before its database does' => sub {
	my $late = PdppCluster->new('late');
	$late->init;
	my $gateway = start(node => $late, database => 'later');
	is_unavailable($gateway->get_as_owner('/_ref/runs/run_1'), 'no server');
	$gateway->await_log(qr/answering 503 until the database is there/);
	$late->start;
	is_unavailable($gateway->get_as_owner('/_ref/runs/run_1'), 'no database');
	$late->safe_psql('postgres', 'CREATE DATABASE later');
	is_unavailable($gateway->get_as_owner('/_ref/runs/run_1'), 'no extension');
	like($gateway->log, qr/extension pdpp is not installed in database \\"later\\": run CREATE EXTENSION pdpp/, 'which the log says');
	$late->safe_psql('later', 'CREATE EXTENSION pdpp');
	is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 404, 'once it is there, it is asked');
	is($gateway->stop, 0, 'stops');
	$late->stop;
};

subtest 'what the database says stays in the log' => sub {
	$node->safe_psql('postgres', 'CREATE ROLE reader LOGIN');
	my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres') . ' user=reader');
	my $answer = $gateway->get_as_owner('/_ref/runs/run_1', 'Request-Id' => 'denied-1');
	is($answer->{status}, 503, 'a role without the right');
	is($answer->{json}{error}{code}, 'not_granted', 'typed');
	unlike($answer->{head} . $answer->{body}, qr/pdpp_run_status|permission|SELECT|42501/i, 'nothing of SQL gets out');
	like($gateway->log, qr/request_id=denied-1 function=pdpp_run_status sqlstate=42501 "permission denied/, 'the log has it');
	$node->safe_psql('postgres', q{SELECT pdpp_grant('reader', 'owner')});
	is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'the right of an owner is enough');
	is($gateway->stop, 0, 'stops');
};

subtest 'stopping lets what is in flight finish' => sub {
	for my $signal ('TERM', 'INT')
	{
		my $gateway = start();
		my $idle = $gateway->connect;
		is($idle->request('GET', '/nowhere')->{status}, 404, 'a client that stays connected');
		my $half = $gateway->connect;
		$half->send("GET /_ref/runs/run_1 HT");
		my $sending = $gateway->connect;
		$sending->send("GET /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
		is($sending->receive->{status}, 100, 'a client that has been told to send its body');
		my $holder = hold_statements();
		my $flying = send_get($gateway, 'run_1');
		await_waiting($gateway, 1);
		kill $signal, $gateway->pid;
		ok($idle->is_closed, "$signal: an idle connection is closed");
		ok($half->is_closed, "$signal: one with half a request too");
		PdppGateway::await(
			sub { !IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $gateway->port) }, 'no connection is taken');
		$sending->send('body');
		is($sending->receive->{status}, 404, "$signal: a body on its way is taken, and answered");
		ok($sending->is_closed, "$signal: as the last on its connection");
		ok(!$flying->has_more, "$signal: the request in flight is waited for");
		$holder->quit;
		my $answer = $flying->receive;
		is($answer->{status}, 200, "$signal: and answered");
		is($answer->{headers}{connection}, 'close', "$signal: as the last on its connection");
		waitpid($gateway->pid, 0);
		is($?, 0, "$signal: exit code 0");
		delete $gateway->{pid};
	}

	my $gateway = start();
	my $holder = hold_statements();
	my $flying = send_get($gateway, 'run_1');
	await_waiting($gateway, 1);
	kill 'TERM', $gateway->pid;
	$gateway->await_log(qr/stopping/);
	is($gateway->stop('TERM'), 0, 'a second signal ends it at once');
	ok($flying->is_closed, 'with what is in flight');
	$holder->quit;
};

$node->stop;
done_testing();
