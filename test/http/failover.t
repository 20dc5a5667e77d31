# A gateway whose primary is replaced: what it kept in memory of the endings of the old one is forgotten, and who waits
# hears from the new one, also if the old one still runs and only takes no writes.

use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs qw(within);
use Test::More;

my $primary = PdppCluster->running('primary', allows_streaming => 1);
$primary->safe_psql('postgres', "SELECT pdpp_run_now('c', 'c-$_', run_id => '$_')") for 'run_early', 'run_late';
$primary->safe_psql('postgres', q{SELECT pdpp_run_settle('run_early', 'completed')});
$primary->backup('base');
my $standby = PdppCluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);

my $both = sprintf 'host=%s,%s port=%d,%d dbname=postgres', $standby->host, $primary->host, $standby->port, $primary->port;
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());

# The standby hears of nothing from here on: it is not there.
my $gateway = PdppGateway->start(conninfo => $both, admin => 1);
my $feed = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'pdpp feed'
	AND query ~ '^(LISTEN|SELECT pg_catalog.pg_is_in_recovery)'};
$primary->poll_query_until('postgres', $feed) or die 'nobody listens';
sub status { my ($id) = @_; my $answer = $gateway->get_as_owner("/_ref/runs/$id"); return $answer->{json}{status} // $answer->{status} }

$primary->safe_psql('postgres', q{SELECT pdpp_run_settle('run_late', 'completed')});
is(status($_), 'completed', "$_: completed") for 'run_early', 'run_late';

$primary->safe_psql('postgres', q{SELECT pdpp_run_now('c', 'c-lost', run_id => 'run_lost')});
my $waits = $gateway->connect;
$waits->send_request('GET', '/_ref/runs/run_lost', [ @owner, Prefer => 'wait=60' ]);
PdppGateway::await(sub { $gateway->admin->get('/metrics')->{body} =~ /^pdpp_waiters 1$/m }, 'somebody waits');

subtest 'the same primary again changes nothing' => sub {
	$primary->restart;
	$primary->poll_query_until('postgres', $feed) or die 'nobody listens';
	$primary->stop;
	is(status($_), 'completed', "$_: told from memory, while no server is there") for 'run_early', 'run_late';
};

subtest 'an ending that the new primary does not have is no more' => sub {
	$standby->start;
	$standby->promote;
	ok(within(sub { status('run_late') eq 'active' }), 'it is active there');
	is(status('run_early'), 'completed', 'the other is known there, too');
	$standby->safe_psql('postgres', q{SELECT pdpp_run_settle('run_late', 'failed')});
	is(status('run_late'), 'failed', 'and ends in its own way');
	is($waits->receive->{status}, 404, 'whoever waited for a run that the new primary does not have is told so');
};

subtest 'who waits leaves a primary that takes no writes any more' => sub {
	plan skip_all => '13 does not report default_transaction_read_only' if $primary->pg_version < 14;
	my $third = PdppCluster->new('third');
	$standby->backup('again');
	$third->init_from_backup($standby, 'again', has_streaming => 1);
	$third->start;
	my $there = PdppGateway->start(
		conninfo => sprintf('host=%s,%s port=%d,%d dbname=postgres', $standby->host, $third->host, $standby->port, $third->port),
		args => [ '--wait-limit', 3600 ]);
	$standby->safe_psql('postgres', q{SELECT pdpp_run_now('c', 'c-waits', run_id => 'run_waits')});
	my $waiter = $there->connect;
	$waiter->send_request('GET', '/_ref/runs/run_waits', [ @owner, Prefer => 'wait=3600' ]);
	$standby->poll_query_until('postgres', $feed) or die 'nobody listens';
	$standby->safe_psql('postgres', 'ALTER SYSTEM SET default_transaction_read_only = on');
	$standby->reload;
	$standby->wait_for_catchup($third);
	$third->promote;
	$third->poll_query_until('postgres', $feed) or fail('the feed stays where it was');
	$third->safe_psql('postgres', q{SELECT pdpp_run_settle('run_waits', 'completed')});
	is($waiter->receive->{json}{status}, 'completed', 'told');
	is($there->stop, 0, 'stops');
	$third->stop;
};

subtest 'a primary that takes no writes to begin with, and is wanted nevertheless' => sub {
	plan skip_all => '13 does not report default_transaction_read_only' if $primary->pg_version < 14;
	my $there = PdppGateway->start(conninfo => sprintf('host=%s,%s port=%d,%d dbname=postgres target_session_attrs=primary',
			$standby->host, $primary->host, $standby->port, $primary->port));
	for my $path ('/_ref/runs', '/_ref/runs/run_early/timeline', '/_ref/runs/run_early')
	{
		is($there->get_as_owner($path)->{status}, 503, "$path: it may be the past, and the answer is not looked for for ever");
	}
	my $pid = $standby->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'pdpp feed'");
	my $last = 'now()';
	for (1 .. 3)
	{
		my $asked = "SELECT query_start FROM pg_stat_activity WHERE pid = $pid AND query ~ 'pg_listening_channels' AND state = 'idle'";
		$standby->poll_query_until('postgres',
			"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid) OR EXISTS ($asked AND query_start > $last)") or die 'nobody asks';
		$last = "'" . $standby->safe_psql('postgres', $asked) . "'::timestamptz";
		isnt($last, "''::timestamptz", 'the feed stays with it, whatever it says') or return;
	}
	is($there->stop, 0, 'stops');
};

subtest 'what a standby of the old history has is told while it is there, and not kept' => sub {
	$standby->safe_psql('postgres', 'SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only');
	$standby->reload;
	$standby->poll_query_until('postgres', 'SHOW default_transaction_read_only', 'off') or die 'not reloaded';
	my ($keeps, $lacks) = map { PdppCluster->new($_) } 'keeps', 'lacks';
	$standby->backup('old_history');
	$_->init_from_backup($standby, 'old_history', has_streaming => 1) for $keeps, $lacks;
	$_->start for $keeps, $lacks;
	$standby->safe_psql('postgres', "SELECT pdpp_run_now('c', 'c-$_', run_id => '$_')") for 'run_gone', 'run_both';
	$standby->safe_psql('postgres', q{SELECT pdpp_run_settle('run_both', 'completed')});
	$standby->wait_for_catchup($lacks);
	$lacks->stop;
	$standby->safe_psql('postgres', q{SELECT pdpp_run_settle('run_gone', 'completed')});
	$standby->wait_for_catchup($keeps);
	$standby->stop;
	$lacks->start;
	$lacks->promote;
	my $there = PdppGateway->start(admin => 1,
		conninfo => sprintf('host=%s,%s port=%d,%d dbname=postgres', $keeps->host, $lacks->host, $keeps->port, $lacks->port));
	$lacks->poll_query_until('postgres', $feed) or die 'nobody listens';
	my $told = sub { my ($id) = @_; my $answer = $there->get_as_owner("/_ref/runs/$id"); return $answer->{json}{status} // $answer->{status} };
	is($told->('run_gone'), 'completed', 'told') for 1 .. 3;
	ok(within(sub { $told->('run_both'); $there->admin->get('/metrics')->{body} =~ /^pdpp_cache_requests_total\{result="hit"\} [1-9]/m }),
		'what the primary says as well is kept');
	$keeps->stop;
	is($told->('run_gone'), 'active', 'the primary knows of no such ending');
	$lacks->stop;
	is($told->('run_both'), 'completed', 'and the other is told from memory');
	is($there->stop, 0, 'stops');
};

is($gateway->stop, 0, 'stops');
done_testing();
