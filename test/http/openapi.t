# The API's description of itself: a valid document, whose schemas real answers keep to.

use strict;
use warnings;

use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('openapi');
my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'));
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());

my $root = $gateway->get('/');
is($root->{status}, 200, 'GET / needs no session: it holds no data');
is($root->{headers}{'content-type'}, 'application/json', 'JSON');
my $document = $root->{json};
like($document->{openapi}, qr/^3\.1\./, 'OpenAPI 3.1');
is($gateway->request('HEAD', '/')->{headers}{'content-length'}, length $root->{body}, 'HEAD equals GET');

my $answers = [];

# Notes an answer for the comparison with the document.
sub note_answer
{
	my ($method, $pattern, $answer) = @_;
	my $is_json = ($answer->{headers}{'content-type'} // '') =~ /\bjson\b/ && length $answer->{body};
	push @$answers,
	  { method => $method, path => $pattern, status => $answer->{status} + 0, headers => $answer->{headers},
		body => $is_json ? $answer->{json} : length $answer->{body} ? $answer->{body} : undef };
	return;
}

# Makes a request, notes its answer for the comparison with the document, and checks its status.
sub ask
{
	my ($method, $pattern, $target, $status, $body, @headers) = @_;
	my $answer = $gateway->request(uc $method, $target, [ @owner, @headers ], $body);
	is($answer->{status}, $status, "$method $target");
	note_answer($method, $pattern, $answer);
	return $answer->{json} // $answer->{body};
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
ask('get', '/_ref/connections', '/_ref/connections?limit=3', 200);
ask('get', '/_ref/connections', '/_ref/connections?active=true', 200);
ask('get', '/_ref/connections', '/_ref/connections?offered=yes', 400);
ask('get', $status, '/_ref/runs/run_active?x=y', 400);
ask('get', "$status/timeline", '/_ref/runs/run_active/timeline?cursor=x', 400);

# whoever has a tag: 304 or 412, with all that comes with it
for my $method (qw(get head))
{
	for ([ $status, '/_ref/runs/run_failed' ], [ $status, '/_ref/runs/run_active' ],
		[ "$status/timeline", '/_ref/runs/run_active/timeline' ], [ '/_ref/runs', '/_ref/runs' ],
		[ '/_ref/connections', '/_ref/connections' ])
	{
		ask($method, @$_, 304, undef, 'If-None-Match' => '*');
		ask($method, @$_, 412, undef, 'If-Match' => '"x"');
	}
	ask($method, $status, '/_ref/runs/run_active', 304, undef, 'If-None-Match' => '*', Prefer => 'wait=0');
	ask($method, $status, '/_ref/runs/run_active', 200, undef, Prefer => 'wait=0');
	ask($method, $status, '/_ref/runs/run_failed', 200, undef, Prefer => 'wait=1');
}

# streams
my $events = 'text/event-stream';
for ([ $status, '/_ref/runs/run_failed' ], [ "$status/timeline", '/_ref/runs/run_failed/timeline' ])
{
	my ($last) = ask('get', @$_, 200, undef, Accept => $events) =~ /.*^id: (\S+)$/ms;
	ask('get', @$_, 204, undef, Accept => $events, 'Last-Event-ID' => $last);
	ask('head', @$_, 200, undef, Accept => $events);
}
ask('get', "$status/timeline", '/_ref/runs/run_failed/timeline', 200, undef, Accept => 'application/x-ndjson');

my $start = '/_ref/connections/{connector_instance_id}/run';
ask('post', $start, '/_ref/connections/c/run', 409, '');
ask('post', $start, '/_ref/connections/unknown/run', 404, '');
ask('post', $start, '/_ref/connections/c/run', 415, 'text', 'Content-Type' => 'text/plain');
ask('post', $start, '/_ref/connections/c/run', 403, '', Origin => 'http://evil.example');
ask('post', "$status/cancel", '/_ref/runs/run_active/cancel', 202, '');
ask('post', "$status/cancel", '/_ref/runs/run_failed/cancel', 409, '');
my $start_connector = '/_ref/connectors/{connector_id}/run';
my @trace = (traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
ask('post', $start_connector, '/_ref/connectors/c/run', 202, '', @trace, Prefer => 'wait=0');
for ([ $start, '/_ref/connections/c/run' ], [ $start_connector, '/_ref/connectors/c/run' ],
	[ "$status/cancel", '/_ref/runs/run_active/cancel' ])
{
	ask('post', @$_, 406, '', Accept => 'image/png');
	ask('post', @$_, 415, 'text', 'Content-Type' => 'text/plain');
	ask('post', @$_, 415, '{}', 'Content-Type' => 'application/json', 'Content-Encoding' => 'gzip');
	ask('post', @$_, 400, '{"x": 1}', 'Content-Type' => 'application/json');
}
# a run that has ended when it is admitted, because it was before
my @again = ($start_connector, '/_ref/connectors/waited/run', 'Idempotency-Key' => 'once');
ask('post', @again[ 0, 1 ], 202, '', @again[ 2, 3 ]);
$node->safe_psql('postgres', q{SELECT pdpp_run_cancel(run_id) FROM pdpp_runs WHERE connector_id = 'waited'});
ask('post', @again[ 0, 1 ], 200, '', @again[ 2, 3 ], Prefer => 'wait=1', @trace);
ask('post', $start, '/_ref/connections/c/run', 409, '', Prefer => 'wait=1');
ask('post', '/owner/login', '/owner/login', 401, '{"password": "x"}', 'Content-Type' => 'application/json');
ask('post', '/owner/login', '/owner/login', 204, JSON::PP::encode_json({ password => $PdppGateway::password }),
	'Content-Type' => 'application/json');
ask('post', '/owner/login', '/owner/login', 415, 'x', 'Content-Type' => 'text/plain');
ask('post', '/owner/login', '/owner/login', 403, '', Origin => 'http://evil.example');
ask('post', '/owner/logout', '/owner/logout', 204, '');
ask('get', '/owner/session', '/owner/session', 204);
ask('get', '/', '/', 200);

# what is refused before there is a route: any operation can be answered so
for my $pattern (sort keys %{ $document->{paths} })
{
	my $target = $pattern =~ s/\{\w+\}/run_never/gr;
	for my $method (sort keys %{ $document->{paths}{$pattern} })
	{
		my @body = $method eq 'post' ? ('') : ();
		ask($method, $pattern, "$target?%", 400, @body);
		ask($method, $pattern, "$target?" . 'x' x 10000, 414, @body);
		ask($method, $pattern, $target, 431, $body[0], map { ("X-$_" => 'x' x 4000) } 1 .. 9);
		ask($method, $pattern, $target, 413, undef, 'Content-Length' => 1 << 30);
	}
}

# /rpc: results, by either media type; what is refused; HEAD and OPTIONS
my ($one, $rows, $now, $cancel) = map { "/rpc/pdpp_run_$_" } qw(status statuses now cancel);
my @json = ('Content-Type' => 'application/json');
my @object = (Accept => 'application/vnd.pgrst.object+json');
my @count = (Prefer => 'count=exact');
for my $function ($one, '/rpc/pdpp_run_timeline')
{
	ask('post', $function, $function, 200, '{"run_id": "run_active"}', @json);
	ask('post', $function, $function, 200, 'run_id=run_failed', 'Content-Type' => 'application/x-www-form-urlencoded');
	ask('post', $function, $function, 200, '{"run_id": null}', @json);
	for my $method (qw(get head))
	{
		ask($method, $function, "$function?run_id=run_active", 200, undef, @count);
		ask($method, $function, "$function?run_id=run_active", 200, undef, @object);
		ask($method, $function, "$function?run_id=nope", 404);
		ask($method, $function, "$function?run_id=nope", 404, undef, @object);
		ask($method, $function, "$function?id=nope", 404);
		ask($method, $function, "$function?run_id=nope", 406, undef, Accept => 'text/csv');
	}
}
ask('get', '/rpc/pdpp_run_list', '/rpc/pdpp_run_list?page_size=2', 200);
ask('get', '/rpc/pdpp_run_list', '/rpc/pdpp_run_list?since=nonsense', 400);
ask('get', '/rpc/pdpp_connection_list', '/rpc/pdpp_connection_list?offered=false&active=true', 200);
ask('post', '/rpc/pdpp_connection_list', '/rpc/pdpp_connection_list', 200, '{"active": true, "offered": null}', @json);
ask('get', '/rpc/pdpp_connection_list', '/rpc/pdpp_connection_list?offered=perhaps', 400);
for my $method (qw(get head))
{
	ask($method, $rows, "$rows?run_ids=%7Brun_active,nope,NULL%7D", 200);
	ask($method, $rows, "$rows?run_ids=%7Bnope%7D", 200, undef, @object);
	ask($method, $rows, "$rows?run_ids=%7Ba,b%7D", 406, undef, @object);
	ask($method, $rows, "$rows?run_ids=%7Ba,b,c%7D&limit=2", 206, undef, @count);
	ask($method, $rows, "$rows?run_ids=%7Ba,b,c%7D&limit=1", 206, undef, @count, @object);
	ask($method, $rows, "$rows?run_ids=%7Ba,b,c%7D&offset=4", 416, undef, @count);
}
ask('get', $rows, "$rows?run_ids=%7Ba,b,c%7D&limit=2", 206, undef, Range => '1-', @count);
ask('get', $rows, "$rows?run_ids=%7Ba%7D", 416, undef, Range => '2-1');
ask('post', $rows, "$rows?limit=1", 206, '{"run_ids": ["a", null]}', @json, @count);
ask('post', $now, $now, 200, '{"connector_id": "rpc", "run_id": "run_rpc", "data": {}}', @json);
ask('post', $now, $now, 409, '{"connector_id": "rpc"}', @json);
ask('post', $now, $now, 415, '{}', @json, 'Content-Encoding' => 'gzip');
ask('post', $now, $now, 403, '{}', @json, Origin => 'http://evil.example');
ask('post', $cancel, $cancel, 200, '{"run_id": "run_rpc"}', @json, @object);
ask('options', $_, $_, 200) for $one, $now;
for (@$answers)
{
	next unless $_->{path} =~ m{^/rpc/pdpp_run_(?:status|timeline)$} && $_->{status} == 404 && $_->{method} eq 'get';
	is(exists $_->{body}{error}, !exists $_->{headers}{'proxy-status'}, 'the envelope is a result, all else an error');
}

@owner = ();
ask('get', $status, '/_ref/runs/run_active', 401);
ask($_, $one, $one, 401) for qw(get head options);

# more wrong passwords than one peer may send in a row
$gateway->request('POST', '/owner/login', \@json, '{"password": "x"}') for 1 .. 50;
ask('post', '/owner/login', '/owner/login', 429, '{"password": "x"}', @json);

# what needs a broken world: too many connections, a database that is away
my $full = PdppGateway->start(conninfo => $node->connstr('postgres'), args => [ '--max-connections', 1 ]);
my $held = $full->connect;
is($held->request('GET', '/owner/session', [ Authorization => 'Bearer ' . PdppGateway::token() ])->{status}, 204, 'one connection');
note_answer('get', '/', my $refused = $full->get('/'));
is($refused->{json}{error}{code}, 'too_many_connections', 'and no other');
is($full->stop, 0, 'stopped');
$node->stop;
@owner = (Authorization => 'Bearer ' . PdppGateway::token());
ask('get', $_, $_, 503) for '/_ref/runs', '/_ref/connections';
ask('post', $start, '/_ref/connections/c/run', 503, '');
ask('get', $one, "$one?run_id=a", 503);

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

# The codes of the reference's tables of errors, with their status.
sub documented_codes
{
	return { PostgreSQL::Test::Utils::slurp_file('docs/reference/errors.md') =~ /^\| `(\w+)` \| ([45]\d\d) \|/mg };
}

subtest 'every code of an error that is documented has an example' => sub {
	my $examples = $document->{components}{examples};
	my %example = map { s/^Error\.//r => $examples->{$_}{'x-status'} } grep { /^Error\./ } keys %$examples;
	my $listed = documented_codes();
	cmp_ok(scalar keys %$listed, '>=', 36, 'the reference lists codes');
	is_deeply(\%example, $listed, 'those of the reference are those of the document');
	my $conventions = PostgreSQL::Test::Utils::slurp_file('docs/reference/http.md') =~ s/\A.*?^## `\/rpc`$//msr;
	my %rpc = map { $_ => 1 } $conventions =~ /\b(PGRST\w+|25006|\d{2}P?\d{2,3}(?=\)))/g;
	cmp_ok(scalar keys %rpc, '>=', 12, 'codes of /rpc');
	ok($examples->{"RpcError.$_"}, "/rpc: $_") for sort keys %rpc;
	for my $name (grep { /Error\./ } sort keys %$examples)
	{
		my $value = $examples->{$name}{value};
		is($value->{code} // $value->{error}{code}, $name =~ s/^\w+\.//r, "$name is of this code");
	}
};

subtest 'the reference has every route and its methods, and nothing else' => sub {
	my $reference = PostgreSQL::Test::Utils::slurp_file('docs/reference/http.md');
	my (%listed, %served);
	while ($reference =~ /^\| ((?:`[A-Z]+`(?:, )?)+) `(\/[^`?]*)[^`]*` \|/mg)
	{
		my ($methods, $path) = ($1, $2);
		$listed{$path} = join ' ', sort $methods =~ /(\w+)/g;
	}
	# a function of /rpc is in a table of its own, beside its methods but OPTIONS, which all have
	while ($reference =~ /^\| `(pdpp_\w+)\(.*?\)` \| ([A-Z, ]+) \|/mg)
	{
		my ($function, $methods) = ($1, $2);
		$listed{"/rpc/$function"} = join ' ', sort 'OPTIONS', $methods =~ /(\w+)/g;
	}
	my $functions = delete $listed{'/rpc/{function}'};
	for my $path (keys %{ $document->{paths} })
	{
		$served{$path} = join ' ', sort map { uc } keys %{ $document->{paths}{$path} };
	}
	cmp_ok(scalar keys %listed, '>=', 16, 'the reference lists routes');
	is_deeply(\%listed, \%served, 'those of the reference are those of the document');
	my %methods = map { $_ => 1 } map { split / / } map { $served{$_} } grep { m{^/rpc/} } keys %served;
	is($functions, join(' ', sort keys %methods), 'and the methods of /rpc');
	# what a route of /_ref takes in its query
	for my $list ('/_ref/runs', '/_ref/connections')
	{
		my ($query) = $reference =~ /`\Q$list\E\?([\w&]+)`/;
		my @taken = map { $_->{name} } grep { ($_->{in} // '') eq 'query' } @{ $document->{paths}{$list}{get}{parameters} };
		is_deeply([ split /&/, $query ], \@taken, "parameters of $list");
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
