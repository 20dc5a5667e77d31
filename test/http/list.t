# GET /_ref/runs: the list, its filters, its pages, and what it refuses.

use strict;
use warnings;

use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('http_list');
$node->safe_psql('postgres', "CREATE DATABASE pdpp ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('pdpp', 'CREATE EXTENSION pdpp');
my $gateway = PdppGateway->start(conninfo => $node->connstr('pdpp'));

sub sql { my ($statement) = @_; return $node->safe_psql('pdpp', $statement); }

sub refused
{
	my ($target, $code, $param) = @_;
	my $answer = $gateway->get_as_owner($target);
	is($answer->{status}, 400, "$target: 400");
	is(($answer->{json}{error} // {})->{code}, $code, "$target: $code");
	is(($answer->{json}{error} // {})->{param}, $param, "$target: names $param");
	return;
}

is($gateway->get_as_owner('/_ref/runs')->{body}, '{"data": [], "object": "list", "has_more": false, "next_cursor": null}', 'none yet');

sql(q{
	DO $$ BEGIN
		FOR n IN 1 .. 60 LOOP
			PERFORM pdpp_run_now('connector ' || n % 3, 'connection/' || n % 4, 'run ' || n);
			PERFORM pdpp_run_settle('run ' || n, (ARRAY['completed', 'failed', 'cancelled', 'abandoned'])[1 + n % 4]);
		END LOOP;
		PERFORM pdpp_run_now('connector 0', 'connection/0', 'run 61');
	END $$;
});
my $middle = sql(q{SELECT to_char(admitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM pdpp_runs WHERE run_id = 'run 30'});

subtest 'the answer is that of the function, byte for byte' => sub {
	my %same = (
		'' => '',
		'?status=active' => q{status => 'active'},
		'?status=failed&limit=3' => q{status => 'failed', page_size => 3},
		'?connector_id=connector%201' => q{connector_id => 'connector 1'},
		'?connector_instance_id=connection%2F2&limit=500' => q{connector_instance_id => 'connection/2', page_size => 500},
		"?since=$middle" => qq{since => '$middle'},
		"?until=$middle&status=cancelled" => qq{until => '$middle', status => 'cancelled'},
		"?since=2026-01-31T08:09:10%2B01:00&until=2100-02-28t23:59:59.999999z" => q{until => '2100-02-28 23:59:59.999999Z'},
		'?connector_id=connector%200&connector_instance_id=connection%2F0&status=active' => q{status => 'active', connector_id => 'connector 0'},
	);
	for my $query (sort keys %same)
	{
		my $answer = $gateway->get_as_owner("/_ref/runs$query");
		is($answer->{status}, 200, "$query: 200");
		is($answer->{body}, sql("SELECT pdpp_run_list($same{$query})"), "$query: the body");
		is($answer->{headers}{'content-type'}, 'application/json', "$query: JSON");
	}
	is(scalar @{ $gateway->get_as_owner("/_ref/runs?since=$middle&limit=500")->{json}{data} }, 32, 'since: then or later');
	is(scalar @{ $gateway->get_as_owner("/_ref/runs?until=$middle&limit=500")->{json}{data} }, 29, 'until: before');
};

subtest 'pages, and each run\'s own handle' => sub {
	my (@seen, $query);
	do
	{
		my $page = $gateway->get_as_owner('/_ref/runs?limit=7' . ($query // ''))->{json};
		push @seen, @{ $page->{data} };
		$query = $page->{has_more} ? "&cursor=$page->{next_cursor}" : undef;
	} while ($query);
	is_deeply([ map { $_->{run_id} } @seen ], [ map { "run $_" } reverse 1 .. 61 ], 'every run once, newest first');
	for my $run (@seen[ 0, 1, 2, 3, 4 ])
	{
		my $handle = $run->{links}{timeline} =~ s{/timeline$}{}r;
		is_deeply($gateway->get_as_owner($handle)->{json}, $run, "$handle says the same");
	}
};

subtest 'what is refused' => sub {
	is_deeply($gateway->get_as_owner('/_ref/runs?limit=&cursor=')->{json}, $gateway->get_as_owner('/_ref/runs')->{json},
		'but not an empty limit, nor an empty cursor: they are none');
	refused("/_ref/runs?limit=$_", 'invalid_request', 'limit') for '0', '501', '-1', '1.0', 'x';
	refused("/_ref/runs?status=$_", 'invalid_request', 'status') for '', 'done', 'Active';
	refused("/_ref/runs?connector_id=$_", 'invalid_request', 'connector_id') for '', 'a%01', 'x' x 257;
	refused("/_ref/runs?connector_instance_id=$_", 'invalid_request', 'connector_instance_id') for '', '%7F';
	for my $time (
		'', 'yesterday', 'infinity', '2026-11-22', '2026-11-22T10:00:00', '2026-11-22T10:00:00+01:00', '2026-11-22%2010:00:00Z',
		'2026-02-29T10:00:00Z', '2026-13-01T10:00:00Z', '2026-00-01T10:00:00Z', '2026-11-31T10:00:00Z', '0000-01-01T00:00:00Z',
		'2026-11-22T24:00:00Z', '2026-11-22T10:60:00Z', '2026-11-22T10:00:60Z', '2026-11-22T10:00:00.Z', '2026-11-22T10:00:00%2B15:00',
		'12026-11-22T10:00:00Z', '2026-11-22T10:00:00ZZ', '2026-11-22T10:00:00.1234567890Z', '2' x 8000)
	{
		refused("/_ref/runs?since=$time", 'invalid_request', 'since');
		refused("/_ref/runs?until=$time", 'invalid_request', 'until');
	}
	refused("/_ref/runs?cursor=$_", 'invalid_cursor', 'cursor') for 'x', 'tl_' . '0' x 32, 'rl_' . '0' x 32;
	refused('/_ref/runs?limit=1&limit=2', 'invalid_request', 'limit');
	refused('/_ref/runs?page_size=1', 'invalid_request', 'page_size');
	is($gateway->get('/_ref/runs')->{status}, 401, 'no session');
	is($gateway->request('POST', '/_ref/runs')->{status}, 405, 'another method');
};

subtest 'times that exist' => sub {
	for my $time ('0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z', '2024-02-29T00:00:00-14:59', '2026-11-22T23:59:59.5z')
	{
		is($gateway->get_as_owner("/_ref/runs?since=$time")->{status}, 200, $time);
	}
};

done_testing();
