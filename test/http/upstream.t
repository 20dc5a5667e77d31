# `pdpp serve --upstream`: the gateway beside a server that is there already. What is ours is answered here, all else is
# handed on and back as it comes.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use Digest::SHA ();
use PdppCluster;
use PdppGateway;
use POSIX ();
use PostgreSQL::Test::Utils;
use Programs qw(:DEFAULT memory_ok);
use Socket ();
use Test::More;
use Upstream;

my $node = PdppCluster->running('upstream');
$node->safe_psql('postgres', q{SELECT pdpp_run_now('c', run_id => 'run_ours'); SELECT pdpp_run_now('d', run_id => 'run_ended');
	SELECT pdpp_run_settle('run_ended', 'completed')});
my $upstream = Upstream->start;
my @database = (conninfo => $node->connstr('postgres'));
our $gateway = PdppGateway->start(@database, admin => 1, args => [ '--upstream', $upstream->url, '--upstream-timeout', '60' ]);
my @session = (Authorization => 'Bearer ' . PdppGateway::token());

# What the server behind was sent, by a path that tells.
sub told { return $gateway->request(@_)->{json}; }

sub is_error
{
	my ($answer, $status, $code, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($answer->{status}, $status, "$name: $status");
	is(($answer->{json} // {})->{error}{code}, $code, "$name: $code");
	return;
}

sub await { my ($what, $name) = @_; PdppGateway::await($what, $name); return; }

subtest 'whose is what' => sub {
	is($gateway->get('/_ref/runs/run_ours', @session)->{json}{object}, 'run_status', 'a run that is known here');
	is($gateway->get('/_ref/runs/run_ours/timeline', @session)->{json}{object}, 'run_timeline', 'and its timeline');
	is($gateway->request('HEAD', '/_ref/runs/run_ours', [@session])->{status}, 200, 'HEAD too');
	is($gateway->get('/_ref/runs/run_ended', @session)->{json}{status}, 'completed', 'one that has ended');
	is($upstream->account, '', 'of all that the other server hears nothing');
	for my $request (
		[ 'GET', '/' ], [ 'GET', '/console/index.html?a=b&c=%2f' ], [ 'POST', '/owner/login' ], [ 'GET', '/owner/session' ], [ 'GET', '/_ref/runs' ],
		[ 'GET', '/_ref/runs?status=failed' ], [ 'POST', '/_ref/connections/c/run' ], [ 'POST', '/_ref/connectors/c/run' ], [ 'GET', '/rpc/pdpp_run_status?run_id=run_ours' ],
		[ 'POST', '/_ref/runs/run_ours' ], [ 'GET', '/_ref/runs/run_ours/other' ], [ 'GET', '/_ref/runs/' ], [ 'DELETE', '/a|b' ],
		[ 'GET', '//_ref/runs/run_ours' ], [ 'PURGE', '/x' ], [ 'OPTIONS', '/x' ], [ 'POST', '/_ref/runs/run_ours/timeline' ])
	{
		my ($method, $target) = @$request;
		my $told = told($method, $target, [], $method eq 'POST' ? '{}' : undef);
		is($told->{method}, $method, "$method $target is handed on");
		is($told->{target}, $target, 'as it is');
	}
	is_error($gateway->request('POST', '/_ref/runs/run_ours/cancel', [@session], ''), 404, 'no_active_run', 'a cancel: their code');
	is_error($gateway->request($_, '/x'), 405, 'method_not_allowed', $_) for 'TRACE', 'CONNECT';
	is_error($gateway->get('/_ref/runs/run_ours'), 401, 'owner_session_required', 'our reads need a session');
	is_error($gateway->get('/_ref/runs/run_ours?x=y', @session), 400, 'invalid_request', 'and are as they are elsewhere');
};

subtest 'pages are those of the other server' => sub {
	my @browser = (Accept => 'text/html,application/xhtml+xml,*/*;q=0.8');
	is(told('GET', '/_ref/runs', [ @session, @browser ])->{target}, '/_ref/runs', 'the list');
	is(told('GET', '/assets/pdpp.css', \@browser)->{target}, '/assets/pdpp.css', 'what they refer to');
	is($gateway->get('/_ref/runs/run_ours', @session, @browser)->{json}{object}, 'run_status', 'a run of ours has none');
	is_error($gateway->get('/_ref/runs/run_ours', @browser), 401, 'owner_session_required', 'and leads to no login');
};

subtest 'a run that is not known here' => sub {
	for my $target ('/_ref/runs/run_theirs', '/_ref/runs/run_theirs/timeline?limit=5', '/_ref/runs/run_theirs?detail=all', '/_ref/runs/run_theirs/timeline?limit=x',
		'/_ref/runs/a%2Fb', '/_ref/runs/' . 'x' x 300)
	{
		my $told = $gateway->get($target, @session)->{json};
		is($told->{target}, $target, "the other server is asked: $target");
	}
	is($gateway->get('/_ref/runs/run_theirs', @session, Accept => 'text/event-stream')->{json}{target}, '/_ref/runs/run_theirs', 'for a stream too');
	is($gateway->get('/_ref/runs/run_theirs', @session, Accept => 'text/html')->{json}{target}, '/_ref/runs/run_theirs', 'for a type that we have not');
	is($gateway->request('HEAD', '/_ref/runs/run_theirs', [@session])->{headers}{'x-head'}, 'yes', 'HEAD too');
	is($gateway->request('GET', '/_ref/runs/run_theirs', [@session], 'body')->{json}{length}, 4, 'with a body');
	my $count = () = $upstream->account =~ /run_theirs/g;
	is_error($gateway->get('/_ref/runs/run_theirs'), 401, 'owner_session_required', 'but only for who has a session');
	is(() = $upstream->account =~ /run_theirs/g, $count, 'nobody else');
};

subtest 'headers of requests' => sub {
	my $told = told('GET', '/headers_in', [
		'Cookie' => 'pdpp_owner_session=x; a=b', 'Authorization' => 'Bearer x', 'X-Forwarded-For' => '6.6.6.6', 'X-Forwarded-Proto' => 'https',
		'X-Forwarded-Host' => 'evil.example', 'X-Forwarded-Port' => '1', 'X-Forwarded-Whatever' => 'x', 'Forwarded' => 'for=6.6.6.6', 'X-Real-IP' => '6.6.6.6',
		(map { $_ => '6.6.6.6' } qw(X-Forwarded Forwarded-For X-Client-IP Client-IP True-Client-IP Fastly-Client-IP X-Cluster-Client-IP WL-Proxy-Client-IP CF-Connecting-IP CF-Connecting-IPv6
			X-Azure-ClientIP X-Azure-SocketIP X-Envoy-External-Address X-Remote-IP X-Remote-Addr X-ProxyUser-Ip X_Client_IP X-Forward-For X-Real-Port
			X-Originating-IP Ali-CDN-Real-IP Cdn-Src-Ip X-Forwarder-For HTTP_X_FORWARDED_FOR X-Source-IP Client-Cert X-SSL-Client-Verify X-Remote-User)),
		(map { $_ => '/a' } qw(X-Prefix X-Script-Name X-Base-Url X-Base-Path)), (map { $_ => 'https' } qw(X-Proto X-Protocol X-SSL)),
		(map { $_ => 'evil.example' } qw(X-Host X-Original-Host X-HTTP-Host-Override)), (map { $_ => '/admin' } qw(X-Original-URL X-Rewrite-URL)),
		(map { $_ => 'https' } qw(X-Scheme X-URL-Scheme)), 'Front-End-Https' => 'on',
		'X_Forwarded_For' => '6.6.6.6', 'Proxy' => 'http://evil', 'Connection' => 'keep-alive, X-Secret', 'X-Secret' => 's', 'Keep-Alive' => 'timeout=1',
		'TE' => 'trailers', 'Upgrade' => 'h2c', 'Proxy-Authorization' => 'Basic x', 'Proxy-Connection' => 'close', 'Trailer' => 'X', 'X-Kept' => '1', 'x-kept' => '2',
		'Origin' => 'https://elsewhere.example', 'Via' => '1.0 before', 'Request-Id' => 'req_mine' ]);
	my $host = '127.0.0.1:' . $gateway->port;
	is_deeply($told->{lines}, [
		"Host: $host", 'Cookie: pdpp_owner_session=x; a=b', 'Authorization: Bearer x', 'X-Kept: 1', 'x-kept: 2', 'Origin: https://elsewhere.example',
		'X-Forwarded-For: 127.0.0.1', 'X-Forwarded-Proto: http', "X-Forwarded-Host: $host", qq(Forwarded: for=127.0.0.1;host="$host";proto=http),
		$told->{lines}[-2], 'Request-Id: req_mine' ],
		'what is of the connection stays here, what is told of the client is told by us');
	like($told->{lines}[-2], qr/^Via: 1\.0 before, (1\.1 pdpp-[0-9a-f]{16})$/, 'and that it came through here');
	my ($via) = $told->{lines}[-2] =~ /(pdpp-\w+)/;
	is_error($gateway->get('/x', Via => "1.1 $via"), 502, 'upstream_unavailable', 'what came through here is not handed on to itself');
	my $client = $gateway->connect;
	$client->send("GET http://runs.example.org/x?y HTTP/1.1\r\nHost: other\r\n\r\n");
	$told = $client->receive->{json};
	is($told->{target}, '/x?y', 'a target with a host: its path');
	is($told->{lines}[0], 'Host: runs.example.org', 'and its host');
	$client = $gateway->connect;
	$client->send("GET /x HTTP/1.0\r\n\r\n");
	$told = $client->receive->{json};
	is($told->{lines}[0], 'Host: 127.0.0.1:' . $upstream->port, 'who names no host asks that server');
	my $public = PdppGateway->start(@database, args => [ '--upstream', $upstream->url, '--public-url', 'https://runs.example.org' ]);
	ok((grep { $_ eq 'X-Forwarded-Proto: https' } @{ $public->get('/x')->{json}{lines} }), 'the scheme is that of --public-url');
	my $path = PostgreSQL::Test::Utils::tempdir_short() . '/g';
	my $local = PdppGateway->start(@database, path => $path, args => [ '--upstream', $upstream->url ]);
	my $unix = PdppGateway::Client->of(IO::Socket::UNIX->new(Peer => $path), 'localhost');
	$told = $unix->request('GET', '/x')->{json};
	is(scalar(grep { /^X-Forwarded-For|^Forwarded: for=unknown;host="localhost"/ } @{ $told->{lines} }), 1, 'who comes by a unix socket has no address');
};

subtest 'answers come back as they are' => sub {
	my $client = $gateway->connect;
	$client->send_request('GET', '/headers');
	my $answer = $client->receive;
	is($answer->{head}, join("\r\n", 'Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2; HttpOnly', 'X-One: 1', 'x-one: 2', 'Request-Id: req_theirs',
		'Date: Sat, 01 Aug 2026 10:00:00 GMT', 'Cache-Control: max-age=7', 'Content-Length: 2', ''), 'every header but those of the connection');
	is($answer->{status}, 299, 'a status that nobody knows');
	is($answer->{body}, 'ok', 'the body');
	$answer = $client->request('GET', '/no_content');
	is_deeply([ @{$answer}{qw(status body)}, $answer->{headers}{'content-length'} ], [ 204, '', undef ], 'no content');
	$answer = $client->request('HEAD', '/not_modified');
	is_deeply([ $answer->{status}, $answer->{headers}{etag}, $answer->{headers}{'content-length'} ], [ 304, '"x"', 77 ], '304 with the length of what there is');
	$answer = $client->request('HEAD', '/x');
	is_deeply([ @{$answer}{qw(status body)}, $answer->{headers}{'content-length'} ], [ 200, '', 1234 ], 'HEAD: the length, and no body');
	$answer = $client->request('GET', '/empty_chunks');
	is_deeply([ @{$answer}{qw(status body)} ], [ 200, '' ], 'chunks without any');
	is($client->request('GET', '/early_hints')->{body}, 'late', 'what comes before the answer is not it');
	is($client->request('GET', '/until_close')->{body}, 'until the end', 'a body that ends with its connection');
	is($client->request('GET', '/trailers')->{body}, 'abc', 'chunks with an extension, and a trailer');
	like($client->request('GET', '/x')->{headers}{'request-id'}, qr/^req_[0-9a-f]{32}$/, 'a Request-Id where there is none');
	my $old = $gateway->connect;
	$old->send("GET /trailers HTTP/1.0\r\nHost: a\r\n\r\n");
	$answer = $old->receive_head;
	is($answer->{headers}{'transfer-encoding'}, undef, 'no chunks for HTTP/1.0');
	$old->fill until $old->{eof};
	is($old->{buffer}, 'abc', 'but the body, to the end of the connection');
};

subtest 'bodies' => sub {
	my $client = $gateway->connect;
	is(told('POST', '/x', [], '')->{length}, 0, 'an empty one');
	my $body = join '', map { chr(rand 256) } 1 .. 300_000;
	my $digest = Digest::SHA::sha1_hex($body);
	is(told('PUT', '/x', [], $body)->{digest}, $digest, 'one larger than what is taken elsewhere');
	$client->send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (my $sent = 0; $sent < length $body; $sent += 70_001)
	{
		my $chunk = substr $body, $sent, 70_001;
		$client->send(sprintf "%x;e=f\r\n%s\r\n", length $chunk, $chunk);
	}
	$client->send("0\r\nX-Trailer: 1\r\n\r\n");
	my $told = $client->receive->{json};
	is($told->{digest}, $digest, 'one in chunks');
	is((grep { /X-Trailer/ } @{ $told->{lines} }), 0, 'without what is behind it');
	is($client->request('POST', '/x', [], 'after')->{json}{length}, 5, 'and the connection goes on');

	# both ways at once: whoever waits for the end of one before the other never comes to it
	my $total = 32 << 20;
	$client->send("POST /mirror HTTP/1.1\r\nHost: a\r\nContent-Length: $total\r\n\r\n");
	my ($sent, $received) = (0, 0);
	my $piece = substr($body, 0, 65536);
	$client->send(substr $piece, 0, 10);
	$sent = 10;
	is($client->receive_head->{headers}{'transfer-encoding'}, 'chunked', 'an answer that begins before the body has ended');
	is($client->chunk, substr($piece, 0, 10), 'is told at once');
	my $sender = fork // die;
	if (!$sender)
	{
		while ($sent < $total)
		{
			my $size = $total - $sent < length $piece ? $total - $sent : length $piece;
			$client->send(substr $piece, 0, $size);
			$sent += $size;
		}
		POSIX::_exit(0);
	}
	$received = 10;
	while (length(my $chunk = $client->chunk // '')) { $received += length $chunk; }
	is($received, $total, '32 MiB both ways');
	waitpid $sender, 0;
	ok($client->is_closed, 'whose connection is not used again');
	is_error($gateway->request('POST', '/_ref/runs/run_ours?', [@session, 'X-HTTP-Method-Override' => 'GET'], 'x' x 200_000), 200 => undef, 'a large body of what only looks like ours');
};

subtest 'a client that reads slowly, and memory' => sub {
	my $total = 200 << 20;
	my $client = $gateway->connect;
	$client->send_request('GET', "/large?$total");
	is($client->receive_head->{headers}{'content-length'}, $total, 'a large answer');
	my $before = -1;
	await(sub { my $now = $upstream->progress('large'); my $stands = $now == $before; $before = $now; return $stands && $now > 0 }, 'nobody writes any more');
	cmp_ok($before * 65536, '<', $total / 2, 'is not read faster than the client takes it');
	my $received = length $client->{buffer};
	$client->{buffer} = '';
	while ($received < $total)
	{
		my $size = sysread $client->{socket}, my $bytes, 1 << 20;
		last unless $size;
		$received += $size;
	}
	is($received, $total, 'and comes whole');
	my ($peak) = slurp_file('/proc/' . $gateway->pid . '/status') =~ /VmHWM:\s*(\d+) kB/;
	memory_ok($peak, 150_000, 'of which nothing is kept');
};

subtest '100-continue' => sub {
	my $client = $gateway->connect;
	$client->send("POST /wants HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	await(sub { $upstream->count('POST /wants') }, 'the head is handed on');
	$upstream->allow('wants');
	is($client->receive_head->{status}, 100, 'the server behind wants the body');
	$client->send('body');
	my $told = $client->receive->{json};
	is($told->{length}, 4, 'and gets it');
	ok((grep { $_ eq 'Expect: 100-continue' } @{ $told->{lines} }), 'it was asked');
	$client = $gateway->connect;
	$client->send("POST /refuses HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\nExpect: 100-continue\r\n\r\n");
	my $answer = $client->receive;
	is($answer->{status}, 413, 'one that does not want it says so instead');
	is($answer->{headers}{connection}, 'close', 'and the connection ends, since nobody knows what comes on it');
	$client = $gateway->connect;
	$client->send("POST /refuses HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" . 'x' x 100_000);
	is($client->receive->{status}, 413, 'to a client that did not ask, too');
	$client = $gateway->connect;
	$client->send("POST /never_mind HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	is($client->receive_head->{status}, 100, 'of one that says nothing the body is wanted after a while');
	$client->send('body');
	is($client->receive->{json}{length}, 4, 'and gets it');
};

subtest 'server-sent events' => sub {
	my $client = $gateway->connect;
	my $head = $client->open_stream('/events');
	is($head->{headers}{'content-type'}, 'text/event-stream; charset=utf-8', 'a stream');
	is($client->event->{id}, 1, 'the first, while the second is not there yet');
	$upstream->allow('event2');
	is($client->event->{id}, 2, 'the second');
	$upstream->allow('event3');
	is($client->event->{id}, 3, 'the third');
	is($client->event, undef, 'and the end');
	ok($client->{is_complete}, 'which is said');
	$client = $gateway->connect;
	$client->open_stream('/endless');
	is($client->block->{comment}, 'here', 'a stream without an end');
	close $client->{socket};
	await(sub { $upstream->progress('gone') }, 'the server behind hears that nobody listens');
	pass('a client that leaves is told to the server behind');
};

# It may have closed one side of its connection, and wait on the other.
subtest 'a client that says no more' => sub {
	my @clients = map { $gateway->connect } 1 .. 3;
	$clients[0]->send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	$clients[1]->send("POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
	$clients[2]->send("POST /later HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
	shutdown $_->{socket}, 1 for @clients;
	await(sub { $upstream->count('GET /later') == 1 && $upstream->count('POST /later') == 2 }, 'the server behind has them');
	$upstream->allow('later');
	for my $client (@clients)
	{
		my $answer = $client->receive;
		is("$answer->{status} $answer->{body}", '200 later', 'gets its answer');
	}
	my $client = $gateway->connect;
	$client->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nsome");
	shutdown $client->{socket}, 1;
	$client->fill until $client->{eof};
	is($client->{buffer}, '', 'one that ends within a body gets none, as elsewhere');
	$client = $gateway->connect;
	$client->send_request('GET', '/never');
	await(sub { $upstream->count('GET /never') }, 'a request is under way');
	setsockopt $client->{socket}, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack('ii', 1, 0);
	close $client->{socket};
	await(sub { $upstream->progress('never') }, 'a connection that is cut is one there too');
	await(sub { $gateway->log =~ /status.{1,3}499/ }, 'which the log says');
};

subtest 'WebSocket' => sub {
	my @upgrade = (Connection => 'keep-alive, Upgrade', Upgrade => 'websocket', 'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version' => '13');
	my $client = $gateway->connect;
	$client->send_request('GET', '/socket', \@upgrade);
	$client->send('early');
	my $head = $client->receive_head;
	is($head->{status}, 101, 'switches');
	is($head->{headers}{upgrade}, 'websocket', 'to what was asked for');
	is($head->{headers}{connection}, 'Upgrade', 'as both say');
	is($head->{headers}{'sec-websocket-accept'}, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'with the answer to the key');
	my $read = sub { my ($length) = @_; $client->fill until $client->{eof} || length $client->{buffer} >= $length; return substr $client->{buffer}, 0, $length, '' };
	is($read->(12), 'welcomeearly', 'what came with the heads, both ways');
	my $large = 'y' x 300_000;
	my $sender = fork // die;
	if (!$sender) { $client->send($large); POSIX::_exit(0) }
	is($read->(length $large), $large, 'and all that follows');
	waitpid $sender, 0;
	$client->send('bye');
	ok($client->is_closed, 'until one side ends it');
	like(slurp_file($upstream->folder . '/socket'), qr/^Connection: Upgrade\nUpgrade: websocket$/m, 'the upgrade is handed on');
	is($gateway->request('GET', '/x', \@upgrade)->{status}, 200, 'a server that does not switch answers');
	is_error($gateway->request('GET', '/switches'), 502, 'upstream_unavailable', 'one that switches unasked');
};

subtest 'what was said is carried, though one side has ended' => sub {
	my @upgrade = (Connection => 'Upgrade', Upgrade => 'websocket', 'Sec-WebSocket-Key' => 'x');
	my $open = sub { my ($path) = @_; my $client = $gateway->connect; $client->send_request('GET', $path, \@upgrade); $client->receive_head; return $client };
	my $client = $open->('/last_words');
	my $count = 3_000_000;
	$client->send('z' x $count);
	shutdown $client->{socket}, 1;
	$client->fill until $client->{eof};
	is($client->{buffer}, "$count bytes, then the end", 'the client first: that server hears all, and answers');
	$client = $open->('/ends_first');
	$client->fill until $client->{eof};
	is($client->{buffer}, 'mine', 'that server first');
	$upstream->allow('hears');
	$client->send('z' x $count);
	close $client->{socket};
	await(sub { $upstream->progress('end_of_heard') }, 'that server hears the end');
	is($upstream->progress('heard'), $count, 'and all that came before');
	my $hasty = PdppGateway->start(@database, args => [ '--upstream', $upstream->url, '--upstream-timeout', '2' ]);
	$open = sub { my ($path) = @_; my $client = $hasty->connect; $client->send_request('GET', $path, \@upgrade); $client->receive_head; return $client };
	my $silent = $open->('/ends_first');
	await(sub { $upstream->progress('end_of_heard') == 2 }, 'a client that is silent then is not waited for for ever');
	$client = $open->('/deaf');
	shutdown $client->{socket}, 1;
	ok($client->is_closed, 'that server neither');
};

subtest 'a server that fails' => sub {
	is_error($gateway->request('POST', "/$_", [], 'x'), 502, 'upstream_unavailable', $_)
	  for qw(dies_at_once dies_in_head no_http two_lengths list_of_lengths chunks_of_old length_and_chunks other_coding);
	like($gateway->request('POST', '/dies_at_once', [], 'x')->{json}{error}{message}, qr/is not known/, 'what became of a POST is not known');
	my $client = $gateway->connect;
	$client->send_request('GET', '/dies');
	is($client->receive_head->{headers}{'content-length'}, 1000, 'one that dies within a body that has a length');
	$client->fill until $client->{eof};
	is($client->{buffer}, 'some', 'is a connection that ends');
	$client = $gateway->connect;
	$client->send_request('GET', '/dies_in_chunks');
	$client->receive_head;
	is($client->chunk, 'some', 'one that dies within chunks');
	is($client->chunk, undef, 'is a body that has no end');
	my $hasty = PdppGateway->start(@database, args => [ '--upstream', $upstream->url, '--upstream-timeout', '1.5' ]);
	is_error($hasty->get('/never'), 504, 'upstream_timeout', 'one that never answers');
	is_error($hasty->request('POST', '/never', [], 'x'), 504, 'upstream_timeout', 'to a body neither');
	$client = $hasty->connect;
	$client->send_request('GET', '/stalls');
	$client->receive_head;
	$client->fill until $client->{eof};
	is($client->{buffer}, 'some', 'one that stops within an answer');
	$client = $hasty->connect;
	$client->open_stream('/endless');
	$client->block;
	is($hasty->get('/x')->{status}, 200, 'all that goes on');
	ok(!$client->has_more, 'and a stream of events may be silent');
};

subtest 'connections to it' => sub {
	# each thread has those that it has opened
	local $gateway = PdppGateway->start(@database, args => [ '--threads', '1', '--upstream', $upstream->url ]);
	my $first = told('GET', '/x');
	my $second = told('GET', '/x');
	is($second->{connection}, $first->{connection}, 'one serves again');
	my $client = $gateway->connect;
	my $others = told('POST', '/x', [], 'x');
	isnt($others->{connection}, $second->{connection}, 'not for what may not be done twice');
	my $stale = $upstream->count('GET /stale');
	my $third = told('GET', '/x');
	is($gateway->get('/stale')->{status}, 200, 'one that is closed as it is used again');
	cmp_ok($upstream->count('GET /stale') - $stale, '>=', 2, 'is another request');
	$stale = $upstream->count('POST /stale');
	is($gateway->request('POST', '/stale', [], 'x')->{status}, 200, 'a POST');
	is($upstream->count('POST /stale'), $stale + 1, 'is made once');
	is_error($gateway->request('GET', '/dies_at_once'), 502, 'upstream_unavailable', 'what fails on a new connection');
	cmp_ok($upstream->count('GET /dies_at_once'), '<=', 2, 'is not tried for ever');
};

subtest 'what could be understood in two ways' => sub {
	my $before = $upstream->account;
	for my $case (
		[ 'two lengths', "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab" ], [ 'a length and chunks', "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" ],
		[ 'another coding', "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" ], [ 'chunks twice', "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" ],
		[ 'a coding with a blank', "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" ], [ 'a length that is no number', "Content-Length: +1\r\n\r\na" ],
		[ 'a list of lengths', "Content-Length: 1, 1\r\n\r\na" ], [ 'a line without its end', "X: a\nContent-Length: 3\r\n\r\nabc" ], [ 'two hosts', "Host: b\r\n\r\n" ])
	{
		my ($name, $rest) = @$case;
		my $client = $gateway->connect;
		$client->send("POST /smuggled HTTP/1.1\r\nHost: a\r\n$rest" . "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n");
		is_error($client->receive, 400, 'invalid_request', $name);
		ok($client->is_closed, 'and no more of it');
	}
	for my $case ([ "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, 'invalid_request' ], [ 'X: ' . 'x' x 200_000 . "\r\n\r\n", 431, 'headers_too_large' ])
	{
		my ($rest, $status, $code) = @$case;
		my $client = $gateway->connect;
		$client->send("POST /rpc/pdpp_run_status HTTP/1.1\r\nHost: a\r\n$rest");
		is_error($client->receive, $status, $code, 'at /rpc, which is none of ours, as elsewhere');
	}
	is($upstream->account, $before, 'nothing is handed on');
	for my $case ([ 'a chunk that is none', "zz\r\n" ], [ 'a chunk longer than it says', "1\r\nab\r\n0\r\n\r\n" ], [ 'an endless extension', '1;' . 'x' x 100_000 ])
	{
		my ($name, $chunk) = @$case;
		my $client = $gateway->connect;
		$client->send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n$chunk");
		is_error($client->receive, 400, 'invalid_request', $name);
	}
	unlike($upstream->account, qr/hidden/, 'what hides behind is nowhere seen');
};

subtest 'log and metrics name it' => sub {
	my $answer = $gateway->request('GET', '/x', [ 'Request-Id' => 'req_for_the_log' ]);
	like($gateway->log, qr/req_for_the_log.*route.{1,3}upstream/, 'the log');
	unlike($gateway->log, qr{/console|pdpp_owner_session=x}, 'without path and cookies');
	my $metrics = $gateway->admin->get('/metrics')->{body};
	like($metrics, qr/pdpp_http_requests_total\{[^}]*route="upstream"[^}]*\} [1-9]/, 'the metrics');
	like($metrics, qr/pdpp_http_requests_total\{[^}]*route="upstream"[^}]*status="502"[^}]*\} [1-9]/, 'what failed too');
};

subtest 'when it is stopped' => sub {
	my $stopping = PdppGateway->start(@database, args => [ '--upstream', $upstream->url, '--drain-timeout', '60' ]);
	my ($busy, $stream, $socket) = map { $stopping->connect } 1 .. 3;
	$busy->send_request('GET', '/slowly');
	$stream->open_stream('/endless');
	$stream->block;
	$socket->send_request('GET', '/socket', [ Connection => 'Upgrade', Upgrade => 'websocket', 'Sec-WebSocket-Key' => 'x' ]);
	$socket->receive_head;
	await(sub { $upstream->count('GET /slowly') }, 'a request is under way');
	kill 'TERM', $stopping->pid;
	is($stream->block, undef, 'a stream of events ends');
	$socket->fill until $socket->{eof};
	pass('a WebSocket too');
	$upstream->allow('slowly');
	is($busy->receive->{body}, 'done', 'an answer is waited for');
	is($stopping->finish, 0, 'and that is all');
};

subtest 'when that server is away' => sub {
	my $port = $upstream->port;
	$upstream->stop;
	my $answer = $gateway->get('/x');
	is_error($answer, 502, 'upstream_unavailable', 'what is its');
	is($answer->{headers}{'retry-after'}, 1, 'come again');
	is_error($gateway->request('POST', '/x', [], 'x' x 100), 502, 'upstream_unavailable', 'with a body');
	is_error($gateway->get('/_ref/runs/run_theirs', @session), 502, 'upstream_unavailable', 'a run that only it may know is not said to be unknown');
	is($gateway->get('/_ref/runs/run_ours', @session)->{status}, 200, 'what is ours goes on');
	is($gateway->get('/_ref/runs/run_ended/timeline', @session)->{status}, 200, 'all of it');
	my $again = Upstream->start(port => $port);
	is($gateway->get('/x')->{status}, 200, 'and when it is back, so is the rest');
};

subtest 'under TLS' => sub {
	plan skip_all => 'openssl is not installed' unless grep { -x "$_/openssl" } split /:/, $ENV{PATH};
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @certificate = map { "$folder/$_" } qw(key.pem certificate.pem);
	PostgreSQL::Test::Utils::run_log([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost),
		'-keyout', $certificate[0], '-out', $certificate[1] ]) or die 'no certificate';
	my $free = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1)->sockport; # closed again
	my $secure = IPC::Run::start([ qw(openssl s_server -quiet -www -4 -accept), "127.0.0.1:$free", '-key', $certificate[0], '-cert', $certificate[1] ],
		'<', \'', '>', '/dev/null', '2>', '/dev/null');
	await(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $free) }, 'it listens');
	my $through = sub {
		my ($host, %env) = @_;
		my $gateway = PdppGateway->start(@database, args => [ '--upstream', "https://$host:$free" ], env => \%env);
		return $gateway->get('/');
	};
	my $answer = $through->('localhost', SSL_CERT_FILE => $certificate[1]);
	is($answer->{status}, 200, 'a server whose certificate is good');
	is_error($through->('localhost'), 502, 'upstream_unavailable', 'one of which nobody has heard');
	is_error($through->('127.0.0.1', SSL_CERT_FILE => $certificate[1]), 502, 'upstream_unavailable', 'one of another name');
	$secure->kill_kill;
};

subtest 'what is no address of a server' => sub {
	for my $case ('ftp://a', 'http://', 'localhost:3000', 'http://a/path', 'http://a?b', 'http://u:secret@a', 'http://a:0', 'http://a:99999')
	{
		my ($out, $err) = ('', '');
		IPC::Run::run([ $PdppGateway::program, 'serve', '--listen', '127.0.0.1:0', '--insecure-no-owner', '--db', $node->connstr('postgres'), '--upstream', $case ],
			'<', \'', '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		is($? >> 8, 2, "--upstream $case: usage");
		like($err, qr/--upstream/, 'which it says');
		unlike($err, qr/secret/, 'without a password');
	}
};

done_testing();
