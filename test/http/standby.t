# A gateway with a primary and a standby whose replay is paused, resumed and promoted: no reader hears of the past.

use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# however slow the machine is, no run is taken for dead at its deadline
my $primary = PdppCluster->running('primary', allows_streaming => 1, conf => "log_statement = all\nmax_connections = 50\npdpp.launch_deadline = '1h'");
my $standby = $primary->standby('standby');

# The standby stands first, so whatever reaches the primary was meant for it.
my $both = sprintf 'host=%s,%s port=%d,%d dbname=postgres', $standby->host, $primary->host, $standby->port, $primary->port;

my $writer = $primary;
sub sql { return $writer->safe_psql('postgres', $_[0]); }
sub admit { my ($id) = @_; sql("SELECT pdpp_run_now('c', 'c-$id', run_id => '$id')"); return; }
sub settle { my ($id) = @_; sql("SELECT pdpp_run_settle('$id', 'completed')"); return; }

sub start { my ($to, @args) = @_; return PdppGateway->start(conninfo => $to, args => [ '--status-cache', '0', @args ]); }

sub pause_replay
{
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}) or die 'replay goes on';
	return;
}

sub resume_replay
{
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	$primary->wait_for_catchup($standby);
	return;
}

sub status
{
	my ($gateway, $id) = @_;
	my $answer = $gateway->get_as_owner("/_ref/runs/$id");
	return $answer->{status} == 200 ? $answer->{json}{status} : $answer->{status};
}

