# Runs over HTTP: statuses, timelines, the ids in their paths, and everything a request can get wrong.

use strict;
use warnings;
use utf8;

use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = PdppCluster->bare('runs', conf => 'client_encoding = UTF8');
$node->safe_psql('postgres', "CREATE DATABASE pdpp ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('pdpp', 'CREATE SCHEMA "API 1"; CREATE EXTENSION pdpp SCHEMA "API 1"');
my $gateway = PdppGateway->start(conninfo => $node->connstr('pdpp'));
my $owner = 'Bearer ' . PdppGateway::token();

# One value from SQL, as the bytes that PostgreSQL prints.
sub sql
{
	my ($statement) = @_;
	utf8::encode($statement);
	return $node->safe_psql('pdpp', "SET search_path = \"API 1\"; $statement");
}

# For the names of tests, which are ASCII.
sub shown { my ($text) = @_; $text =~ s/([^ -~])/sprintf '\\x{%X}', ord $1/ge; return $text; }

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

# The acknowledgement of a new run with this id on a connection of its own.
sub admit
{
	my ($run_id) = @_;
	my $id = literal($run_id);
	return JSON::PP::decode_json(
		sql("SELECT pdpp_run_now('connector', 'connection ' || md5($id), run_id => $id)"));
}

sub is_error
{
	my ($answer, $status, $code, $param, $name) = @_;
	my %type = (
		400 => 'invalid_request_error', 401 => 'authentication_error', 403 => 'permission_error',
		404 => 'not_found_error', 413 => 'request_entity_too_large_error');
	my $error = ($answer->{json} // {})->{error} // {};
	is($answer->{status}, $status, "$name: $status");
	is($error->{code}, $code, "$name: code $code");
	is($error->{type}, $type{$status} // 'api_error', "$name: type");
	is($error->{param}, $param, "$name: param");
	ok(length($error->{message} // ''), "$name: message");
	is($error->{request_id}, $answer->{headers}{'request-id'}, "$name: the request id is in the header and the body");
	is($answer->{headers}{'content-type'}, 'application/json', "$name: JSON");
	is($answer->{headers}{'cache-control'}, 'no-store', "$name: not stored") if $status == 401 || $status == 404;
	return;
}

subtest 'a status is forwarded byte for byte, from the acknowledgement to the end' => sub {
	my $ack = admit('run_life');
	is($ack->{links}{self}, '/_ref/runs/run_life', 'the link of the acknowledgement');
	for my $step (
		q{SELECT 1}, q{SELECT pdpp_run_started('run_life')},
		q{SELECT pdpp_run_settle('run_life', 'failed', '{"reason": "r", "known_gaps": [1.10, 12345678901234567890123]}')})
	{
		sql($step);
		my $answer = $gateway->get_as_owner($ack->{links}{self});
		is($answer->{status}, 200, "200 after $step");
		is($answer->{body}, sql("SELECT pdpp_run_status('run_life')"), 'the very bytes that PostgreSQL prints');
		is($answer->{headers}{'content-type'}, 'application/json', 'JSON');
	}
	like($gateway->get_as_owner($ack->{links}{self})->{body}, qr/\[1\.10, 12345678901234567890123\]/,
		'numbers keep every digit');
};

subtest 'the timeline, by pages' => sub {
	admit('run_pages');
	sql(q{SELECT pdpp_run_started('run_pages')});
	sql(qq{SELECT pdpp_run_event('run_pages', 'run.progress_reported', '{"n": $_.0}')}) for 1 .. 3;
	my $path = '/_ref/runs/run_pages/timeline';
	is($gateway->get_as_owner($path)->{body}, sql(q{SELECT pdpp_run_timeline('run_pages')}), 'the whole, byte for byte');
	is($gateway->get_as_owner("$path?limit=5000")->{json}{limit}, 5000, 'limit 5000 is passed on');

	my @seen;
	my $query = '?limit=2';
	while (1)
	{
		my $page = $gateway->get_as_owner("$path$query")->{json};
		is($page->{limit}, 2, 'limit 2 is passed on');
		push @seen, map { $_->{event_seq} } @{ $page->{data} };
		last unless $page->{next_cursor};
		my $cursor = $page->{next_cursor};
		$cursor =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
		$query = "?cursor=$cursor&limit=2";
		last if @seen > 5;
	}
	is_deeply(\@seen, [ 1 .. 5 ], 'the pages follow each other without a gap or a repeat');

	is_deeply($gateway->get_as_owner("$path?limit=&cursor=")->{json}, $gateway->get_as_owner($path)->{json},
		'an empty limit and an empty cursor are none');
	for my $limit ('0', '5001', '-1', '+1', '%2B1', '%201', '1%20', '1.0', '1e3', '0x1', '99999999999999999999')
	{
		is_error($gateway->get_as_owner("$path?limit=$limit"), 400, 'invalid_request', 'limit', "limit=$limit");
	}
	is_error($gateway->get_as_owner("$path?limit=1&limit=2"), 400, 'invalid_request', 'limit', 'a repeated limit');
	is_error($gateway->get_as_owner("$path?page_size=1"), 400, 'invalid_request', 'page_size', 'an unknown parameter');
	is_error($gateway->get_as_owner('/_ref/runs/run_pages?limit=1'), 400, 'invalid_request', 'limit',
		'a parameter that the status does not have');
	is_error($gateway->get_as_owner("$path?cursor=nonsense"), 400, 'invalid_cursor', 'cursor', 'a cursor of our own');
};

subtest 'the links of every id lead back to its run' => sub {
	my @ids = (
		'a/b', '/', '//', 'a b', ' ', '100%', '%41', '%2e%2e', '%', '%00', '🦊', 'Zoë/ﷺ', '...', '.x', '~', 'a+b', 'a&b=c',
		'?x=1#y', 'a;b', q{q'"`<>}, 'back\\slash', '{run_id}', '[a]|^', 'timeline', 'a/timeline', "\x{85}" . 'x',
		"\x{10FFFD}", 'x' x 256, 'é' x 128);
	for my $id (@ids)
	{
		my $ack = eval { admit($id) };
		if (!$ack)
		{
			diag "not admitted: " . shown($id) . ": $@" unless $id =~ /\x{85}/;
			ok($id =~ /\x{85}/, 'only an id with a control character is refused');
			next;
		}
		my $status = $gateway->get_as_owner($ack->{links}{self});
		is($status->{status}, 200, 'the handle of <' . shown($id) . '> resolves');
		is($status->{json}{run_id}, $id, 'to the same run');
		for my $link ($ack->{links}{timeline}, $status->{json}{links}{timeline})
		{
			my $timeline = $gateway->get_as_owner($link);
			is($timeline->{status}, 200, "its timeline $link resolves");
			is($timeline->{json}{run_id}, $id, 'to the same run');
		}
	}
};

subtest 'an unknown run is a typed 404' => sub {
	my %unknown = (
		'nope' => 'nope', '%2e%2e' => '..', '..' => '..', '.' => '.', '%2E' => '.', '%01' => "\x01", 'RUN_LIFE' => 'RUN_LIFE',
		'run_life%20' => 'run_life ', '%2541' . 'x' => '%41x', '%F0%9F%90%A2' => '🐢',
		'%7Brun_id%7D%22' => '{run_id}"');
	for my $segment (sort keys %unknown)
	{
		for my $path ("/_ref/runs/$segment", "/_ref/runs/$segment/timeline", "/_ref/runs/$segment/timeline?limit=1")
		{
			my $answer = $gateway->get_as_owner($path);
			is_error($answer, 404, 'not_found', 'run_id', $path);
			is($answer->{json}{error}{message}, "Run not found: $unknown{$segment}", 'it names the id, decoded once');
		}
	}
	is_error($gateway->get_as_owner('/_ref/runs/' . 'x' x 2000), 404, 'not_found', 'run_id', 'an id longer than any');
};

subtest 'a malformed target is 400, whoever asks and whatever the path' => sub {
	for my $target (
		'/_ref/runs/%', '/_ref/runs/%2', '/_ref/runs/%zz', '/_ref/runs/a%00', '/_ref/runs/%FF', '/_ref/runs/%C3',
		'/_ref/runs/%C0%AF', '/_ref/runs/%E0%80%AF', '/_ref/runs/%ED%A0%80', '/_ref/runs/%F4%90%80%80', '/nowhere/%00',
		'/_ref/runs/a?x=%00', '/_ref/runs/a?%ff', '/_ref/runs/a#fragment', '/_ref/runs/"', '_ref/runs/a',
		'http:///_ref/runs/a', 'ftp://host/_ref/runs/a', 'http://host/_ref/runs/a#x', '*')
	{
		is_error($gateway->get($target), 400, 'invalid_request', undef, $target);
	}
	is_error($gateway->get('/_ref/runs/' . 'x' x 9000), 414, 'uri_too_long', undef, 'a target over the limit');
	is_error($gateway->get('/_ref/runs/' . 'x' x 90000), 414, 'uri_too_long', undef, 'a target without an end');
};

subtest 'unknown paths and wrong methods' => sub {
	for my $path ('/_ref', '/_ref/runs/', '/_ref/runs//timeline', '/_ref/runs/a/', '/_ref/runs/a/b',
		'/_ref/runs/a/timeline/x', '//_ref/runs/a', '/favicon.ico', '/_ref/%2e%2e/runs/a')
	{
		is_error($gateway->get($path), 404, 'not_found', undef, $path);
	}
	for my $case (
		[ POST => '/_ref/runs/a', 'GET, HEAD' ], [ DELETE => '/_ref/runs/a', 'GET, HEAD' ],
		[ OPTIONS => '/_ref/runs/a/timeline', 'GET, HEAD' ], [ BREW => '/_ref/runs/a', 'GET, HEAD' ],
		[ GET => '/owner/login', 'POST' ], [ PUT => '/owner/logout', 'POST' ])
	{
		my ($method, $path, $allow) = @$case;
		my $answer = $gateway->request($method, $path);
		is_error($answer, 405, 'method_not_allowed', undef, "$method $path");
		is($answer->{headers}{allow}, $allow, 'Allow');
	}
};

subtest 'the order of checks' => sub {
	is($gateway->request('DELETE', '/nowhere/%zz')->{status}, 400, 'malformed before unknown path');
	is($gateway->request('DELETE', '/nowhere')->{status}, 404, 'unknown path before method');
	is($gateway->request('DELETE', '/_ref/runs/a')->{status}, 405, 'method before session');
	is($gateway->get('/_ref/runs/a/timeline?limit=x')->{status}, 401, 'session before parameters');
	is($gateway->get_as_owner('/_ref/runs/nope/timeline?limit=x')->{status}, 400, 'parameters before run');
};

subtest 'HEAD equals GET without the body' => sub {
	admit('run_head');
	for my $path ('/_ref/runs/run_head', '/_ref/runs/run_head/timeline?limit=1', '/_ref/runs/nope', '/_ref/runs/nope/timeline',
		'/_ref/runs/a/timeline?limit=x', '/nowhere')
	{
		my @headers = (Authorization => $owner, 'Request-Id' => 'same');
		my $client = $gateway->connect;
		my $get = $client->request('GET', $path, \@headers);
		my $head = $client->request('HEAD', $path, \@headers);
		delete $_->{headers}{date} for $get, $head;
		is($head->{status}, $get->{status}, "$path: status");
		is_deeply($head->{headers}, $get->{headers}, "$path: headers");
		is($get->{headers}{'content-length'}, length $get->{body}, "$path: the length is that of the body of GET");
		my $after = $client->request('GET', $path, \@headers);
		is($after->{body}, $get->{body}, "$path: no body came with HEAD, the connection goes on");
	}
};

subtest 'every answer carries a Request-Id' => sub {
	for my $path ('/_ref/runs/run_life', '/_ref/runs/nope', '/nowhere', '/%')
	{
		for my $id ('a', 'Az09._:-', 'x' x 128)
		{
			is($gateway->get_as_owner($path, 'Request-Id' => $id)->{headers}{'request-id'}, $id, "$path: a sane one comes back");
		}
		my %made;
		for my $id ('', 'a b', 'a/b', 'a,b', '"a"', 'x' x 129, "\xc3\xa9")
		{
			my $made = $gateway->get_as_owner($path, 'Request-Id' => $id)->{headers}{'request-id'};
			like($made, qr/^req_[0-9a-f]{32}$/, "$path: one is made in place of <" . shown($id) . '>');
			$made{$made} = 1;
		}
		is(scalar keys %made, 7, "$path: always another");
	}
	my $answer = $gateway->connect;
	$answer->send("nonsense\r\n\r\n");
	like($answer->receive->{headers}{'request-id'}, qr/^req_[0-9a-f]{32}$/, 'also where the request could not be read');
};

subtest 'a connection is kept for the next request' => sub {
	my $client = $gateway->connect;
	my @paths = ('/_ref/runs/run_life', '/_ref/runs/nope', '/%', '/nowhere', '/_ref/runs/run_life/timeline');
	for my $path (@paths, @paths)
	{
		ok($client->request('GET', $path, [ Authorization => $owner ]), "$path on the same connection");
	}
	$client->send_request('GET', "/_ref/runs/$_", [ Authorization => $owner, 'Request-Id' => $_ ]) for 1 .. 5;
	is($client->receive->{headers}{'request-id'}, $_, "pipelined request $_ is answered in its turn") for 1 .. 5;
	my $last = $client->request('GET', '/nowhere', [ Connection => 'close' ]);
	is($last->{headers}{connection}, 'close', 'Connection: close is answered with the same');
	ok($client->is_closed, 'and done');

	my $old = $gateway->connect;
	$old->send("GET /nowhere HTTP/1.0\r\n\r\n");
	is($old->receive->{status}, 404, 'HTTP/1.0 without Host is answered');
	ok($old->is_closed, 'and its connection closed');
	$old = $gateway->connect;
	for (1 .. 2)
	{
		$old->send("GET /nowhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
		is($old->receive->{headers}{connection}, 'keep-alive', 'HTTP/1.0 keeps it alive if asked to');
	}
};

subtest 'what is no acceptable HTTP is told so, and the connection closed' => sub {
	my %bad = (
		'nonsense' => [ "nonsense\r\n\r\n", 400, 'invalid_request' ],
		'no version' => [ "GET /\r\n\r\n", 400, 'invalid_request' ],
		'HTTP/3.7' => [ "GET / HTTP/3.7\r\nHost: x\r\n\r\n", 400, 'invalid_request' ],
		'no Host' => [ "GET /nowhere HTTP/1.1\r\n\r\n", 400, 'invalid_request' ],
		'a Host that is none' => [ "GET /nowhere HTTP/1.1\r\nHost: a b/c@\r\n\r\n", 400, 'invalid_request' ],
		'a Host with a user' => [ "GET /nowhere HTTP/1.1\r\nHost: user\@x\r\n\r\n", 400, 'invalid_request' ],
		'two Hosts' => [ "GET /nowhere HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, 'invalid_request' ],
		'a space in the target' => [ "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, 'invalid_request' ],
		'a header without colon' => [ "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400, 'invalid_request' ],
		'two lengths' => [ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, 'invalid_request' ],
		'a bad length' => [ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\na", 400, 'invalid_request' ],
		'a bad chunk' =>
		  [ "POST /owner/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, 'invalid_request' ],
		'much header' => [ "GET / HTTP/1.1\r\nHost: x\r\nCookie: " . 'x' x 20000 . "\r\n\r\n", 431, 'headers_too_large' ],
		'endless header' => [ "GET / HTTP/1.1\r\nHost: x\r\nCookie: " . 'x' x 60000, 431, 'headers_too_large' ],
		'a large body' => [
			"POST /owner/login HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" . 'x' x 200000, 413, 'body_too_large' ],
		'a large chunked body' => [
			"POST /owner/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n30000\r\n" . 'x' x 0x30000, 413,
			'body_too_large' ]);
	for my $name (sort keys %bad)
	{
		my ($bytes, $status, $code) = @{ $bad{$name} };
		my $client = $gateway->connect;
		$client->send($bytes);
		my $answer = $client->receive;
		is_error($answer, $status, $code, undef, $name);
		is($answer->{headers}{connection}, 'close', "$name: Connection: close");
		ok($client->is_closed, "$name: closed");
	}
};

subtest 'bodies that are not asked for do no harm' => sub {
	my $client = $gateway->connect;
	is($client->request('GET', '/_ref/runs/run_life', [ Authorization => $owner ], 'body')->{status}, 200, 'GET with a body');
	$client->send("GET /_ref/runs/run_life HTTP/1.1\r\nHost: x\r\nAuthorization: $owner\r\nContent-Length: 4\r\n"
		  . "Expect: 100-continue\r\n\r\n");
	is($client->receive->{status}, 100, 'a client that asks before it sends is told to go on');
	$client->send('body');
	is($client->receive->{status}, 200, 'and answered');
	my $old = $gateway->connect;
	$old->send("GET /_ref/runs/run_life HTTP/1.0\r\nAuthorization: $owner\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	$old->send('body');
	is($old->receive->{status}, 200, 'but not in HTTP/1.0, which knows no such answer');
};

subtest 'a target with scheme and host is answered like one without' => sub {
	for my $site ('http://host', 'HTTPS://host:8080', 'http://[::1]')
	{
		my $client = $gateway->connect;
		$client->send("GET $site/_ref/runs/run_life?x=1 HTTP/1.1\r\nHost: other\r\nAuthorization: $owner\r\n\r\n");
		is($client->receive->{status}, 400, "$site: with its query");
		$client->send("GET $site/_ref/runs/run_life HTTP/1.1\r\nHost: other\r\nAuthorization: $owner\r\n\r\n");
		is($client->receive->{json}{run_id}, 'run_life', "$site: its path");
	}
	my $client = $gateway->connect;
	$client->send("GET http://host HTTP/1.1\r\nHost: host\r\n\r\n");
	is($client->receive->{json}{openapi}, '3.1.0', 'without a path it is /');
};

subtest 'a request may come in any pieces' => sub {
	my $post = "POST /_ref/runs/run_life/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: $owner\r\n";
	my $json = "${post}Content-Type: application/json\r\n";
	my %requests = (
		'a GET' => [ "GET /_ref/runs/run_life HTTP/1.1\r\nHost: x\r\nAuthorization: $owner\r\n\r\n", 200 ],
		'a body with its length' => [ "${json}Content-Length: 2\r\n\r\n{}", 409 ],
		'chunks' => [ "${json}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=\"y\"\r\n}\r\n0\r\n\r\n", 409 ],
		'no chunk but the last' => [ "${post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 409 ],
		'fields after chunks' => [ "${post}Transfer-Encoding: chunked\r\n\r\n000\r\nX: y\r\nZ: z\r\n\r\n", 409 ],
		'a bad last chunk' => [ "${post}Transfer-Encoding: chunked\r\n\r\n0\r\nx\r\n\r\n", 400 ],
		'a bad chunk' => [ "${post}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 400 ]);
	for my $name (sort keys %requests)
	{
		my ($bytes, $status) = @{ $requests{$name} };
		for my $size (1, 2, 3, length $bytes)
		{
			my $client = $gateway->connect;
			for (my $at = 0; $at < length $bytes; $at += $size)
			{
				$client->send(substr $bytes, $at, $size);
				sleep 0.002; # for the pieces to arrive as such
			}
			is($client->receive->{status}, $status, "$name, $size bytes at a time");
		}
	}
};

subtest 'an empty line before a request is ignored' => sub {
	my $client = $gateway->connect;
	$client->send("\r\nGET /_ref/runs/run_life HTTP/1.1\r\nHost: x\r\nAuthorization: $owner\r\n\r\n") for 1 .. 2;
	is($client->receive->{json}{run_id}, 'run_life', 'answered') for 1 .. 2;
};

is($gateway->stop, 0, 'the gateway stops cleanly');
is($gateway->log =~ /error/, '', 'nothing was logged as an error');

done_testing();
