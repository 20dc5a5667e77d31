# Who may come in: owner sessions, login and logout, the throttle, the origin of POSTs, and when the gateway refuses to
# start.

use strict;
use warnings;

use JSON::PP ();
use MIME::Base64 ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $node = PdppCluster->running('session');
$node->safe_psql('postgres', q{SELECT pdpp_run_now('c', run_id => 'run_1')});
my @database = (conninfo => $node->connstr('postgres'));
my $gateway = PdppGateway->start(@database);
my $run = '/_ref/runs/run_1';
my $form = 'application/x-www-form-urlencoded';

sub encoded { my ($text) = @_; $text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge; return $text; }

sub login
{
	my ($to, $password, @headers) = @_;
	return $to->request('POST', '/owner/login', [ 'Content-Type' => $form, @headers ], 'password=' . encoded($password));
}

sub code { my ($answer) = @_; return ($answer->{json} // {})->{error}{code}; }

# What a cookie or a token says.
sub claims_of
{
	my ($token) = @_;
	my ($payload) = $token =~ /^(?:\w+=)?([^.]+)/;
	return JSON::PP::decode_json(MIME::Base64::decode_base64url($payload));
}

# Runs the program to its end: (exit code, stdout, stderr).
sub run_program
{
	my ($environment, @arguments) = @_;
	local %ENV = (%ENV, %$environment);
	delete $ENV{PDPP_OWNER_PASSWORD} unless exists $environment->{PDPP_OWNER_PASSWORD};
	my ($out, $err) = ('', '');
	my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
	IPC::Run::run([ $PdppGateway::program, @arguments ], '<', \'', '>', \$out, '2>', \$err, $timer);
	return ($? >> 8, $out, $err);
}

subtest 'the session table, as bearer token and as cookie' => sub {
	my $now = time;
	my $good = PdppGateway::token_of(sprintf '{"exp":%d,"iat":%d,"sub":"owner_local"}', $now + 60, $now);
	my ($payload, $signature) = split /\./, $good;
	my $other = (split /\./, PdppGateway::token_of('{"exp":1}'))[1];
	my @table = (
		[ 'made elsewhere', $good, 200 ],
		[ 'of another sub', PdppGateway::token_of(sprintf '{"exp":%d,"iat":%d,"sub":"x"}', $now + 60, $now), 200 ],
		[ 'without sub and iat', PdppGateway::token_of(sprintf '{"exp":%d}', $now + 60), 200 ],
		[ 'with blanks in the JSON', PdppGateway::token_of(sprintf '{ "exp" : %d }', $now + 60), 200 ],
		[ 'expired', PdppGateway::token_of(sprintf '{"exp":%d,"iat":%d,"sub":"x"}', $now - 1, $now - 60), 401 ],
		[ 'expired just now', PdppGateway::token_of(sprintf '{"exp":%d}', $now), 401 ],
		[ 'without exp', PdppGateway::token_of(sprintf '{"iat":%d,"sub":"owner_local"}', $now), 401 ],
		[ 'exp a string', PdppGateway::token_of(sprintf '{"exp":"%d"}', $now + 60), 401 ],
		[ 'exp null', PdppGateway::token_of('{"exp":null}'), 401 ],
		[ 'exp true', PdppGateway::token_of('{"exp":true}'), 401 ],
		[ 'not an object', PdppGateway::token_of('[9999999999]'), 401 ],
		[ 'not JSON', PdppGateway::token_of('exp=9999999999'), 401 ],
		[ 'signature of another', "$payload.$other", 401 ],
		[ 'signature cut', "$payload." . substr($signature, 0, -1), 401 ],
		[ 'signature padded', "$good=", 401 ],
		[ 'no signature', "$payload.", 401 ],
		[ 'no dot', $payload, 401 ],
		[ 'no payload', ".$signature", 401 ],
		[ 'an extra segment', "$good.$signature", 401 ],
		[ 'an empty extra segment', "$good.", 401 ],
		[ 'an empty segment first', ".$good", 401 ],
		[ 'nothing', '', 401 ]);
	for my $row (@table)
	{
		my ($name, $token, $status) = @$row;
		for my $carrier ([ Authorization => "Bearer $token" ], [ Cookie => "pdpp_owner_session=$token" ],
			[ Cookie => "a=b; pdpp_owner_session=$token; c=d" ])
		{
			my $answer = $gateway->get($run, @$carrier);
			is($answer->{status}, $status, "$name, as $carrier->[0]");
			next if $status == 200;
			is(code($answer), 'owner_session_required', 'typed');
			like($answer->{headers}{'www-authenticate'}, qr/^Bearer realm=/, 'WWW-Authenticate');
			is($answer->{headers}{'cache-control'}, 'no-store', 'not stored');
		}
	}
	is($gateway->get($run)->{status}, 401, 'no session at all');
	is($gateway->get($run, Authorization => $good)->{status}, 401, 'a token without a scheme');
	is($gateway->get($run, Authorization => "Basic $good")->{status}, 401, 'a token with another scheme');
	is($gateway->get($run, Cookie => "owner=$good")->{status}, 401, 'a token in another cookie');
	is($gateway->get("$run/timeline", Authorization => "bEARER $good")->{status}, 200, 'the timeline, the scheme in any case');
	for my $method (qw(GET HEAD))
	{
		for my $path ($run, "$run/timeline", '/_ref/runs/nope')
		{
			is($gateway->request($method, $path)->{status}, 401, "$method $path without a session tells nothing of the run");
		}
	}
};

subtest 'GET /owner/session tells whether there is a session' => sub {
	for my $method (qw(GET HEAD))
	{
		my $answer = $gateway->request($method, '/owner/session', [ Authorization => 'Bearer ' . PdppGateway::token() ]);
		is($answer->{status}, 204, "$method with one");
		is($answer->{body}, '', 'no body');
		is($answer->{headers}{'cache-control'}, 'no-store', 'not stored');
		is($gateway->request($method, '/owner/session')->{status}, 401, "$method without");
	}
	is($gateway->request('POST', '/owner/session')->{status}, 405, 'nothing else');
};

subtest 'a token that was accepted is not accepted for longer than it is good' => sub {
	my $end = time + 2;
	my $token = PdppGateway::token_of(sprintf '{"exp":%d}', $end);
	my $status = sub { $gateway->get('/owner/session', Authorization => "Bearer $token")->{status} };
	is($status->(), 204, 'good');
	my ($payload, $signature) = split /\./, $token;
	is($gateway->get('/owner/session', Authorization => "Bearer $payload." . reverse $signature)->{status}, 401,
		'another signature of the same payload is not');
	PdppGateway::await(sub { $status->() == 401 }, 'it has expired');
	cmp_ok(Time::HiRes::time(), '>=', $end, 'not before its time');    # time() is a clock tick late
};

subtest 'login by form and by JSON' => sub {
	for my $case (
		[ $form, 'password=' . encoded($PdppGateway::password) ],
		[ $form, 'password=correct+horse+battery+staple&x=y' ],
		[ $form, 'password=correct horse battery staple' ],
		[ $form, 'x=%&&=y&%zz=1&pass%77ord=correct%20horse%20battery%20staple&password=other' ],
		[ "$form;charset=UTF-8", "x=\x{ff}<>\"'[]^|&password=correct horse+battery%20staple" ],
		[ 'application/json', JSON::PP::encode_json({ password => $PdppGateway::password }) ],
		[ 'application/json; charset=utf-8', JSON::PP::encode_json({ password => $PdppGateway::password, x => 1 }) ])
	{
		my ($type, $body) = @$case;
		my $answer = $gateway->request('POST', '/owner/login', [ 'Content-Type' => $type ], $body);
		is($answer->{status}, 204, "$type opens a session");
		is($answer->{headers}{'content-length'}, undef, '204 without a length');
		like($answer->{headers}{'set-cookie'},
			qr/^pdpp_owner_session=[\w-]+\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=604800$/, 'in a cookie');
		my ($cookie) = $answer->{headers}{'set-cookie'} =~ /^([^;]+)/;
		is(claims_of($cookie)->{sub}, 'owner_local', 'of the usual owner');
		is($gateway->get($run, Cookie => $cookie)->{status}, 200, 'that lets in');
	}
	for my $case (
		[ $form, '', 400, 'invalid_request' ], [ $form, 'user=x', 400, 'invalid_request' ],
		[ $form, 'Password=x', 400, 'invalid_request' ], [ $form, 'password=%zz', 401, 'invalid_password' ],
		[ $form, 'password', 401, 'invalid_password' ], [ 'application/json', '{', 400, 'invalid_request' ],
		[ 'application/json', '"x"', 400, 'invalid_request' ], [ 'application/json', '{"password":7}', 400, 'invalid_request' ],
		[ 'text/plain', 'password=x', 415, 'unsupported_media_type' ])
	{
		my ($type, $body, $status, $code) = @$case;
		my $answer = $gateway->request('POST', '/owner/login', [ 'Content-Type' => $type ], $body);
		is($answer->{status}, $status, "$type <$body>: $status");
		is(code($answer), $code, $code);
	}
};

subtest 'logout takes the cookie back' => sub {
	my $answer = $gateway->request('POST', '/owner/logout', [], '');
	is($answer->{status}, 204, 'logged out, whoever asks');
	is($answer->{headers}{'set-cookie'}, 'pdpp_owner_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0', 'the cookie goes');
};

subtest 'a POST from a page of another site is refused' => sub {
	my $here = 'http://127.0.0.1:' . $gateway->port;
	for my $path ('/owner/login', '/owner/logout')
	{
		my $post = sub {
			return $gateway->request('POST', $path, [ 'Content-Type' => $form, @_ ],
				'password=' . encoded($PdppGateway::password));
		};
		is($post->()->{status}, 204, "$path without Origin");
		is($post->(Origin => $here)->{status}, 204, "$path from here");
		for my $origin ('http://evil.example', 'null', "$here.evil.example", 'http://127.0.0.1', "$here/x", '')
		{
			my $answer = $post->(Origin => $origin);
			is($answer->{status}, 403, "$path from <$origin>");
			is(code($answer), 'origin_mismatch', 'typed');
		}
	}
	is($gateway->get_as_owner($run, Origin => 'http://evil.example')->{status}, 200, 'a GET changes nothing: its origin is free');
};

subtest 'behind https' => sub {
	my $public = PdppGateway->start(@database, args => [ '--public-url', 'https://Runs.example.org/' ]);
	my $answer = login($public, $PdppGateway::password, Origin => 'https://runs.example.org');
	is($answer->{status}, 204, 'the public URL is an origin of ours');
	like($answer->{headers}{'set-cookie'}, qr/; HttpOnly; .*; Secure$/, 'the cookie is Secure');
	is(login($public, $PdppGateway::password, Origin => 'http://runs.example.org')->{status}, 403, 'without https it is not');
	for my $case ([ 'http://runs.example.org' => 403 ], [ 'https://runs.example.org' => 204 ], [ 'http://runs.example.org:8080' => 403 ], [ 'https://runs.example.org:8080' => 403 ])
	{
		my ($origin, $status) = @$case;
		for my $host ('runs.example.org', 'RUNS.example.org:80', 'runs.example.org:8080')
		{
			my $client = $public->connect;
			$client->send("POST /owner/logout HTTP/1.1\r\nHost: $host\r\nOrigin: $origin\r\nContent-Length: 0\r\n\r\n");
			is($client->receive->{status}, $status, "also where a proxy passes the name on: $origin at $host");
		}
	}
	is(login($public, $PdppGateway::password, Origin => 'http://127.0.0.1:' . $public->port)->{status}, 204,
		'nor does it shut out the Host');
	like($public->request('POST', '/owner/logout', [], '')->{headers}{'set-cookie'}, qr/; Secure$/, 'as does the one that clears it');
	is($public->stop, 0, 'stops');
};

subtest 'wrong passwords are throttled, by peer and in all' => sub {
	my $busy = PdppGateway->start(@database);
	my $from = sub {
		my ($peer, $password) = @_;
		return login($busy->connect(LocalAddr => $peer), $password);
	};
	for my $try (1 .. 5)
	{
		my $answer = $from->('127.0.0.2', "wrong $try");
		is($answer->{status}, 401, "wrong password $try");
		is(code($answer), 'invalid_password', 'typed');
		ok($answer->{headers}{'www-authenticate'}, 'WWW-Authenticate');
		is($answer->{headers}{'set-cookie'}, undef, 'no cookie');
	}
	for my $password ('wrong', $PdppGateway::password)
	{
		my $answer = $from->('127.0.0.2', $password);
		is($answer->{status}, 429, 'the sixth is not looked at, right or wrong');
		is($answer->{json}{error}{type}, 'rate_limit_error', 'typed');
		like($answer->{headers}{'retry-after'}, qr/^[1-9]\d?$/, 'Retry-After in seconds');
		cmp_ok($answer->{headers}{'retry-after'}, '<=', 60, 'within a minute');
	}
	is($from->('127.0.0.3', $PdppGateway::password)->{status}, 204, 'another peer is not shut out');
	is($from->('127.0.0.3', 'wrong')->{status}, 401, 'and has tries of its own') for 1 .. 5;
	is($from->("127.0.0.$_", 'wrong')->{status}, 401, "peer $_ too") for map { ($_) x 5 } 4 .. 7;
	my $answer = $from->('127.0.0.8', $PdppGateway::password);
	is($answer->{status}, 429, 'after 30 in all, nobody is listened to');
	is($busy->get_as_owner($run)->{status}, 200, 'whoever has a session still comes in');
	is($busy->stop, 0, 'stops');
	unlike($busy->log, qr/wrong \d|battery/, 'no password is logged');
};

subtest 'pdpp token' => sub {
	my ($code, $token, $error) = run_program({ PDPP_OWNER_PASSWORD => $PdppGateway::password }, 'token');
	is($code, 0, 'prints a token');
	chomp $token;
	is($gateway->get($run, Authorization => "Bearer $token")->{status}, 200, 'that lets in');
	is($gateway->get($run, Cookie => "pdpp_owner_session=$token")->{status}, 200, 'as a cookie too');
	($code, $token) = run_program({ PDPP_OWNER_PASSWORD => 'another' }, 'token', '--ttl', '60');
	chomp $token;
	is($gateway->get($run, Authorization => "Bearer $token")->{status}, 401, 'one of another password does not');
	($code, $token) = run_program({ PDPP_OWNER_PASSWORD => $PdppGateway::password }, 'token', '--ttl', '1');
	chomp $token;
	PdppGateway::await(sub { $gateway->get($run, Authorization => "Bearer $token")->{status} == 401 }, 'the token has expired');
	pass('one expires after its --ttl');
	for my $ttl ('0', '-1', 'soon', '99999999999')
	{
		($code, $token) = run_program({ PDPP_OWNER_PASSWORD => 'x' }, 'token', '--ttl', $ttl);
		is($code, 2, "--ttl $ttl: usage");
		is($token, '', 'nothing printed');
	}
	($code, $token, $error) = run_program({}, 'token');
	is($code, 2, 'no password: usage');
	like($error, qr/PDPP_OWNER_PASSWORD/, 'which it says');
};

subtest 'whose the sessions are' => sub {
	my $annas = PdppGateway->start(@database, env => { PDPP_OWNER_SUBJECT_ID => 'owner_anna' });
	my ($cookie) = login($annas, $PdppGateway::password)->{headers}{'set-cookie'} =~ /^([^;]+)/;
	is(claims_of($cookie)->{sub}, 'owner_anna', 'of the owner that the environment names');
	is($gateway->get($run, Cookie => $cookie)->{status}, 200, 'which lets in anywhere');
	my %password = (PDPP_OWNER_PASSWORD => $PdppGateway::password);
	for my $case ([ {}, 'owner_local' ], [ { PDPP_OWNER_SUBJECT_ID => '' }, 'owner_local' ], [ { PDPP_OWNER_SUBJECT_ID => 'b"\\' }, 'b"\\' ])
	{
		my ($environment, $owner) = @$case;
		my ($code, $token) = run_program({ %password, %$environment }, 'token');
		is(claims_of($token)->{sub}, $owner, "pdpp token: $owner");
	}
	my ($code, undef, $error) = run_program({ %password, PDPP_OWNER_SUBJECT_ID => "\xff" }, 'token');
	is($code, 2, 'bytes that are no text: usage');
	like($error, qr/PDPP_OWNER_SUBJECT_ID is not UTF-8 text/, 'which it says');
};

subtest 'without a password' => sub {
	my $open = PdppGateway->start(@database, password => undef, args => ['--insecure-no-owner']);
	is($open->get($run)->{status}, 200, 'everybody is let in on loopback, if that is asked for');
	is($open->request('POST', '/owner/login', [ 'Content-Type' => $form ], 'password=')->{status}, 403, 'nobody logs in');
	# A page can have its own name resolved to 127.0.0.1, and its browser sends that name.
	my $ask = sub {
		my ($server, @lines) = @_;
		my $client = $server->connect;
		$client->send(join("\r\n", @lines, '', ''));
		return $client->receive;
	};
	my $port = $open->port;
	for my $host ('localhost', "localhost:$port", 'LOCALHOST.', 'app.localhost', "127.0.0.1:$port", '127.1.2.3:1', "[::1]:$port")
	{
		is($ask->($open, "GET $run HTTP/1.1", "Host: $host")->{status}, 200, "Host: $host");
	}
	for my $host ('evil.example', "evil.example:$port", 'localhost.evil.example', '127.0.0.1.evil.example', 'notlocalhost', '10.0.0.1',
		'0.0.0.0', '[::2]', '')
	{
		my $answer = $ask->($open, "GET $run HTTP/1.1", "Host: $host");
		is($answer->{status}, 421, "Host: <$host>");
		is($answer->{json}{error}{code}, 'host_not_allowed', 'typed');
		like($answer->{json}{error}{message}, qr/localhost.*password/, 'says what to do');
		unlike($answer->{body}, qr/run_ack|run_status/, 'and nothing of a run');
		is($ask->($open, "GET /rpc/pdpp_run_list HTTP/1.1", "Host: $host")->{json}{code}, 'host_not_allowed', '/rpc');
		is($ask->($open, "POST /owner/logout HTTP/1.1", "Host: $host", "Origin: http://$host")->{status}, 421, 'a page of this name')
		  if length $host;
	}
	is($ask->($open, "GET http://evil.example$run HTTP/1.1", 'Host: localhost')->{status}, 421, 'the host of the target counts');
	is($ask->($open, "GET http://localhost$run HTTP/1.1", 'Host: evil.example')->{status}, 200, 'and no other');
	is($ask->($open, "GET $run HTTP/1.0")->{status}, 200, 'a request that names no host is no page\'s');
	is($ask->($open, "GET $run HTTP/1.0", 'Host: evil.example')->{status}, 421, 'one that does is judged by it');
	is($open->stop, 0, 'stops');
	my $public = PdppGateway->start(@database, password => undef, args => [ '--insecure-no-owner', '--public-url', 'https://Runs.example.org' ]);
	is($ask->($public, "GET $run HTTP/1.1", 'Host: runs.example.org')->{status}, 200, 'the host of the public URL');
	is($ask->($public, "GET $run HTTP/1.1", 'Host: example.org')->{status}, 421, 'and no other');
	is($public->stop, 0, 'stops');
	my $closed = PdppGateway->start(@database, args => ['--insecure-no-owner']);
	is($closed->get($run)->{status}, 401, 'with a password the flag opens nothing');
	is($ask->($closed, "GET /owner/session HTTP/1.1", 'Host: evil.example', 'Authorization: Bearer ' . PdppGateway::token())->{status}, 204,
		'and any host will do');
	is($closed->stop, 0, 'stops');
};

subtest 'it refuses to start' => sub {
	my %password = (PDPP_OWNER_PASSWORD => 'x');
	my $taken = '127.0.0.1:' . $gateway->port;
	for my $case (
		[ 'without a password', {}, qr/PDPP_OWNER_PASSWORD is not set/, '--listen', '127.0.0.1:0' ],
		[ 'with an empty one', { PDPP_OWNER_PASSWORD => '' }, qr/PDPP_OWNER_PASSWORD is not set/, '--listen', '127.0.0.1:0' ],
		[ 'without one, open to the world', {}, qr/loopback/, '--listen', '0.0.0.0:0', '--insecure-no-owner' ],
		[ 'without one, open to IPv6', {}, qr/loopback/, '--listen', '[::]:0', '--insecure-no-owner' ],
		[ 'on a taken port', \%password, qr/cannot listen on $taken: Address already in use/, '--listen', $taken ],
		[ 'on an address of others', \%password, qr/cannot listen on 192\.0\.2\.1:0/, '--listen', '192.0.2.1:0' ],
		[ 'on a name without an address', \%password, qr/cannot listen on none\.invalid:80/, '--listen', 'none.invalid:80' ],
		(map { [ "on <$_>", \%password, qr/--listen/, "--listen=$_" ] }
			  '127.0.0.1', ':80', '127.0.0.1:', '127.0.0.1:http', '127.0.0.1:65536', '127.0.0.1:-1', '1.2.3:4:5', '[]:1', ''),
		(map { [ "with the public URL <$_>", \%password, qr/--public-url/, "--public-url=$_" ] }
			  'example.org', 'ftp://example.org', 'https://example.org/path'),
		(map { [ "with $_", \%password, qr/--(pool|statement-timeout)/, $_ ] } '--pool=0', '--pool=x', '--statement-timeout=0'))
	{
		my ($name, $environment, $message, @arguments) = @$case;
		my ($code, $out, $err) = run_program($environment, 'serve', @arguments);
		# what the system refuses may be there a moment later: a service manager tries that again
		my $expected = $message =~ /cannot listen/ ? 1 : 2;
		is($code, $expected, "$name: exit code $expected");
		like($err, $message, "$name: says why");
		unlike($err, qr/listening on/, "$name: does not listen");
		is($out, '', "$name: nothing on standard output");
	}
};

is($gateway->stop('INT'), 0, 'SIGINT stops it cleanly');
unlike($gateway->log, qr/battery|pdpp_owner_session=|Bearer|eyJ/, 'no secret is logged');

done_testing();
