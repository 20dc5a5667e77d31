# Somebody's transaction holds what writes need, or reads take long: the others are served all the same.

use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('locks');
$node->safe_psql('postgres', qq{SELECT pdpp_run_now('c', 'c$_', run_id => 'run_$_')}) for 1 .. 9;
$node->safe_psql('postgres', qq{SELECT pdpp_run_settle('run_$_', 'completed')}) for 1 .. 8;

my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
# A statement may take for ever; what ends the waiting here is something else.
my $gateway = PdppGateway->start(
	conninfo => $node->connstr('postgres') . ' application_name=locks',
	args => [ '--statement-timeout', '3600000', '--pool', '4' ]); # which are one thread's

# A session whose transaction has done this, until it quits.
sub hold
{
	my ($sql) = @_;
	my $session = $node->background_psql('postgres');
	$session->query_safe("BEGIN; $sql");
	return $session;
}

sub send_post
{
	my ($path, $headers, $body) = @_;
	my $client = $gateway->connect;
	$client->send_request('POST', $path, [ @owner, @{ $headers // [] } ], $body // '');
	return $client;
}

sub post { return send_post(@_)->receive; }

# Waits until at least this many statements of the gateway wait for a lock.
sub await_waiting
{
	my ($number) = @_;
	$node->poll_query_until('postgres',
		qq{SELECT count(*) >= $number FROM pg_stat_activity WHERE application_name = 'locks' AND wait_event_type = 'Lock'})
	  or die 'the statements do not wait';
	return;
}

sub is_busy
{
	my ($answer, $name) = @_;
	is($answer->{status}, 503, "$name: 503");
	is($answer->{json}{error}{code} // $answer->{json}{code}, $name =~ m{^/rpc} ? '55P03' : 'run_busy', "$name: typed");
	is($answer->{headers}{'retry-after'}, '1', "$name: Retry-After");
	return;
}

sub reads_are_answered
{
	my ($name) = @_;
	is($gateway->get_as_owner($_)->{status}, 200, "$name: $_")
	  for '/_ref/runs/run_1', '/_ref/runs/run_9', '/_ref/runs/run_9/timeline', '/_ref/runs', '/rpc/pdpp_run_status?run_id=run_9',
	  '/rpc/pdpp_run_list', '/_ref/connections';
	return;
}

my $row = q{SELECT FROM pdpp.connections WHERE connector_instance_id};

subtest 'the row of one connection' => sub {
	my $holder = hold("$row = 'c1' FOR UPDATE");
	my @stuck = map { send_post('/_ref/connections/c1/run') } 1 .. 30;
	await_waiting(1);
	reads_are_answered('while many wait for it');
	await_waiting(1);
	my $other = post('/_ref/connections/c2/run');
	is($other->{status}, 202, 'another connection is not held up');
	is_busy($_->receive, 'an admission') for @stuck;
	is_busy(post('/rpc/pdpp_run_now', [ 'Content-Type' => 'application/json' ], '{"connector_id": "c", "connector_instance_id": "c1"}'), '/rpc');
	$holder->quit;
	is(post('/_ref/connections/c1/run')->{status}, 202, 'afterwards all is well');
};

subtest 'the row of a connection that is called by both of its names' => sub {
	my $controller = $node->background_psql('postgres');
	$controller->query_safe(q{SELECT pdpp_controller_boot('lonely');
		SELECT pdpp_controller_offer('[{"connector_id": "lone", "connector_instance_id": "lone-1"}]')});
	$node->safe_psql('postgres', q{SELECT pdpp_run_settle(pdpp_run_now('lone', 'lone-1')->>'run_id', 'completed')});
	my $holder = hold("$row = 'lone-1' FOR UPDATE");
	my @stuck = map { (send_post('/_ref/connections/lone-1/run'), send_post('/_ref/connectors/lone/run')) } 1 .. 10;
	await_waiting(2);
	my @waiting = map { $node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'locks' AND wait_event_type = 'Lock'}) } 1 .. 10;
	is(scalar(grep { $_ > 2 } @waiting), 0, 'they leave connections to others') or diag("waiting: @waiting");
	is(post('/_ref/connections/c9/run')->{status}, 409, 'another connection is not held up');
	is_busy($_->receive, 'an admission') for @stuck;
	$holder->quit;
	is(post('/_ref/connectors/lone/run')->{status}, 202, 'afterwards all is well');
	$controller->quit;
};

subtest 'the rows of many connections' => sub {
	my $holder = hold("$row IN ('c3', 'c4', 'c5', 'c6', 'c7', 'c8') FOR UPDATE");
	my @stuck = map { send_post("/_ref/connections/c$_/run") } (3 .. 8) x 3;
	await_waiting(4);
	reads_are_answered('while all connections for writes wait');
	for my $client (@stuck)
	{
		my $answer = $client->receive;
		is($answer->{status}, 503, 'an admission: 503');
		like($answer->{json}{error}{code}, qr/^(run_busy|database_unavailable)$/, 'typed');
	}
	$holder->quit;
};

subtest 'the row of a run' => sub {
	my $holder = hold(q{SELECT FROM pdpp.controller_active_runs WHERE run_id = 'run_9' FOR UPDATE});
	my @stuck = map { send_post('/_ref/runs/run_9/cancel') } 1 .. 8;
	await_waiting(1);
	reads_are_answered('while many wait for it');
	is_busy($_->receive, 'a cancel request') for @stuck;
	is_busy(post('/rpc/pdpp_run_cancel', [ 'Content-Type' => 'application/json' ], '{"run_id": "run_9"}'), '/rpc');
	$holder->quit;
	is(post('/_ref/runs/run_9/cancel')->{status}, 202, 'afterwards all is well');
};

subtest 'an idempotency key' => sub {
	my $holder = hold(q{SELECT pdpp_run_now('c', 'c3', idempotency_key => 'k')});
	my @stuck = map { send_post("/_ref/connections/c$_/run", [ 'Idempotency-Key' => 'k' ]) } 4 .. 8;
	await_waiting(1);
	reads_are_answered('while many wait for it');
	is($_->receive->{status}, 503, 'an admission') for @stuck;
	$holder->quit;
	is(post('/_ref/connections/c4/run', [ 'Idempotency-Key' => 'k' ])->{status}, 202, 'afterwards all is well');
};

subtest 'reads that take long leave a connection to statuses' => sub {
	my $holder = hold('SELECT pg_advisory_xact_lock(1)');
	my $definition = $node->safe_psql('postgres', q{SELECT pg_get_functiondef('pdpp_run_list'::regproc)});
	my ($head) = $definition =~ /^(.*?)\s+LANGUAGE/s;
	$node->safe_psql('postgres', "$head LANGUAGE plpgsql STABLE AS \$\$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN '{}'; END \$\$");
	my @slow;
	for my $path (('/_ref/runs', '/rpc/pdpp_run_list') x 5)
	{
		my $client = $gateway->connect;
		$client->send_request('GET', $path, \@owner);
		push @slow, $client;
	}
	await_waiting(3);
	is($gateway->get_as_owner("/_ref/runs/$_")->{status}, 200, $_) for 'run_1', 'run_9';
	is(post('/_ref/connections/c5/run')->{status}, 202, 'and writes go on');
	$holder->quit;
	like($_->receive->{status}, qr/^(200|503)$/, 'the others have an answer in the end') for @slow;
};

is($gateway->stop, 0, 'the gateway stops cleanly');
$node->stop;
done_testing();
