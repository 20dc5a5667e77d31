# The API's description of itself: a valid document, whose schemas real answers keep to.

use strict;
use warnings;

use JSON::PP ();
use PdppGateway;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('openapi');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pdpp');
my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'));
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());

my $root = $gateway->get('/');
is($root->{status}, 200, 'GET / needs no session: it holds no data');
is($root->{headers}{'content-type'}, 'application/json', 'JSON');
my $document = $root->{json};
like($document->{openapi}, qr/^3\.1\./, 'OpenAPI 3.1');
is($gateway->request('HEAD', '/')->{headers}{'content-length'}, length $root->{body}, 'HEAD equals GET');

my $answers = [];

# Makes a request, notes its answer for the comparison with the document, and checks its status.
sub ask
{
	my ($method, $pattern, $target, $status, $body, @headers) = @_;
	my $answer = $gateway->request(uc $method, $target, [ @owner, @headers ], $body);
	is($answer->{status}, $status, "$method $target");
	push @$answers, { method => $method, path => $pattern, status => $status, body => $answer->{json} };
	return $answer->{json};
}

# a run of each ending, and one that goes on
my $status = '/_ref/runs/{run_id}';
my %ending = (
	completed => '{}', failed => '{"reason": "r", "failure_message": "m", "known_gaps": [1]}', cancelled => '{}',
	abandoned => '{"reason": "controller_terminated"}');
for my $outcome (sort keys %ending)
{
	$node->safe_psql('postgres',
		"SELECT pdpp_run_now('c', run_id => 'run_$outcome'); SELECT pdpp_run_settle('run_$outcome', '$outcome', '$ending{$outcome}')");
	is(ask('get', $status, "/_ref/runs/run_$outcome", 200)->{status}, $outcome, $outcome);
	ask('get', "$status/timeline", "/_ref/runs/run_$outcome/timeline?limit=1", 200);
}
$node->safe_psql('postgres', q{SELECT pdpp_run_now('c', run_id => 'run_active'); SELECT pdpp_run_started('run_active')});
is(ask('get', $status, '/_ref/runs/run_active', 200)->{status}, 'active', 'active');
ask('get', "$status/timeline", '/_ref/runs/run_active/timeline', 200);
ask('get', $status, '/_ref/runs/run_never', 404);
ask('get', $status, '/_ref/runs/run_active', 406, undef, Accept => 'image/png');
ask('get', '/_ref/runs', '/_ref/runs?limit=3', 200);
ask('get', '/_ref/runs', '/_ref/runs?status=failed', 200);
ask('get', '/_ref/runs', '/_ref/runs?cursor=x', 400);
ask('post', '/rpc/pdpp_run_status', '/rpc/pdpp_run_status', 200, '{"run_id": "run_active"}', 'Content-Type' => 'application/json');
my $rows = '/rpc/pdpp_run_statuses';
ask('get', $rows, "$rows?run_ids=%7Ba,b,c%7D&limit=2", 206, undef, Range => '1-', Prefer => 'count=exact');
ask('get', $status, '/_ref/runs/run_active?x=y', 400);
ask('get', "$status/timeline", '/_ref/runs/run_active/timeline?cursor=x', 400);
my $start = '/_ref/connections/{connector_instance_id}/run';
ask('post', $start, '/_ref/connections/c/run', 409, '');
ask('post', $start, '/_ref/connections/unknown/run', 404, '');
ask('post', $start, '/_ref/connections/c/run', 415, 'text', 'Content-Type' => 'text/plain');
ask('post', $start, '/_ref/connections/c/run', 403, '', Origin => 'http://evil.example');
ask('post', "$status/cancel", '/_ref/runs/run_active/cancel', 202, '');
ask('post', "$status/cancel", '/_ref/runs/run_failed/cancel', 409, '');
ask('post', '/_ref/connectors/{connector_id}/run', '/_ref/connectors/c/run', 202, '');
ask('post', $start, '/_ref/connections/c/run', 409, '', Prefer => 'wait=1');
ask('post', '/owner/login', '/owner/login', 401, '{"password": "x"}', 'Content-Type' => 'application/json');
ask('post', '/owner/login', '/owner/login', 204, JSON::PP::encode_json({ password => $PdppGateway::password }),
	'Content-Type' => 'application/json');
ask('post', '/owner/logout', '/owner/logout', 204, '');
ask('get', '/owner/session', '/owner/session', 204);
ask('get', '/', '/', 200);
@owner = ();
ask('get', $status, '/_ref/runs/run_active', 401);

subtest 'the document, by its schema and theirs' => sub {
	my $input = JSON::PP::encode_json({ document => $document, answers => $answers });
	my $folder = $ENV{PWD} . '/test/http/openapi';
	IPC::Run::run([ '/usr/bin/python3', "$folder/validate.py" ], '<', \$input, '>', \my $output, '2>', \my $error);
	my @lines = split /\n/, $output;
	my $plan = pop(@lines) // '';
	like($plan, qr/^1\.\.\d+$/, 'the validator came to its end') or diag($error);
	for my $line (@lines)
	{
		if ($line =~ /^#/) { diag($line); next; }
		ok($line =~ /^ok/, $line =~ s/^(not )?ok \d+ - //r);
	}
};

subtest 'every route is in it, and nothing else' => sub {
	my @rpc = grep { m{^/rpc/} } sort keys %{ $document->{paths} };
	cmp_ok(scalar @rpc, '>=', 5, 'the functions of /rpc');
	is($gateway->request('POST', $_, [], '{}')->{status}, 401, "$_ is served, with a session") for @rpc;
	for my $pattern (grep { !m{^/rpc/} } sort keys %{ $document->{paths} })
	{
		my $target = $pattern =~ s/\{\w+\}/run_never/gr;
		my $allowed = join ', ', sort map { uc } keys %{ $document->{paths}{$pattern} };
		my $answer = $gateway->request('DELETE', $target, \@owner);
		is($answer->{status}, 405, "$pattern is a route");
		is(join(', ', sort split /, /, $answer->{headers}{allow}), $allowed, "$pattern: its methods");
		for my $method (keys %{ $document->{paths}{$pattern} })
		{
			my $operation = $document->{paths}{$pattern}{$method};
			ok(length $operation->{summary}, "$method $pattern: a summary");
			my $needs_session = !exists $operation->{security};
			my $got = $gateway->request(uc $method, $target, [], $method eq 'post' ? '' : undef)->{status};
			is($got == 401, $needs_session, "$method $pattern: whether it needs a session");
		}
	}
	my $examples = $document->{paths}{$status}{get}{responses}{200}{content}{'application/json'}{examples};
	is_deeply([ sort keys %$examples ], [qw(abandoned active cancelled completed failed)], 'an example of each status');
};

is($gateway->stop, 0, 'the gateway stops cleanly');
done_testing();
