# Waiting and streaming with a primary and a standby whose replay is paused: who waits hears from the primary, also after
# another server has become it.

use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PdppCluster->running('primary', allows_streaming => 1);
my $standby = $primary->standby('standby');

# The standby stands first: nobody reaches the primary by chance.
my $both = sprintf 'host=%s,%s port=%d,%d dbname=postgres', $standby->host, $primary->host, $standby->port, $primary->port;
my $gateway = PdppGateway->start(conninfo => $both, args => [ '--wait-limit', 3600 ]);
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());

my $writer = $primary;
sub sql { return $writer->safe_psql('postgres', join '; ', map { "SELECT $_" } @_); }

# A run, with a client that waits for it, and two that follow it, which have seen its admission.
sub watched
{
	my ($run) = @_;
	sql("pdpp_run_now('c-$run', run_id => '$run')");
	my ($waiter, $status, $timeline) = map { $gateway->connect } 1 .. 3;
	$waiter->send_request('GET', "/_ref/runs/$run", [ @owner, Prefer => 'wait=3600' ]);
	is($status->open_stream("/_ref/runs/$run", @owner)->{status}, 200, "$run: its status is followed");
	is($timeline->open_stream("/_ref/runs/$run/timeline", @owner)->{status}, 200, "$run: its timeline is followed");
	is($_->event->{json}{status}, 'active', "$run: the present") for $status, $timeline;
	return ($waiter, $status, $timeline);
}

# They hear of the end of the run.
sub are_told
{
	my ($name, $waiter, $status, $timeline) = @_;
	is($waiter->receive->{json}{status}, 'completed', "$name: who waits");
	is($status->event->{json}{status}, 'completed', "$name: who follows the status");
	is($timeline->event->{json}{event_type}, 'run.completed', "$name: who follows the timeline");
	is($_->event, undef, "$name: and nothing more") for $status, $timeline;
	return;
}

subtest 'the feed is the primary' => sub {
	my @clients = watched('run_feed');
	$primary->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'pdpp feed' AND query ~ '^(LISTEN|SELECT pg_catalog.pg_is_in_recovery)'}) or die 'nobody listens';
	is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pdpp feed'}), 0, 'nobody listens to the standby');
	sql("pdpp_run_settle('run_feed', 'completed')");
	are_told('live', @clients);
};

subtest 'with the replay paused' => sub {
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	my @clients = watched('run_paused');
	sql("pdpp_run_settle('run_paused', 'completed')");
	are_told('paused', @clients);
	is($standby->safe_psql('postgres', q{SELECT pdpp_run_status('run_paused')->'error'->>'code'}), 'not_found', 'the standby knows nothing of it');
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
};

subtest 'when the standby takes over' => sub {
	my @clients = watched('run_over');
	$primary->wait_for_catchup($standby);
	$primary->stop;
	$standby->promote;
	$writer = $standby;
	sql("pdpp_run_settle('run_over', 'completed')");
	are_told('promoted', @clients);
};

is($gateway->stop, 0, 'stops');
$standby->stop;
done_testing();
