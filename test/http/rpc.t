# /rpc by PostgREST's conventions. The requests of the subtest "as postgrest-js sends them" are those that the client
# library @supabase/postgrest-js 2.109.0 makes on Node 20 for the calls quoted beside them, header for header.

use strict;
use warnings;
use utf8;

use CuttingProxy;
use PdppCluster;
use JSON::PP ();
use POSIX ();
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('rpc');
$node->safe_psql('postgres', 'CREATE SCHEMA "Run API"; CREATE EXTENSION pdpp SCHEMA "Run API"');
# with which a null in an array would be the word NULL
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET array_nulls = off');
my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'));
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
my @json = ('Content-Type' => 'application/json');
my @reads = qw(pdpp_run_status pdpp_run_statuses pdpp_run_timeline pdpp_run_list);
my @writes = qw(pdpp_run_now pdpp_run_cancel);
my $object = 'application/vnd.pgrst.object+json';

sub sql
{
	my ($statement) = @_;
	utf8::encode($statement);
	return $node->safe_psql('postgres', qq{SET search_path = "Run API"; $statement});
}

sub encoded { my ($text) = @_; utf8::encode($text); $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge; return $text; }

# GET with a query string made of pairs.
sub get
{
	my ($function, $query, @headers) = @_;
	my @pairs = @$query;
	my $text = '';
	while (my ($name, $value) = splice @pairs, 0, 2) { $text .= ($text eq '' ? '?' : '&') . encoded($name) . '=' . encoded($value); }
	return $gateway->request('GET', "/rpc/$function$text", [ @owner, @headers ]);
}

# POST with a JSON body.
sub post
{
	my ($function, $arguments, @headers) = @_;
	my $body = ref $arguments ? JSON::PP::encode_json($arguments) : $arguments;
	utf8::encode($body) unless ref $arguments;
	return $gateway->request('POST', "/rpc/$function", [ @owner, @json, @headers ], $body);
}