# What the timeline says: the words of its events, and the terminal one.
sub timeline
{
	my ($gateway, $id, $query) = @_;
	my $answer = $gateway->get_as_owner("/_ref/runs/$id/timeline" . ($query // ''));
	return $answer->{status} unless $answer->{status} == 200;
	return join ' ', (map { $_->{event_type} } @{ $answer->{json}{data} }), '|', $answer->{json}{terminal_status} // 'null';
}

# The same in the words of /rpc.
sub is_unavailable_by_rpc
{
	my ($answer, $name) = @_;
	is($answer->{status}, 503, "$name: 503");
	is($answer->{json}{code}, 'PGRST000', "$name: typed");
	is($answer->{headers}{'retry-after'}, '1', "$name: Retry-After");
	return;
}

sub is_unavailable
{
	my ($answer, $name) = @_;
	is($answer->{status}, 503, "$name: 503");
	is($answer->{json}{error}{code}, 'database_unavailable', "$name: typed");
	is($answer->{headers}{'retry-after'}, '1', "$name: Retry-After");
	return;
}

# The statements of the gateway that a server has executed while `what` was done.
sub calls_at
{
	my ($node, $what) = @_;
	my $before = -s $node->logfile;
	$what->();
	my @calls = PostgreSQL::Test::Utils::slurp_file($node->logfile, $before) =~ /execute \S+ SELECT [^;]*?FROM public\.(pdpp_\w+)/g;
	return join ' ', grep { $_ ne 'pdpp_reconcile' } @calls; # which the gateways make whenever it is time
}

$standby->append_conf('postgresql.conf', 'log_statement = all');
$standby->reload;
admit($_) for 'run_ended', 'run_active';
settle('run_ended');
$primary->wait_for_catchup($standby);
my $gateway = start($both);
status($gateway, $_) for 'run_ended', 'run_active';    # the connections are made

my @by_rpc = (
	'pdpp_run_status?run_id=run_ended', 'pdpp_run_statuses?run_ids=%7Brun_ended%7D', 'pdpp_run_timeline?run_id=run_ended',
	'pdpp_run_list', 'pdpp_connection_list');

subtest 'an ending is read from the standby, all else from the primary' => sub {
	my $at_standby;
	my $read = sub { my ($path) = @_; return sub { $gateway->get_as_owner($path) } };
	my $reads = sub {
		my ($path) = @_;
		my $primary_calls = calls_at($primary, sub { $at_standby = calls_at($standby, $read->($path)) });
		return "standby: $at_standby, primary: $primary_calls";
	};
	is($reads->('/_ref/runs/run_ended'), 'standby: pdpp_run_statuses, primary: ', 'a run that has ended');
	is($reads->('/_ref/runs/run_active'), 'standby: pdpp_run_statuses, primary: pdpp_run_statuses', 'an active run');
	is($reads->('/_ref/runs/nope'), 'standby: pdpp_run_statuses, primary: pdpp_run_statuses', 'an unknown one');
	is($reads->('/_ref/runs/run_ended/timeline'), 'standby: pdpp_run_timeline, primary: ', 'the timeline of a run that has ended');
	is($reads->('/_ref/runs/run_active/timeline'), 'standby: pdpp_run_timeline, primary: pdpp_run_timeline', 'of an active run');
	is($reads->('/_ref/runs/nope/timeline'), 'standby: pdpp_run_timeline, primary: pdpp_run_timeline', 'of an unknown one');
	is($reads->('/_ref/runs/run_ended/timeline?cursor=x'), 'standby: pdpp_run_timeline, primary: pdpp_run_timeline', 'with a bad cursor');
	is($reads->('/_ref/runs'), 'standby: , primary: pdpp_run_list', 'a list is read from the primary');
	is($reads->('/_ref/connections'), 'standby: , primary: pdpp_connection_list', 'that of connections too');
	for my $target (@by_rpc)
	{
		my ($function) = $target =~ /^(\w+)/;
		is($reads->("/rpc/$target"), "standby: , primary: $function", "/rpc/$function is read from the primary");
	}
};

subtest 'with the replay paused nobody hears of the past' => sub {
	my $pages = $gateway->get_as_owner('/_ref/runs/run_active/timeline?limit=1')->{json}{next_cursor};
	pause_replay();
	is(status($gateway, 'run_active'), 'active', 'an active run');
	settle('run_active');
	is($standby->safe_psql('postgres', q{SELECT pdpp_run_status('run_active')->>'status'}), 'active', 'the standby has not heard of its end');
	is(status($gateway, 'run_active'), 'completed', 'the client hears of it') for 1 .. 5;
	is(timeline($gateway, 'run_active'), 'run.admitted run.completed | completed', 'with its last event');
	is(timeline($gateway, 'run_active', "?cursor=$pages"), 'run.completed | completed', 'also from a cursor on') if defined $pages;

	my $answer = $gateway->request('POST', '/_ref/connections/c-run_ended/run', [ Authorization => 'Bearer ' . PdppGateway::token() ]);
	is($answer->{status}, 202, 'a run is started at the primary');
	my $id = $answer->{json}{run_id};
	is($standby->safe_psql('postgres', "SELECT pdpp_run_status('$id')->'error'->>'code'"), 'not_found', 'the standby does not know it');
	is(status($gateway, $id), 'active', 'the client finds it');
	is(timeline($gateway, $id), 'run.admitted | null', 'and its timeline');
	settle($id);
	is(status($gateway, $id), 'completed', 'to its end');
	is(status($gateway, 'nope'), 404, 'what nobody knows is unknown');
	is(status($gateway, 'run_ended'), 'completed', 'what ended before is answered as ever');
	resume_replay();
	is(status($gateway, $_), 'completed', "$_ after the replay") for 'run_active', $id, 'run_ended';
};

subtest 'with many readers and a run that lives meanwhile no status steps back' => sub {
	pause_replay();
	my @runs = map { "run_live_$_" } 1 .. 10;
	my @last = ('active') x @runs;
	admit($_) for @runs;
	my $wrong = 0;
	for my $round (0 .. 2 * $#runs)
	{
		settle($runs[ $round / 2 ]) if $round % 2 == 0;
		resume_replay() if $round == @runs;
		for my $i (0 .. $#runs)
		{
			my $now = status($gateway, $runs[$i]);
			$wrong++ unless $now eq 'completed' || ($now eq 'active' && $last[$i] eq 'active' && $i > $round / 2);
			$last[$i] = $now;
		}
	}
	is($wrong, 0, 'no step back, no unknown handle');
};

subtest 'one host has one pool, and is asked once' => sub {
	my $alone = start($primary->connstr('postgres'));
	is(status($alone, 'run_ended'), 'completed', 'ready');
	for my $id ('run_ended', 'nope')
	{
		is(calls_at($primary, sub { status($alone, $id) }), 'pdpp_run_statuses', "$id: one call");
	}
	is($alone->stop, 0, 'stops');
};

subtest 'a standby alone tells endings only' => sub {
	admit('run_waits');
	$primary->wait_for_catchup($standby);
	my $alone = start($standby->connstr('postgres'));
	is(status($alone, 'run_ended'), 'completed', 'a run that has ended');
	is(timeline($alone, 'run_ended'), 'run.admitted run.completed | completed', 'its timeline');
	is_unavailable($alone->get_as_owner("/_ref/runs/$_"), $_) for 'run_waits', 'nope', 'run_waits/timeline', 'nope/timeline';
	is_unavailable($alone->get_as_owner('/_ref/runs'), 'a list');
	is_unavailable_by_rpc($alone->get_as_owner("/rpc/$_"), $_) for @by_rpc;
	my $answer = $alone->request('POST', '/_ref/runs/run_waits/cancel', [ Authorization => 'Bearer ' . PdppGateway::token() ]);
	is_unavailable($answer, 'a write');
	unlike($answer->{body}, qr/read-only|25006/, 'nothing of SQL gets out');
	is($alone->stop, 0, 'stops');
	my (undef, undef, $refused) = $standby->psql('postgres', 'SELECT pdpp_run_endings()');
	like($refused, qr/cannot execute pdpp_run_endings\(\) during recovery/, 'endings are not counted there');
	$alone = PdppGateway->start(conninfo => $standby->connstr('postgres'), admin => 1);
	$alone->await_log(qr/endings of runs are not counted: "there is a standby only/);
	is($alone->admin->get('/metrics')->{status}, 200, 'the metrics are there all the same');
	is($alone->stop, 0, 'stops');
};

subtest 'without a primary endings are still told' => sub {
	$primary->stop;
	is(status($gateway, 'run_ended'), 'completed', 'a run that has ended');
	is(timeline($gateway, 'run_ended'), 'run.admitted run.completed | completed', 'its timeline');
	is_unavailable($gateway->get_as_owner("/_ref/runs/$_"), $_) for 'run_waits', 'nope', 'run_waits/timeline';
	is_unavailable($gateway->request('POST', '/_ref/connections/c-run_ended/run',
			[ Authorization => 'Bearer ' . PdppGateway::token() ]), 'a run is not started');
	is_unavailable_by_rpc($gateway->get_as_owner("/rpc/$_"), $_) for @by_rpc;
	is_unavailable_by_rpc($gateway->request('POST', '/rpc/pdpp_run_now',
			[ Authorization => 'Bearer ' . PdppGateway::token(), 'Content-Type' => 'application/json' ], '{"connector_id": "x"}'), 'pdpp_run_now');
	# it stands still in the pause before an attempt, most likely, and goes on when the time for attempts is long over
	my $client = $gateway->connect;
	$client->send_request('GET', '/rpc/pdpp_run_list', [ Authorization => 'Bearer ' . PdppGateway::token() ]);
	sleep 0.5;
	$gateway->suspend;
	sleep 3;
	$gateway->resume;
	is_unavailable_by_rpc($client->receive, 'from a gateway that stood still meanwhile');
	$primary->start;
	is(status($gateway, 'run_waits'), 'active', 'when the primary is back');
	is($gateway->get_as_owner("/rpc/$_")->{status}, 200, "$_, too") for @by_rpc;
};

subtest 'without a standby the primary serves all' => sub {
	$standby->stop;
	is(status($gateway, $_->[0]), $_->[1], "$_->[0]: $_->[1]") for [ 'run_ended', 'completed' ], [ 'run_waits', 'active' ], [ 'nope', 404 ];
	$standby->start;
	$primary->wait_for_catchup($standby);
};

# What the gateway has counted of endings; `of` makes one, of a run of this connector.
sub counted { my ($counting) = @_; return $counting->admin->get('/metrics')->{body} =~ /^pdpp_run_endings_total\{reason="none",status="completed"\} (\d+)/m ? $1 : undef; }
sub ending { my ($node, $of) = @_; $node->safe_psql('postgres', "DO \$\$ BEGIN PERFORM pdpp_run_settle(pdpp_run_now('$of')->>'run_id', 'completed'); END \$\$"); return; }

subtest 'a primary that turned read-only is left for the one that took its place' => sub {
	plan skip_all => '13 does not report default_transaction_read_only' if $primary->pg_version < 14;
	my $write = sub { $gateway->request('POST', '/_ref/connections/c-run_ended/run', [ Authorization => 'Bearer ' . PdppGateway::token() ]) };
	# several idle connections to the old primary, for the readers to find
	my $holder = $primary->background_psql('postgres');
	$holder->query_safe('BEGIN; LOCK TABLE pdpp.controller_active_runs IN ACCESS EXCLUSIVE MODE');
	my @clients = map { my $client = $gateway->connect;
		$client->send_request('POST', "/_ref/runs/$_/cancel", [ Authorization => 'Bearer ' . PdppGateway::token() ]);
		$client } 'run_waits', 'run_active', 'run_ended';
	$primary->poll_query_until('postgres', q{SELECT count(*) = 3 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'pdpp_run_cancel'})
	  or die 'they do not wait';
	$holder->quit;
	$_->receive for @clients;
	my $counting = PdppGateway->start(conninfo => $both, admin => 1);
	PdppGateway::await(sub { ending($primary, 'before'); counted($counting) }, 'endings are counted');
	sql(q{ALTER SYSTEM SET default_transaction_read_only = on});
	$primary->reload;
	$primary->poll_query_until('postgres', q{SELECT current_setting('transaction_read_only') = 'on'}) or die;
	is_unavailable($write->(), 'no server takes writes');
	$primary->wait_for_catchup($standby);
	$standby->promote;
	my $answer = $write->();
	is($answer->{status}, 202, 'the new primary takes it');
	my $id = $answer->{json}{run_id};
	is($standby->safe_psql('postgres', "SELECT pdpp_run_status('$id')->>'status'"), 'active', 'there it is');
	is(status($gateway, $id), 'active', 'and resolves') for 1 .. 5;
	is(timeline($gateway, $id), 'run.admitted | null', 'with its timeline') for 1 .. 5;
	my $before = $standby->safe_psql('postgres', q{SELECT count(*) FROM pdpp_runs WHERE connector_id = 'before'});
	PdppGateway::await(sub { ending($standby, 'after'); counted($counting) > $before }, 'endings of the new primary are counted');
	is($counting->stop, 0, 'stops');
};

is($gateway->stop, 0, 'stops');
$standby->stop;
$primary->stop;
done_testing();
