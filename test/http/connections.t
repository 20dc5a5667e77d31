# GET /_ref/connections: the list, its filters, its pages, and what it refuses.

use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use Test::More;

my $node = PdppCluster->bare('http_connections');
$node->safe_psql('postgres', "CREATE DATABASE pdpp ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('pdpp', 'CREATE EXTENSION pdpp');
my $gateway = PdppGateway->start(conninfo => $node->connstr('pdpp'));

sub sql { my ($statement) = @_; return $node->safe_psql('pdpp', $statement); }
sub ids { my ($list) = @_; return [ map { $_->{connector_instance_id} } @{ $list->{data} } ]; }

sub refused
{
	my ($target, $code, $param) = @_;
	my $answer = $gateway->get_as_owner($target);
	is($answer->{status}, 400, "$target: 400");
	is(($answer->{json}{error} // {})->{code}, $code, "$target: $code");
	is(($answer->{json}{error} // {})->{param}, $param, "$target: names $param");
	return;
}

is($gateway->get_as_owner('/_ref/connections')->{body}, '{"data": [], "object": "list", "has_more": false, "next_cursor": null}', 'none yet');

# a session that lives offers some of them; every third has a run in flight
my $controller = $node->background_psql('pdpp');
$controller->query_safe(q{
	SELECT pdpp_controller_boot('host-1');
	SELECT pdpp_controller_offer(jsonb_agg(jsonb_build_object('connector_instance_id', 'offered/' || n, 'connector_id', 'connector ' || n % 2, 'timeout_seconds', 1000 * n)))
	FROM generate_series(1, 9) AS n;
});
sql(q{SELECT pdpp_run_cancel(pdpp_run_now('connector ' || n % 2, 'known/' || n)->>'run_id') FROM generate_series(1, 9) AS n});
sql(q{SELECT pdpp_connection_run_now(word || n, 'run ' || word || n) FROM unnest(ARRAY['offered/', 'known/']) AS word, generate_series(3, 9, 3) AS n});

subtest 'the answer is that of the function, byte for byte' => sub {
	my %same = (
		'' => '',
		'?connector_id=connector%201&limit=3' => q{connector_id => 'connector 1', page_size => 3},
		'?connector_instance_id=offered%2F3' => q{connector_instance_id => 'offered/3'},
		'?offered=true' => 'offered => true',
		'?offered=false&active=true' => 'offered => false, active => true',
		'?active=false&limit=500' => 'active => false, page_size => 500',
	);
	for my $query (sort keys %same)
	{
		my $answer = $gateway->get_as_owner("/_ref/connections$query");
		is($answer->{status}, 200, "$query: 200");
		is($answer->{body}, sql("SELECT pdpp_connection_list($same{$query})"), "$query: the body");
		is($answer->{headers}{'content-type'}, 'application/json', "$query: JSON");
		is($answer->{headers}{'cache-control'}, 'no-cache', "$query: asked for again");
	}
	is_deeply(ids($gateway->get_as_owner('/_ref/connections?offered=true&active=true')->{json}), [ map { "offered/$_" } 3, 6, 9 ], 'offered, with a run');
	is_deeply(ids($gateway->get_as_owner('/_ref/connections?offered=false&active=false')->{json}), [ map { "known/$_" } 1, 2, 4, 5, 7, 8 ], 'neither');
};

subtest 'pages, and where their links lead' => sub {
	my (@seen, $query);
	do
	{
		my $page = $gateway->get_as_owner('/_ref/connections?limit=5' . ($query // ''))->{json};
		push @seen, @{ $page->{data} };
		$query = $page->{has_more} ? "&cursor=$page->{next_cursor}" : undef;
	} while ($query);
	is_deeply([ map { $_->{connector_instance_id} } @seen ], [ map { my $word = $_; map { "$word/$_" } 1 .. 9 } 'known', 'offered' ], 'each once, in order');
	my ($idle) = grep { $_->{offered} && !$_->{active_run} } @seen;
	my $started = $gateway->request('POST', $idle->{links}{run}, [ Authorization => 'Bearer ' . PdppGateway::token() ], '');
	is($started->{status}, 202, 'a run is started by the link');
	my $run_id = $started->{json}{run_id};
	is($gateway->get_as_owner('/_ref/connections?connector_instance_id=offered%2F1')->{json}{data}[0]{active_run}{run_id}, $run_id, 'and is the active one');
	is($gateway->get_as_owner($idle->{links}{runs})->{json}{data}[0]{run_id}, $run_id, 'its runs by the other');
	is_deeply($gateway->get_as_owner("/_ref/runs/$run_id")->{json}, $gateway->get_as_owner('/_ref/connections?connector_instance_id=offered%2F1')->{json}{data}[0]{active_run},
		'its handle says the same');
};

subtest 'nothing has changed, and something has' => sub {
	my $tag = $gateway->get_as_owner('/_ref/connections')->{headers}{etag};
	is($gateway->get_as_owner('/_ref/connections', 'If-None-Match' => $tag)->{status}, 304, 'the same page');
	sql(q{SELECT pdpp_run_settle('run known/3', 'completed')});
	is($gateway->get_as_owner('/_ref/connections', 'If-None-Match' => $tag)->{status}, 200, 'a run has ended');
};

subtest 'the controller dies' => sub {
	is(scalar @{ ids($gateway->get_as_owner('/_ref/connections?offered=true')->{json}) }, 9, 'it lives');
	my $pid = $controller->query_safe('SELECT pg_backend_pid()');
	sql("SELECT pg_terminate_backend($pid)");
	$node->poll_query_until('pdpp', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)") or die 'it lives on';
	sql('SELECT pdpp_reconcile()');
	my $answer = $gateway->get_as_owner('/_ref/connections')->{json};
	is_deeply([ grep { $_->{offered} || defined $_->{controller_id} } @{ $answer->{data} } ], [], 'nobody offers anything, once that was seen');
	eval { $controller->quit };
};

subtest 'what is refused' => sub {
	refused("/_ref/connections?limit=$_", 'invalid_request', 'limit') for '0', '501', '-1', '1.0', 'x';
	refused("/_ref/connections?offered=$_", 'invalid_request', 'offered') for '', 'yes', '1', 'TRUE', 'null';
	refused("/_ref/connections?active=$_", 'invalid_request', 'active') for '', 'no', 'f', 'False';
	refused("/_ref/connections?connector_id=$_", 'invalid_request', 'connector_id') for '', 'a%01', 'x' x 257;
	refused("/_ref/connections?connector_instance_id=$_", 'invalid_request', 'connector_instance_id') for '', '%7F';
	my $runs_cursor = $gateway->get_as_owner('/_ref/runs?limit=1')->{json}{next_cursor};
	refused("/_ref/connections?cursor=$_", 'invalid_cursor', 'cursor') for 'x', 'cl_' . '0' x 32, $runs_cursor;
	refused('/_ref/connections?active=true&active=true', 'invalid_request', 'active');
	refused('/_ref/connections?status=active', 'invalid_request', 'status');
	is($gateway->get('/_ref/connections')->{status}, 401, 'no session');
	is($gateway->request('POST', '/_ref/connections')->{status}, 405, 'another method');
};

done_testing();