sub is_error
{
	my ($answer, $status, $code, $name) = @_;
	my $error = ref $answer->{json} eq 'HASH' ? $answer->{json} : {};
	is($answer->{status}, $status, "$name: $status");
	is_deeply([ sort keys %$error ], [qw(code details hint message)], "$name: the keys of PostgREST") or diag $answer->{body};
	is($error->{code}, $code, "$name: code $code");
	ok(length($error->{message} // ''), "$name: message");
	is($answer->{headers}{'content-type'}, 'application/json; charset=utf-8', "$name: JSON");
	is($answer->{headers}{'proxy-status'}, "pdpp; error=$code", "$name: Proxy-Status");
	is($answer->{headers}{'cache-control'}, 'no-store', "$name: not kept");
	ok($answer->{headers}{'request-id'}, "$name: Request-Id");
	return $error;
}

sub is_result
{
	my ($answer, $status, $range, $name) = @_;
	is($answer->{status}, $status, "$name: $status") or diag $answer->{body};
	is($answer->{headers}{'content-type'}, 'application/json; charset=utf-8', "$name: JSON");
	is($answer->{headers}{'content-range'}, $range, "$name: Content-Range");
	is($answer->{headers}{'proxy-status'}, undef, "$name: no Proxy-Status");
	return $answer->{json};
}

sql("SELECT pdpp_run_now('mail', 'mail-$_', 'run_$_')") for 1 .. 3;

subtest 'a scalar is the bare value' => sub {
	for my $answer (get('pdpp_run_status', [ run_id => 'run_1' ]), post('pdpp_run_status', { run_id => 'run_1' }))
	{
		is_result($answer, 200, '0-0/*', 'a status');
		is($answer->{body}, sql(q{SELECT pdpp_run_status('run_1')}), 'the very bytes');
	}
	for my $answer (get('pdpp_run_timeline', [ run_id => 'run_1', page_size => 1 ]),
		post('pdpp_run_timeline', { page_size => 1, run_id => 'run_1' }),
		post('pdpp_run_timeline', '{"run_id": "run_1", "page_size": "1", "cursor": null}'))
	{
		is_result($answer, 200, '0-0/*', 'a page of a timeline');
		is($answer->{body}, sql(q{SELECT pdpp_run_timeline('run_1', 1)}), 'the very bytes');
	}
	my $null = post('pdpp_run_status', { run_id => undef });
	is_result($null, 200, '0-0/*', 'NULL');
	is($null->{body}, 'null', 'is null');
};

subtest 'rows are an array' => sub {
	my $expected = [ map { { ordinal => $_, run_id => "run_$_", http_status => 200 } } 1 .. 3 ];
	for my $answer (get('pdpp_run_statuses', [ run_ids => '{run_1,run_2,run_3}' ]),
		post('pdpp_run_statuses', { run_ids => [qw(run_1 run_2 run_3)] }),
		post('pdpp_run_statuses', { run_ids => '{run_1,run_2,run_3}' }))
	{
		my $rows = is_result($answer, 200, '0-2/*', 'three statuses');
		is(JSON::PP->new->canonical->encode($rows->[1]{body}),
			JSON::PP->new->canonical->encode(JSON::PP::decode_json(sql(q{SELECT pdpp_run_status('run_2')}))), 'with their bodies');
		is_deeply([ map { my %row = %$_; delete $row{body}; \%row } @$rows ], $expected, 'in order');
	}
	is_result($gateway->get_as_owner('/rpc/pdpp_run_statuses?run_ids={run_1,"run_2"}'), 200, '0-1/*', 'an array as people write it');
	for my $answer (get('pdpp_run_statuses', [ run_ids => '{}' ]), post('pdpp_run_statuses', { run_ids => [] }),
		post('pdpp_run_statuses', { run_ids => undef }))
	{
		is_result($answer, 200, '*/*', 'no rows');
		is($answer->{body}, '[]', 'are an empty array');
	}
	my @odd = ('run_1', undef, 'nope', 'a"b', 'c\\d', 'e,f', '{g}', 'NULL', 'ü 🦊', '', ' ');
	my $rows = is_result(post('pdpp_run_statuses', { run_ids => \@odd }), 200, '0-10/*', 'strings of every kind');
	is_deeply([ map { $_->{run_id} } @$rows ], \@odd, 'come back as they were');
	is_deeply([ map { $_->{http_status} } @$rows ], [ 200, undef, (404) x 9 ], 'each has its own status');
};

subtest 'the same answers as from a function of PostgREST: status of unknown ids' => sub {
	for my $answer (get('pdpp_run_status', [ run_id => 'nope' ]), post('pdpp_run_status', { run_id => 'nope' }),
		get('pdpp_run_timeline', [ run_id => 'nope' ]))
	{
		my $body = is_result($answer, 404, '0-0/*', 'an unknown run');
		is($body->{error}{code}, 'not_found', 'the body is what the function returns');
		is($body->{error}{message}, 'Run not found: nope', 'which names it');
	}
	my $client = $gateway->connect;
	for my $case ([ nope => 404 ], [ run_1 => 200 ], [ nope => 404 ], [ run_1 => 200 ])
	{
		is($client->request('GET', "/rpc/pdpp_run_status?run_id=$case->[0]", \@owner)->{status}, $case->[1],
			"$case->[0]: response.status is that of this request");
	}
	for (1 .. 8)    # whichever connection of the pool has it
	{
		my $answer = $gateway->get_as_owner('/_ref/runs/nope');
		is($answer->{json}{error}{code}, 'not_found', 'no setting stays for the requests after it');
	}
};

subtest 'lists' => sub {
	my $since = '2020-01-01T00:00:00Z';
	for my $answer (get('pdpp_run_list', [ connector_id => 'mail', page_size => 2, since => $since ]),
		post('pdpp_run_list', { connector_id => 'mail', page_size => 2, since => $since, status => undef }))
	{
		my $page = is_result($answer, 200, '0-0/*', 'a page');
		is($answer->{body}, sql("SELECT pdpp_run_list(connector_id => 'mail', page_size => 2, since => '$since')"), 'the very bytes');
		is_deeply([ map { $_->{run_id} } @{ $page->{data} } ], [qw(run_3 run_2)], 'the newest first');
		my $rest = get('pdpp_run_list', [ connector_id => 'mail', since => $since, cursor => $page->{next_cursor} ]);
		is_deeply([ map { $_->{run_id} } @{ $rest->{json}{data} } ], ['run_1'], 'and the rest');
	}
	is(scalar @{ get('pdpp_run_list', [])->{json}{data} }, 3, 'without any argument');
	is(scalar @{ post('pdpp_run_list', {})->{json}{data} }, 3, 'by an empty object');
	is_error(get('pdpp_run_list', [ since => 'yesterday in Oslo' ]), 400, '22007', 'a time that is none');
	is_error(get('pdpp_run_list', [ status => 'eq.failed' ]), 400, 'PT400', 'a filter is no status');
	is_error(get('pdpp_run_list', [ limit => 2 ]), 400, 'PGRST100', 'its page_size is not called limit');
};

subtest 'a time without a zone is in UTC' => sub {
	my $elsewhere = PdppGateway->start(conninfo => $node->connstr('postgres') . q{ options='-c timezone=Asia/Kolkata'});
	my $soon = encoded(POSIX::strftime('%Y-%m-%d %H:%M', gmtime(time + 3600)));
	for my $case (
		[ "since=$soon", 0 ], [ "since=${soon}Z", 0 ], [ "since=$soon%2B05:30", 3 ], [ "until=$soon", 3 ], [ "until=$soon%2B05:30", 0 ])
	{
		my ($query, $runs) = @$case;
		for my $prefer ('', 'timezone=Asia/Kolkata')
		{
			my $answer = $elsewhere->get_as_owner("/rpc/pdpp_run_list?$query", Prefer => $prefer);
			is(scalar @{ is_result($answer, 200, '0-0/*', "<$query> <$prefer>")->{data} }, $runs, "$runs runs");
			is($answer->{headers}{'preference-applied'}, undef, 'no other zone is said to have been applied');
		}
	}
	is($elsewhere->stop, 0, 'stops');
};

subtest 'a run is started and cancelled' => sub {
	my $ack = is_result(post('pdpp_run_now', { connector_id => 'cal', connector_instance_id => 'cal-1' }), 200, '0-0/*', 'started');
	is($ack->{object}, 'run_ack', 'acknowledged');
	like($ack->{run_id}, qr/^run_[0-9a-f]{32}$/, 'with an id');
	is($gateway->get_as_owner($ack->{links}{self})->{json}{connector_id}, 'cal', 'which resolves');
	my $error = is_error(post('pdpp_run_now', { connector_id => 'cal', connector_instance_id => 'cal-1' }), 409, 'PT409', 'again');
	is($error->{message}, "Connection cal-1 has an active run: $ack->{run_id}", 'the message of the function');
	is_deeply(JSON::PP::decode_json($error->{details}),
		{ code => 'run_already_active', param => 'connector_instance_id', active_run_id => $ack->{run_id} }, 'its DETAIL');
	ok(length $error->{hint}, 'its HINT');
	my $digits = '{"n": [1.10, 12345678901234567890123], "s": "ü"}';
	$ack = is_result(post('pdpp_run_now',
			qq({"connector_id": "cal", "connector_instance_id": "cal-2", "run_id": "digits", "trace_id": 77, "data": $digits})),
		200, '0-0/*', 'with every argument');
	is("$ack->{run_id} $ack->{trace_id}", 'digits 77', 'an id of mine; a number is taken as text');
	like(sql(q{SELECT data_json FROM pdpp.spine_events WHERE run_id = 'digits'}), qr/\[1\.10, 12345678901234567890123\]/,
		'every digit is kept');
	is_result(post('pdpp_run_now', { connector_id => 'cal', connector_instance_id => 'cal-3', data => undef, run_id => undef }), 200,
		'0-0/*', 'null is as good as nothing');

	my $given = sub { return sql("SELECT coalesce(deadline_at - deadline_set_at, '0') FROM pdpp.controller_active_runs WHERE connector_instance_id = '$_[0]'") };
	my @times = ([ '"90 seconds"', '00:01:30' ], [ 90, '00:01:30' ], [ '0.5', '00:00:00.5' ], [ '"PT2H"', '02:00:00' ], [ 'null', '00:00:00' ]);
	for my $n (0 .. $#times)
	{
		my ($time, $got) = @{ $times[$n] };
		is_result(post('pdpp_run_now', qq({"connector_id": "cal", "connector_instance_id": "timed-$n", "timeout": $time})), 200, '0-0/*', "a time: $time");
		is($given->("timed-$n"), $got, 'is what it has');
	}
	is_error(post('pdpp_run_now', { connector_id => 'x', timeout => '1 month' }), 400, 'PT400', 'a time of unknown length');
	is_error(post('pdpp_run_now', { connector_id => 'x', timeout => 'soon' }), 400, '22007', 'no time');
	is_error(post('pdpp_run_now', { connector_id => 'x', timeout => [1] }), 400, 'PGRST102', 'nor that');

	my @key = (connector_id => 'cal', connector_instance_id => 'cal-4', idempotency_key => 'k');
	my $first = post('pdpp_run_now', {@key});
	is(post('pdpp_run_now', {@key})->{body}, $first->{body}, 'a repeated key gets the same answer');
	is_error(post('pdpp_run_now', { @key, data => { a => 1 } }), 422, 'PT422', 'with other arguments');

	my $cancel = is_result(post('pdpp_run_cancel', { run_id => 'digits', requested_by => 'anna' }), 200, '0-0/*', 'cancelled');
	is($cancel->{object}, 'run_cancel_ack', 'acknowledged');
	is($gateway->get_as_owner('/_ref/runs/digits')->{json}{status}, 'cancelled', 'and so it is');
	is_deeply(post('pdpp_run_cancel', { run_id => 'digits' })->{json}, $cancel, 'once more');
	sql(q{SELECT pdpp_run_now('over', run_id => 'over'), pdpp_run_settle('over', 'completed')});
	is_error(post('pdpp_run_cancel', { run_id => 'over' }), 409, 'PT409', 'a run that has completed');
	is_error(post('pdpp_run_cancel', { run_id => 'nope' }), 404, 'PT404', 'an unknown run');
	is_error(post('pdpp_run_now', { connector_id => '..' }), 400, 'PT400', 'an impossible id');
	is_error(post('pdpp_run_now', { connector_id => 'x', data => [1] }), 400, 'PT400', 'data that is no object');
	is_error(post('pdpp_run_now', { connector_id => 'x', data => { a => 'x' x 70000 } }), 413, 'PT413', 'too much data');
	my $form = $gateway->request('POST', '/rpc/pdpp_run_now', [ @owner, 'Content-Type' => 'application/x-www-form-urlencoded' ],
		'connector_id=cal&connector_instance_id=cal+5%20%C3%BC&data=%7B%22a%22%3A1.0%7D&run_id=first&run_id=form');
	is(is_result($form, 200, '0-0/*', 'by form')->{run_id}, 'form', 'the last of a repeated member counts');
	my $kept = 'cal 5 ü {"a": 1.0}';
	utf8::encode($kept);
	is(sql(q{SELECT connector_instance_id || ' ' || data_json FROM pdpp.spine_events WHERE run_id = 'form'}), $kept,
		'with its members');
};

subtest 'methods' => sub {
	for my $function (@reads, @writes)
	{
		my $allow = (grep { $_ eq $function } @reads) ? 'OPTIONS,GET,HEAD,POST' : 'OPTIONS,POST';
		my $options = $gateway->request('OPTIONS', "/rpc/$function", \@owner);
		is($options->{status}, 200, "OPTIONS $function");
		is($options->{headers}{allow}, $allow, 'Allow');
		is($options->{body}, '', 'no body');
		for my $method (qw(PUT PATCH DELETE BREW))
		{
			my $answer = $gateway->request($method, "/rpc/$function", \@owner);
			is_error($answer, 405, 'PGRST101', "$method $function");
			is($answer->{headers}{allow}, $allow, 'Allow');
		}
	}
	my $written = q{SELECT count(*) FROM pdpp.spine_events WHERE run_id = 'run_1' OR connector_instance_id = 'by-get'};
	my $before = sql($written);
	for my $path ('/rpc/pdpp_run_now?connector_id=by-get', '/rpc/pdpp_run_cancel?run_id=run_1')
	{
		my $answer = $gateway->request('GET', $path, \@owner);
		is_error($answer, 405, '25006', "GET $path");
		is($answer->{headers}{allow}, 'OPTIONS,POST', 'Allow');
		is($gateway->request('HEAD', $path, \@owner)->{status}, 405, 'HEAD too');
	}
	is(sql($written), $before, 'a GET writes nothing');
};

subtest 'HEAD equals GET' => sub {
	for my $path ('pdpp_run_status?run_id=run_1', 'pdpp_run_status?run_id=nope', 'pdpp_run_statuses?run_ids=%7Brun_1%7D',
		'pdpp_run_status', 'nope')
	{
		my $client = $gateway->connect;
		my @headers = (@owner, 'Request-Id' => 'same', Prefer => 'count=exact');
		my $get = $client->request('GET', "/rpc/$path", \@headers);
		my $head = $client->request('HEAD', "/rpc/$path", \@headers);
		delete $_->{headers}{date} for $get, $head;
		is($head->{status}, $get->{status}, "$path: $get->{status}");
		is_deeply($head->{headers}, $get->{headers}, "$path: headers");
		is($head->{headers}{'content-length'}, length $get->{body}, "$path: Content-Length");
		is($client->request('GET', "/rpc/$path", \@headers)->{body}, $get->{body}, "$path: no body came with HEAD");
	}
};

subtest 'what is not served does not exist' => sub {
	for my $function (
		qw(pdpp_controller_boot pdpp_controller_rejoin pdpp_controller_offer pdpp_run_claim pdpp_run_started pdpp_run_event
		pdpp_run_settle pdpp_run_launch_failed pdpp_run_fence pdpp_reconcile pdpp_check pdpp_grant pdpp_connection_run_now
		pdpp_connector_run_now pdpp_run_endings pg_sleep version PDPP_RUN_STATUS pdpp_run_status%20), '%22', 'a%2Fb', 'pdpp_run_status(run_id)',
		'x' x 5000)
	{
		my $name = length $function > 99 ? 'a long name' : $function;
		is_error($gateway->request('POST', "/rpc/$function", [ @owner, @json ], '{}'), 404, 'PGRST202', "POST $name");
		is_error($gateway->request('GET', "/rpc/$function", \@owner), 404, 'PGRST202', "GET $name");
	}
	for my $path ('/rpc', '/rpc/', '/rpc/pdpp_run_status/', '/rpc/pdpp_run_status/x', '/rpc?x=1', '/rpc//pdpp_run_status')
	{
		is_error($gateway->request('GET', $path, \@owner), 404, 'PGRST125', $path);
	}
	is($gateway->request('GET', '/rpcs', \@owner)->{json}{error}{code}, 'not_found', '/rpcs is another path');
	my $near = is_error(get('pdpp_run_statuss', []), 404, 'PGRST202', 'a slip of the pen');
	is($near->{message}, 'Could not find the function public.pdpp_run_statuss in the schema cache', 'the message of PostgREST');
	is($near->{hint}, 'Perhaps you meant to call the function public.pdpp_run_status', 'the name that is near');
	is(is_error(get('version', []), 404, 'PGRST202', 'nothing is near')->{hint}, undef, 'no hint');
};

subtest 'arguments that are not those of the function' => sub {
	my $error = is_error(get('pdpp_run_status', [ id => 'run_1', x => 'y' ]), 404, 'PGRST202', 'other names');
	is($error->{message}, 'Could not find the function public.pdpp_run_status(id, x) in the schema cache', 'message');
	is($error->{details},
		'Searched for the function public.pdpp_run_status with parameters id, x, but no matches were found in the schema cache.',
		'details');
	is($error->{hint}, 'Perhaps you meant to call the function public.pdpp_run_status(run_id)', 'hint');
	is(is_error(get('pdpp_run_status', []), 404, 'PGRST202', 'none')->{message},
		'Could not find the function public.pdpp_run_status without parameters in the schema cache', 'message');
	is_error(post('pdpp_run_status', {}), 404, 'PGRST202', 'an empty object');
	is_error($gateway->request('POST', '/rpc/pdpp_run_status', \@owner), 404, 'PGRST202', 'no body');
	is_error($gateway->request('POST', '/rpc/pdpp_run_status', [@owner], ''), 404, 'PGRST202', 'an empty body');
	is_error(post('pdpp_run_status', { run_id => 'run_1', cursor => 'x' }), 404, 'PGRST202', 'one too many');
	is_error(post('pdpp_run_timeline', { page_size => 1 }), 404, 'PGRST202', 'one too few');
	is_error(post('pdpp_run_status', { RUN_ID => 'run_1' }), 404, 'PGRST202', 'in capitals');
	is_error(get('pdpp_run_status', [ "run_id') UNION SELECT version(--" => 'x' ]), 404, 'PGRST202', 'no name gets into SQL');
	is(get('pdpp_run_status', [ run_id => 'nope', run_id => 'run_2' ])->{json}{run_id}, 'run_2',
		'the last of a repeated one counts');
	is(get('pdpp_run_status', [ run_id => 'eq.x' ])->{json}{error}{message}, 'Run not found: eq.x',
		'what looks like a filter is an id all the same');
};

subtest 'arguments that cannot be read' => sub {
	for my $case (
		[ pdpp_run_timeline => [ run_id => 'run_1', page_size => 'x' ], '22P02' ],
		[ pdpp_run_timeline => [ run_id => 'run_1', page_size => '1.5' ], '22P02' ],
		[ pdpp_run_timeline => [ run_id => 'run_1', page_size => '99999999999' ], '22003' ],
		[ pdpp_run_timeline => [ run_id => 'run_1', page_size => '' ], '22P02' ],
		[ pdpp_run_statuses => [ run_ids => 'run_1' ], '22P02' ],
		[ pdpp_run_timeline => [ run_id => 'run_1', page_size => '0' ], 'PT400' ],
		[ pdpp_run_timeline => [ run_id => 'run_1', cursor => 'x' ], 'PT400' ])
	{
		my ($function, $arguments, $code) = @$case;
		for my $answer (get($function, $arguments), post($function, {@$arguments}))
		{
			my $error = is_error($answer, 400, $code, "$function @$arguments");
			unlike($error->{message}, qr/syntax|out of range for/, 'in our own words') if $code =~ /^22/;
		}
	}
	for my $body ('{', '[]', '"x"', '1', 'null', '{"run_id": "a", "run_id": "b"}', '{"run_id": "a\u0000"}', '{"run_id": ["x"]}',
		'{"run_id": {"a": 1}}', '{"run_id": 1.5}', '{"run_id": "\ud800"}')
	{
		is_error(post('pdpp_run_status', $body), 400, 'PGRST102', 'a body that is <' . encoded($body) . '>');
	}
	is_error(post('pdpp_run_statuses', '{"run_ids": ["a", 1]}'), 400, 'PGRST102', 'a number among the ids');
	for my $type ('text/plain', 'application/xml', 'application/octet-stream', 'text/csv', '')
	{
		my $answer = $gateway->request('POST', '/rpc/pdpp_run_status', [ @owner, 'Content-Type' => $type ], '{"run_id": "run_1"}');
		is(is_error($answer, 400, 'PGRST102', "<$type>")->{message}, "Content-Type not acceptable: $type", 'message');
	}
	is_result($gateway->request('POST', '/rpc/pdpp_run_status', [@owner], '{"run_id": "run_1"}'), 200, '0-0/*', 'JSON unless told otherwise');
	is_error($gateway->request('POST', '/rpc/pdpp_run_status', [ @owner, 'Content-Type' => 'application/x-www-form-urlencoded' ],
			'run_id=%00'), 400, 'PGRST102', 'a NUL in a form');
	my $zipped = post('pdpp_run_status', '{"run_id": "run_1"}', 'Content-Encoding' => 'gzip');
	is_error($zipped, 415, 'unsupported_media_type', 'a compressed body');
	is_error(get('pdpp_run_status?run_id=%ff', []), 400, 'invalid_request', 'a malformed target');
	is_error(get('pdpp_run_status?run_id=' . 'x' x 9000, []), 414, 'uri_too_long', 'a target over the limit');
};

subtest 'requests that are not read to their end' => sub {
	my $start = "POST /rpc/pdpp_run_status HTTP/1.1\r\nHost: x\r\n";
	for my $case (
		[ $start . "Content-Length: 200000\r\n\r\n" . 'x' x 200000, 413, 'body_too_large' ],
		[ $start . 'Cookie: ' . 'x' x 20000 . "\r\n\r\n", 431, 'headers_too_large' ],
		[ $start . "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 'invalid_request' ],
		[ $start . "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, 'invalid_request' ])
	{
		my ($bytes, $status, $code) = @$case;
		my $client = $gateway->connect;
		$client->send($bytes);
		is_error($client->receive, $status, $code, 'refused in the form of /rpc');
		ok($client->is_closed, 'and closed');
	}
};

subtest 'filters and the like are refused, not ignored' => sub {
	my @ids = (run_ids => '{run_1}');
	for my $parameter (
		[ http_status => 'eq.404' ], [ http_status => 'not.is.null' ], [ ordinal => 'in.(1,2)' ], [ body => 'like(any).{a,b}' ],
		[ order => 'ordinal.desc' ], [ select => 'run_id' ], [ columns => 'run_ids' ], [ or => '(ordinal.eq.1,ordinal.eq.2)' ],
		[ and => '(ordinal.eq.1)' ], [ 'not.and' => '(ordinal.eq.1)' ], [ on_conflict => 'x' ], [ limit => 'x' ], [ limit => '-1' ],
		[ offset => '1.5' ], [ limit => '99999999999999999999' ])
	{
		my $error = is_error(get('pdpp_run_statuses', [ @ids, @$parameter ]), 400, 'PGRST100', "@$parameter");
		like($error->{message}, qr/\Q$parameter->[0]\E/, 'which names it');
	}
	is_error(get('pdpp_run_status', [ run_id => 'run_1', $_ => '1' ]), 400, 'PGRST100', "$_ of a scalar") for qw(limit offset);
	is_error(post('pdpp_run_statuses?ordinal=eq.1', { run_ids => [] }), 400, 'PGRST100', 'a filter on POST');
	is(is_error(post('pdpp_run_status?run_id=run_1', {}), 400, 'PGRST100', 'on POST, arguments are in the body')->{hint},
		'The arguments of a POST go into its body.', 'hint');
	is(get('pdpp_run_status', [ run_id => 'run_1', select => '*' ])->{status}, 200, 'all columns are what there is');
};

subtest 'ranges and counts' => sub {
	my @ids = (run_ids => '{run_1,run_2,run_3}');
	my @count = (Prefer => 'count=exact');
	for my $case (
		[ [], [], 200, '0-2/*', [ 1, 2, 3 ] ], [ [], \@count, 200, '0-2/3', [ 1, 2, 3 ] ],
		[ [ limit => 2 ], [], 200, '0-1/*', [ 1, 2 ] ], [ [ limit => 2 ], \@count, 206, '0-1/3', [ 1, 2 ] ],
		[ [ offset => 1, limit => 1 ], \@count, 206, '1-1/3', [2] ], [ [ offset => 2 ], \@count, 206, '2-2/3', [3] ],
		[ [ offset => 2 ], [], 200, '2-2/*', [3] ], [ [ limit => 9 ], \@count, 200, '0-2/3', [ 1, 2, 3 ] ],
		[ [ limit => 0 ], \@count, 206, '*/3', [] ], [ [ offset => 3 ], \@count, 206, '*/3', [] ],
		[ [ offset => 9 ], [], 200, '*/*', [] ])
	{
		my ($range, $headers, $status, $content_range, $ordinals) = @$case;
		my %range = @$range;
		my $query = join '&', map { "$_=$range{$_}" } sort keys %range;
		for my $answer (get('pdpp_run_statuses', [ @ids, @$range ], @$headers),
			post("pdpp_run_statuses?$query", { run_ids => [qw(run_1 run_2 run_3)] }, @$headers))
		{
			my $rows = is_result($answer, $status, $content_range, "<@$range> <@$headers>");
			is_deeply([ map { $_->{ordinal} } @$rows ], $ordinals, 'the rows of the range');
			is($answer->{headers}{'preference-applied'}, $headers->[1], 'Preference-Applied');
		}
	}
	my $beyond = get('pdpp_run_statuses', [ @ids, offset => 4 ], @count);
	my $error = is_error($beyond, 416, 'PGRST103', 'beyond the end');
	is($error->{details}, 'An offset of 4 was requested, but there are only 3 rows.', 'details');
	is($beyond->{headers}{'content-range'}, '*/3', 'Content-Range');
	is_result(get('pdpp_run_status', [ run_id => 'run_1' ], @count), 200, '0-0/1', 'a scalar is one row');
	is_result(get('pdpp_run_statuses', [ run_ids => '{}' ], @count), 200, '*/0', 'no rows');
	is_result(get('pdpp_run_statuses', [@ids], Prefer => "count=$_"), 200, '0-2/3', "count=$_") for qw(planned estimated);
};

subtest 'the header Range' => sub {
	my @ids = (run_ids => '{run_1,run_2,run_3}');
	my @count = (Prefer => 'count=exact');
	for my $case (
		[ '0-0', [], 200, '0-0/*', [1] ], [ '0-1', [], 200, '0-1/*', [ 1, 2 ] ], [ '1-', [], 200, '1-2/*', [ 2, 3 ] ],
		[ '0-9', [], 200, '0-2/*', [ 1, 2, 3 ] ], [ '9-', [], 200, '*/*', [] ], [ '0-99999999999999999999', [], 200, '0-2/*', [ 1, 2, 3 ] ],
		[ '99999999999999999999-', [], 200, '*/*', [] ],
		# rows are counted from the first of all, by the header and the parameters alike
		[ '1-2', [ limit => 2 ], 200, '1-1/*', [2] ], [ '0-1', [ offset => 1 ], 200, '1-1/*', [2] ],
		[ '1-', [ offset => 1, limit => 1 ], 200, '1-1/*', [2] ], [ '0-0', [ limit => 0 ], 200, '*/*', [] ],
		[ '2-1', [ limit => 0 ], 200, '*/*', [] ],
		# what is malformed is no range
		(map { [ $_, [], 200, '0-2/*', [ 1, 2, 3 ] ] } 'items=0-0', 'bytes=0-0', '-1', '0', '-', 'x-1', '0-x', '0-0,2-2', '0 - 0', '+0-0', ''))
	{
		my ($range, $query, $status, $content_range, $ordinals) = @$case;
		my @range = (Range => $range, 'Range-Unit' => 'items');
		my $rows = is_result(get('pdpp_run_statuses', [ @ids, @$query ], @range), $status, $content_range, "<$range> <@$query>");
		is_deeply([ map { $_->{ordinal} } @$rows ], $ordinals, 'the rows of the range');
	}
	for my $case ([ '0-1', 206, '0-1/3' ], [ '1-', 206, '1-2/3' ], [ '0-2', 200, '0-2/3' ], [ '3-', 206, '*/3' ])
	{
		my ($range, $status, $content_range) = @$case;
		is_result(get('pdpp_run_statuses', [@ids], Range => $range, @count), $status, $content_range, "<$range> with a count");
	}
	my $beyond = get('pdpp_run_statuses', [@ids], Range => '4-5', @count);
	is(is_error($beyond, 416, 'PGRST103', 'beyond the end')->{details}, 'An offset of 4 was requested, but there are only 3 rows.',
		'details');
	is($beyond->{headers}{'content-range'}, '*/3', 'Content-Range');
	is(is_error(get('pdpp_run_statuses', [@ids], Range => '2-1'), 416, 'PGRST103', 'backwards')->{details},
		'The lower boundary must be lower than or equal to the upper boundary in the Range header.', 'details');
	is_error(get('pdpp_run_statuses', [ @ids, @$_ ], Range => '0-0'), 416, 'PGRST103', "no row in common with @$_")
	  for [ offset => 1 ], [ offset => 1, limit => 1 ];
	my $single = get('pdpp_run_statuses', [@ids], Range => '1-1', Accept => $object);
	is($single->{json}{run_id}, 'run_2', 'a single object');
	my $head = $gateway->request('HEAD', '/rpc/pdpp_run_statuses?run_ids=%7Brun_1,run_2%7D', [ @owner, Range => '0-0', @count ]);
	is("$head->{status} $head->{headers}{'content-range'}", '200 0-1/2', 'not of HEAD');
	is_result(post('pdpp_run_statuses', { run_ids => [qw(run_1 run_2)] }, Range => '0-0'), 200, '0-1/*', 'nor of POST');
	is_result(get('pdpp_run_status', [ run_id => 'run_1' ], Range => '5-6'), 200, '0-0/*', 'nor of one value');
};

subtest 'preferences' => sub {
	my $prefer = sub { return get('pdpp_run_status', [ run_id => 'run_1' ], map { (Prefer => $_) } @_); };
	is($prefer->('count=exact, handling=strict')->{headers}{'preference-applied'}, 'count=exact, handling=strict', 'two of them');
	is($prefer->('count=exact', 'handling=strict')->{headers}{'preference-applied'}, 'count=exact, handling=strict', 'on two lines');
	is($prefer->('count=exact, count=planned')->{headers}{'preference-applied'}, 'count=exact', 'the first wins');
	is($prefer->('return=representation')->{headers}{'preference-applied'}, undef, 'what has no effect is not echoed');
	is($prefer->($_)->{status}, 200, "lenient: $_")
	  for 'x=y', 'count=all', 'timezone=Europe/Oslo', 'tx=rollback', 'handling=lenient, x';
	my $error = is_error($prefer->('handling=strict, x=y, count=exact, z'), 400, 'PGRST122', 'strict');
	is($error->{details}, 'Invalid preferences: x=y, z', 'details');
	is_error($prefer->("handling=strict, $_"), 400, 'PGRST122', "strict: $_") for 'count=all', 'timezone=Europe/Oslo', 'tx=rollback';
	is($prefer->('handling=strict, return=minimal, missing=default')->{status}, 200, 'strict: what PostgREST knows');
};

subtest 'a single object' => sub {
	for my $type ($object, 'application/vnd.pgrst.object')
	{
		my @accept = (Accept => $type);
		for my $answer (get('pdpp_run_statuses', [ run_ids => '{run_2}' ], @accept),
			post('pdpp_run_statuses', { run_ids => ['run_2'] }, @accept),
			get('pdpp_run_statuses', [ run_ids => '{run_1,run_2}', offset => 1 ], @accept))
		{
			is($answer->{status}, 200, 'one row');
			is($answer->{json}{run_id}, 'run_2', 'is the object itself');
			is($answer->{headers}{'content-type'}, "$object; charset=utf-8", 'Content-Type');
		}
		for my $case ([ '{}', 0 ], [ '{run_1,run_2}', 2 ])
		{
			my $error = is_error(get('pdpp_run_statuses', [ run_ids => $case->[0] ], @accept), 406, 'PGRST116', "$case->[1] rows");
			is($error->{message}, 'Cannot coerce the result to a single JSON object', 'message');
			is($error->{details}, "The result contains $case->[1] rows", 'details');
		}
		my $scalar = get('pdpp_run_status', [ run_id => 'run_1' ], @accept);
		is($scalar->{body}, sql(q{SELECT pdpp_run_status('run_1')}), 'a scalar is as it is');
		is($scalar->{headers}{'content-type'}, "$object; charset=utf-8", 'Content-Type');
	}
};

subtest 'media types and schemas' => sub {
	for my $accept ('application/json', '*/*', 'application/*', "text/csv, application/json;q=0.5", '')
	{
		is_result(get('pdpp_run_status', [ run_id => 'run_1' ], Accept => $accept), 200, '0-0/*', "<$accept>");
	}
	for my $accept ('text/csv', 'text/html', 'application/json;q=0', "$object;nulls=stripped", 'application/vnd.pgrst.plan+json')
	{
		my $error = is_error(get('pdpp_run_status', [ run_id => 'run_1' ], Accept => $accept), 406, 'PGRST107', "<$accept>");
		is($error->{message}, "None of these media types are available: $accept", 'message');
	}
	is_error(post('pdpp_run_now', { connector_id => 'unread' }, Accept => 'text/csv'), 406, 'PGRST107', 'of a write');
	is(sql(q{SELECT count(*) FROM pdpp.controller_active_runs WHERE connector_id = 'unread'}), '0', 'which is not made');
	is(get('pdpp_run_status', [ run_id => 'run_1' ], 'Accept-Profile' => 'public')->{status}, 200, 'the schema that clients name');
	is(get('pdpp_run_status', [ run_id => 'run_1' ], 'Content-Profile' => 'x')->{status}, 200, 'Content-Profile is for POST');
	is(post('pdpp_run_status', { run_id => 'run_1' }, 'Accept-Profile' => 'x')->{status}, 200, 'Accept-Profile is not');
	for my $answer (get('pdpp_run_status', [ run_id => 'run_1' ], 'Accept-Profile' => 'pdpp'),
		post('pdpp_run_status', { run_id => 'run_1' }, 'Content-Profile' => 'pdpp'))
	{
		my $error = is_error($answer, 406, 'PGRST106', 'another schema');
		is($error->{message}, 'Invalid schema: pdpp', 'message');
		is($error->{hint}, 'Only the following schemas are exposed: public', 'hint');
	}
};

subtest 'the owner and nobody else' => sub {
	for my $method (qw(GET HEAD POST OPTIONS))
	{
		for my $function (@reads, @writes)
		{
			next if $function =~ /now|cancel/ && $method =~ /GET|HEAD/;
			my $answer = $gateway->request($method, "/rpc/$function?run_id=run_1", []);
			is($answer->{status}, 401, "$method $function without a session");
			like($answer->{headers}{'www-authenticate'}, qr/^Bearer realm=/, 'WWW-Authenticate');
			is_error($answer, 401, 'PGRST302', "$method $function") unless $method eq 'HEAD';
		}
	}
	is_error($gateway->get('/rpc/pdpp_run_status?run_id=run_1', Authorization => 'Bearer x.y'), 401, 'PGRST301', 'a bad token');
	my $cookie = 'pdpp_owner_session=' . PdppGateway::token();
	is($gateway->get('/rpc/pdpp_run_status?run_id=run_1', Cookie => $cookie)->{status}, 200, 'the cookie of a session');
	my @form = (Cookie => $cookie, 'Content-Type' => 'application/x-www-form-urlencoded');
	my $forged = $gateway->request('POST', '/rpc/pdpp_run_now', [ @form, Origin => 'https://evil.example' ], 'connector_id=forged');
	is_error($forged, 403, 'origin_mismatch', 'a form of another site');
	is(sql(q{SELECT count(*) FROM pdpp.controller_active_runs WHERE connector_id = 'forged'}), '0', 'starts nothing');
	is($gateway->get('/rpc/nope')->{status}, 404, 'an unknown function comes before the session');
	is($gateway->request('PUT', '/rpc/pdpp_run_status')->{status}, 405, 'and so does the method');
	is($gateway->get('/rpc/pdpp_run_status')->{status}, 401, 'the arguments come after it');
};

subtest 'as postgrest-js sends them' => sub {
	my @always = (
		'accept-language' => '*', 'sec-fetch-mode' => 'cors', 'user-agent' => 'node', 'accept-encoding' => 'gzip, deflate');
	my $send = sub {
		my ($method, $target, $headers, $body) = @_;
		my @profile = $method eq 'POST' ? ('content-profile' => 'public', @json) : ('accept-profile' => 'public');
		return $gateway->request($method, $target, [ connection => 'keep-alive', @owner, @profile, @$headers, @always ], $body);
	};
	my @any = (accept => '*/*');
	my @count = (prefer => 'count=exact');

	# rpc('pdpp_run_status', {run_id: 'run_1'})
	my $answer = $send->('POST', '/rpc/pdpp_run_status', \@any, '{"run_id":"run_1"}');
	is(is_result($answer, 200, '0-0/*', 'rpc')->{run_id}, 'run_1', 'data');
	# rpc('pdpp_run_status', {run_id: 'run_1'}, {get: true})
	$answer = $send->('GET', '/rpc/pdpp_run_status?run_id=run_1', \@any);
	is(is_result($answer, 200, '0-0/*', 'get')->{run_id}, 'run_1', 'data');
	# rpc('pdpp_run_statuses', {run_ids: ['run_1', 'run_2']}, {get: true, count: 'exact'}).range(0, 0)
	$answer = $send->('GET', '/rpc/pdpp_run_statuses?run_ids=%7Brun_1%2Crun_2%7D&offset=0&limit=1', [ @any, @count ]);
	is(scalar @{ is_result($answer, 206, '0-0/2', 'count and range') }, 1, 'data');
	# rpc('pdpp_run_statuses', {run_ids: ['run_1']}, {head: true, count: 'exact'})
	$answer = $send->('HEAD', '/rpc/pdpp_run_statuses?run_ids=%7Brun_1%7D', [ @any, @count ]);
	is("$answer->{status} $answer->{headers}{'content-range'}", '200 0-0/1', 'head and count');
	# rpc('pdpp_run_statuses', {run_ids: ['run_1']}).select().single()
	my @single = (accept => $object, prefer => 'return=representation');
	$answer = $send->('POST', '/rpc/pdpp_run_statuses?select=*', \@single, '{"run_ids":["run_1"]}');
	is($answer->{json}{run_id}, 'run_1', 'select and single');
	# rpc('pdpp_run_statuses', {run_ids: ['run_1']}).eq('http_status', 404)
	$answer = $send->('POST', '/rpc/pdpp_run_statuses?http_status=eq.404', \@any, '{"run_ids":["run_1"]}');
	is_error($answer, 400, 'PGRST100', 'a filter');
	# rpc('pdpp_run_now', {connector_id: 'js', data: {a: 1}})
	$answer = $send->('POST', '/rpc/pdpp_run_now', \@any, '{"connector_id":"js","data":{"a":1}}');
	is(is_result($answer, 200, '0-0/*', 'a run')->{object}, 'run_ack', 'acknowledged');
	# rpc('pdpp_run_settle')
	$answer = $send->('POST', '/rpc/pdpp_run_settle', \@any, '{}');
	is_error($answer, 404, 'PGRST202', 'a function that is not served');
};

subtest 'a database that is away, or silent' => sub {
	my $small = PdppGateway->start(conninfo => $node->connstr('postgres') . ' application_name=small',
		args => [ '--pool', '1', '--statement-timeout', '300' ]);
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('BEGIN; LOCK TABLE pdpp.spine_events IN ACCESS EXCLUSIVE MODE');
	my $ask = '/rpc/pdpp_run_timeline?run_id=run_1';
	is_error($small->get_as_owner($ask), 504, '57014', 'a statement that takes too long');
	$holder->quit;
	is($small->get_as_owner($ask)->{status}, 200, 'afterwards all is well');
	$node->stop('fast');
	my @write = ('POST', '/rpc/pdpp_run_now', [ @owner, @json ], '{"connector_id": "x"}');
	for my $answer ($small->get_as_owner($ask), $small->request(@write))
	{
		is_error($answer, 503, 'PGRST000', 'no database');
		is($answer->{headers}{'retry-after'}, '1', 'Retry-After');
	}
	$node->start;
	is($small->get_as_owner($ask)->{status}, 200, 'and back');
	is($small->stop, 0, 'stops');
};

subtest 'a database that is lost at COMMIT' => sub {
	my $behind = sub {
		my ($mode, %option) = @_;
		my $proxy = CuttingProxy->new($mode, $node->host . '/.s.PGSQL.' . $node->port, call => qr/_run_now\(|_run_status\(/, %option);
		return ($proxy, PdppGateway->start(conninfo => $proxy->conninfo . ' dbname=postgres user=' . sql('SELECT current_user'),
				args => [ '--pool', '1' ]));
	};
	my $start = sub {
		my ($lossy, $connection) = @_;
		return $lossy->request('POST', '/rpc/pdpp_run_now', [ @owner, @json ], qq({"connector_id": "$connection"}));
	};
	my $admissions = sub { return sql("SELECT count(*) FROM pdpp.spine_events WHERE connector_instance_id = '$_[0]'"); };
	for my $mode ('unsent', 'unanswered', 'unheard')
	{
		my ($proxy, $lossy) = $behind->($mode);
		is_result($start->($lossy, "cut-$mode"), 200, '0-0/*', "$mode: the answer is found out");
		is($admissions->("cut-$mode"), 1, "$mode: one run");
		like($lossy->log, qr/function=pdpp_run_now answer lost/, "$mode: in the log");
		is($lossy->stop, 0, 'stops');
		$proxy->stop;
	}
	my ($proxy, $lossy) = $behind->('unheard', times => 1_000_000);
	my $answer = $start->($lossy, 'doubt');
	my $error = is_error($answer, 503, 'in_doubt', 'what cannot be found out');
	is($answer->{headers}{'retry-after'}, '1', 'Retry-After');
	my $ids = JSON::PP::decode_json($error->{details});
	my $run = $gateway->get_as_owner("/_ref/runs/$ids->{run_id}")->{json};
	is($run->{trace_id}, $ids->{trace_id}, 'names the run and its trace');
	is($lossy->stop, 0, 'stops');
	$proxy->stop;
};

subtest 'no answer is endless' => sub {
	sql(qq{SELECT pdpp_run_now('mail', 'mail-big', 'run_big'); SELECT pdpp_run_settle('run_big', 'failed', jsonb_build_object('message', repeat('"', 30000)))});
	my $one = length JSON::PP->new->canonical->encode(post('pdpp_run_status', { run_id => 'run_big' })->{json});
	cmp_ok($one, '>', 60000, 'a status that takes some place');
	my @ids = map { $_ % 3 ? 'run_big' : 'run_1' } 1 .. 300;
	my (@seen, $pages);
	my $offset = 0;
	while ($offset < @ids)
	{
		$pages++;
		my $answer = get('pdpp_run_statuses', [ run_ids => '{' . join(',', @ids) . '}', offset => $offset ]);
		cmp_ok(length $answer->{body}, '<=', (4 << 20) + 1000, "page $pages: a page of 4 MiB");
		my $rows = $answer->{json};
		my $last = $offset + @$rows - 1;
		my $is_last = $last == $#ids;
		is($answer->{status}, $is_last ? 200 : 206, "page $pages: whether there is more");
		is($answer->{headers}{'content-range'}, $is_last ? "$offset-$last/*" : "$offset-$last/300", "page $pages: what it has, and of how many");
		push @seen, map { "$_->{ordinal} $_->{run_id}" } @$rows;
		last unless @$rows;
		$offset = $last + 1;
	}
	is_deeply(\@seen, [ map { "$_ $ids[$_ - 1]" } 1 .. @ids ], 'all of them, each once');
	cmp_ok($pages, '>', 2, 'on several pages');
	my $posted = post('pdpp_run_statuses', { run_ids => \@ids }, Prefer => 'count=exact');
	is($posted->{status}, 206, 'POST, counted: 206');
	like($posted->{headers}{'content-range'}, qr{^0-\d+/300$}, 'of how many');
	my $limited = get('pdpp_run_statuses', [ run_ids => '{' . join(',', @ids) . '}', limit => 10 ]);
	is_result($limited, 200, '0-9/*', 'a limit that there is room for cuts nothing off');

	my @many = ('run_1') x 5000;
	my $answer = post('pdpp_run_statuses', { run_ids => \@many, });
	is($answer->{status}, 200, 'as many ids as there may be');
	is(scalar @{ $answer->{json} }, 5000, 'all are answered');
	is_error($_, 400, '22023', 'one more')
	  for post('pdpp_run_statuses', { run_ids => [ @many, undef ] }), post('pdpp_run_statuses', { run_ids => '{' . join(',', @many, '"a"') . '}' }),
	  $gateway->request('POST', '/rpc/pdpp_run_statuses', [ @owner, 'Content-Type' => 'application/x-www-form-urlencoded' ],
		'run_ids={' . join(',', @many, 'x') . '}');
	is_result(post('pdpp_run_statuses', { run_ids => [ join(',', @many) ] }), 200, '0-0/*', 'commas in an id do not count');
};

subtest 'what the transaction is told, and what becomes of the database\'s errors' => sub {
	sql(q{CREATE OR REPLACE FUNCTION pdpp_run_status(run_id text) RETURNS jsonb LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
		BEGIN
			IF run_id ~ '^status ' THEN PERFORM set_config('response.status', substr(run_id, 8), true);
			ELSIF run_id <> 'settings' THEN
				RAISE EXCEPTION 'words of the database' USING ERRCODE = split_part(run_id, ' ', 1), DETAIL = 'secret', HINT = 'hint';
			END IF;
			RETURN jsonb_build_object('method', current_setting('request.method'), 'path', current_setting('request.path'),
				'read_only', current_setting('transaction_read_only'), 'headers', current_setting('request.headers', true));
		END $$});
	for my $method (qw(GET POST))
	{
		my @ask = (run_id => 'settings');
		my $answer = $method eq 'GET' ? get('pdpp_run_status', \@ask) : post('pdpp_run_status', {@ask});
		is_deeply($answer->{json}, { method => $method, path => '/rpc/pdpp_run_status', read_only => 'on', headers => undef },
			"$method: method and path, and no writing");
	}
	for my $case ([ 201, 201 ], [ 404, 404 ], [ 418, 418 ])
	{
		is(get('pdpp_run_status', [ run_id => "status $case->[0]" ])->{status}, $case->[1], "response.status $case->[0]");
	}
	is_error(get('pdpp_run_status', [ run_id => "status $_" ]), 500, 'PGRST112', "response.status <$_>")
	  for 'x', '99', '4040', '1e2';
	my %status = (
		'08006' => 503, '09000' => 500, '0L000' => 403, '0P000' => 403, '23503' => 409, '23505' => 409, '23514' => 400, '25006' => 503,
		'21000' => 500, '22023' => 400, '25001' => 500, '2D000' => 500, '38000' => 500, '39000' => 500, '3B000' => 500, '40001' => 503,
		'40P01' => 503, '28000' => 403, '53400' => 500, '53300' => 503, '54000' => 503, '54001' => 503, '55P03' => 503, '55006' => 500, '57014' => 504,
		'57P01' => 503, '57000' => 500, '58030' => 503, '58P01' => 503, '72000' => 503, 'F0000' => 500, 'HV000' => 500, 'XX000' => 500, 'P0001' => 400, 'P0002' => 500,
		'42883' => 404, '42P01' => 404, '42P17' => 500, '42501' => 403, '42601' => 400, 'PT402' => 402, 'PT599' => 599, 'PT200' => 400,
		'PTXYZ' => 400, 'ZZ000' => 400);
	for my $sqlstate (sort keys %status)
	{
		my $answer = get('pdpp_run_status', [ run_id => $sqlstate ]);
		is_error($answer, $status{$sqlstate}, $sqlstate, $sqlstate);
		unlike($answer->{head} . $answer->{body}, qr/words of the database|secret|hint":"/, 'no word of the database gets out');
		is($answer->{headers}{'retry-after'}, $status{$sqlstate} == 503 ? '1' : undef, 'Retry-After');
	}
	like($gateway->log, qr/function=pdpp_run_status sqlstate=XX000 "words of the database"/, 'the log has it');
};

is($gateway->stop, 0, 'the gateway stops cleanly');
unlike($gateway->log, qr/pdpp_owner_session=|Bearer|eyJ/, 'no secret is logged');
$node->stop;

done_testing();
