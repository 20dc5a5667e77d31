# What a client may ask of the gateway's memory and patience, and requests that two readers could read differently.

use strict;
use warnings;

use IO::Handle;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs qw(memory_ok);
use Test::More;

# There is no database: none of this reaches it.
sub start { return PdppGateway->start(conninfo => 'host=/nowhere', args => [@_]); }

sub is_refused
{
	my ($gateway, $bytes, $status, $code, $name) = @_;
	my $client = $gateway->connect;
	$client->send($bytes);
	my $answer = $client->receive;
	is($answer->{status}, $status, "$name: $status");
	is($answer->{json}{error}{code}, $code, "$name: $code");
	is($answer->{headers}{connection}, 'close', "$name: Connection: close");
	ok($client->is_closed, "$name: nothing of what followed is taken for a request");
	return;
}

my $gateway = start();

subtest 'the length of a body is told once' => sub {
	# If the first reader of such bytes takes the second request for a body, and the next does not, it is smuggled in.
	my $smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
	my $head = "POST /owner/logout HTTP/1.1\r\nHost: x\r\n";
	my $length = 'Content-Length: ' . length($smuggled);
	my %bad = (
		'two equal lengths' => "$head$length\r\n$length\r\n\r\n$smuggled",
		'two lengths that differ' => "$head$length\r\nContent-Length: 0\r\n\r\n$smuggled",
		'a list of equal lengths' => $head . $length . ', ' . length($smuggled) . "\r\n\r\n$smuggled",
		'a length, and chunked' => "$head$length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$smuggled",
		'chunked, and a length' => "${head}Transfer-Encoding: chunked\r\n$length\r\n\r\n0\r\n\r\n$smuggled",
		'a length, and an encoding that is not chunked' => "$head$length\r\nTransfer-Encoding: identity\r\n\r\n$smuggled",
		'chunked twice' => "${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$smuggled",
		'chunked twice in one' => "${head}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n$smuggled",
		'another encoding' => "${head}Transfer-Encoding: gzip\r\n\r\n$smuggled",
		'another encoding before chunked' => "${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n$smuggled",
		'chunked in HTTP/1.0' => "POST /owner/logout HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$smuggled",
		'a negative length' => "${head}Content-Length: -1\r\n\r\n$smuggled",
		'a length with a sign' => "${head}Content-Length: +1\r\n\r\n$smuggled",
		'an empty length' => "${head}Content-Length:\r\n\r\n$smuggled",
		'a length beyond all numbers' => "${head}Content-Length: 18446744073709551616\r\n\r\n$smuggled",
		'a space before the colon' => "${head}Content-Length : 0\r\n\r\n$smuggled",
		'a bare CR in a value' => "${head}X: a\rContent-Length: 9\r\n\r\n$smuggled");
	is_refused($gateway, $bad{$_}, 400, 'invalid_request', $_) for sort keys %bad;
	my $chunked = $gateway->connect;
	$chunked->send("${head}Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
	is($chunked->receive->{status}, 204, 'a chunked body is read');
	is($chunked->receive->{status}, 404, 'and what follows it');
};

subtest 'what follows a chunked body is no header' => sub {
	# A proxy in front sees to the headers; fields behind the body pass it by.
	my $owner = 'Authorization: Bearer ' . PdppGateway::token();
	my $ask = sub {
		my ($headers, $trailer) = @_;
		my $client = $gateway->connect;
		$client->send("GET /owner/session HTTP/1.1\r\n$headers\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n$trailer\r\n\r\n");
		return $client->receive->{status};
	};
	is($ask->("Host: x", $owner), 401, 'nobody is let in by it');
	is($ask->("Host: x\r\n$owner", 'Authorization: Bearer x'), 204, 'nor kept out');
	is($ask->("Host: x\r\n$owner", 'Host: y'), 204, 'there is one Host');
	is($ask->($owner, 'Host: x'), 400, 'where it belongs');
};

subtest 'sizes, by default and as they are set' => sub {
	my $small = start('--max-target-bytes', '64', '--max-header-bytes', '1024', '--max-body-bytes', '1024');
	for my $case ([ $gateway, 8192, 16384, 131072 ], [ $small, 64, 1024, 1024 ])
	{
		my ($server, $target, $headers, $body) = @$case;
		is($server->get('/' . 'x' x ($target - 1))->{status}, 404, "a target of $target bytes");
		is($server->get('/' . 'x' x $target)->{json}{error}{code}, 'uri_too_long', 'one more');
		my $padding = $headers - length("GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n");
		my $client = $server->connect;
		$client->send("GET / HTTP/1.1\r\nHost: x\r\nX: " . 'x' x $padding . "\r\n\r\n");
		is($client->receive->{status}, 200, "headers of $headers bytes");
		is_refused($server, "GET / HTTP/1.1\r\nHost: x\r\nX: " . 'x' x ($padding + 1) . "\r\n\r\n",
			431, 'headers_too_large', 'one more');
		my $post = sub { return "POST /owner/logout HTTP/1.1\r\nHost: x\r\nContent-Length: $_[0]\r\n\r\n" . 'x' x $_[0] };
		$client = $server->connect;
		$client->send($post->($body));
		is($client->receive->{status}, 204, "a body of $body bytes");
		is_refused($server, $post->($body + 1), 413, 'body_too_large', 'one more');
	}
	is($small->stop, 0, 'stops');
};

subtest 'patience, as it is set' => sub {
	my $hasty = start('--header-timeout', '0.05', '--idle-timeout', '0.05', '--body-timeout', '0.05');
	for my $case ([ 'silence', '' ], [ 'half a header', "GET / HTTP/1.1\r\nHo" ],
		[ 'half a body', "POST /owner/logout HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc" ])
	{
		my $client = $hasty->connect;
		$client->send($case->[1]);
		ok($client->is_closed, "$case->[0] is not waited for");
	}
	is($hasty->stop, 0, 'stops');
};

my @owner = (Authorization => 'Bearer ' . PdppGateway::token());

# An owner's request for his session, on a connection: its status.
sub as_owner { my ($client) = @_; return ($client->request('GET', '/owner/session', \@owner) // { status => 'closed' })->{status}; }

subtest 'connections' => sub {
	my $full = PdppGateway->start(conninfo => 'host=/nowhere', admin => 1, args => [ '--max-connections', '2' ]);
	my @clients = map { $full->connect } 1 .. 2;
	is(as_owner($_), 204, 'two are served') for @clients;
	my $third = $full->connect;
	my $answer = $third->receive;
	is($answer->{status}, 503, 'the third is told that there is no place, whatever it wants');
	is($answer->{json}{error}{code}, 'too_many_connections', 'typed');
	is($answer->{headers}{'retry-after'}, '1', 'Retry-After');
	is($answer->{headers}{connection}, 'close', 'Connection: close');
	ok($third->is_closed, 'and closed');
	# more at once than are answered
	my @many = map { $full->connect } 1 .. 200;
	my %seen;
	$seen{ ($_->receive // { status => 'closed' })->{status} }++ for @many;
	is($seen{503} + ($seen{closed} // 0), @many, 'each of a crowd is told, or at least closed');
	is(as_owner($_), 204, 'a crowd shuts out nobody who is in') for @clients;
	undef @many;
	pop @clients;
	PdppGateway::await(sub { $full->admin->get('/metrics')->{body} =~ /^pdpp_http_connections 1$/m }, 'one is left');
	is(as_owner($full->connect), 204, 'a place comes free');
	is($full->stop, 0, 'stops');
};

subtest 'who has no session gives way to who comes later' => sub {
	my $full = PdppGateway->start(conninfo => 'host=/nowhere', admin => 1, args => [ '--max-connections', '6' ]);
	my %stranger = map { $_ => $full->connect } qw(silent refused header body);
	$stranger{header}->send("GET / HTTP/1.1\r\nHo");
	$stranger{body}->send("POST /owner/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\npass");
	is($stranger{refused}->request('GET', '/owner/session')->{status}, 401, 'one that is refused');
	my $fallen = $full->connect;
	is(as_owner($fallen), 204, 'one that has a session');
	is($fallen->request('GET', '/owner/session')->{status}, 401, 'and then none');
	my $patient = $full->connect;
	is(as_owner($patient), 204, 'one that has a session');
	# all places are taken
	my @owners;
	for (1 .. 5)
	{
		push @owners, $full->connect;
		is(as_owner($owners[-1]), 204, 'an owner who comes later is served');
	}
	ok($stranger{$_}->is_closed, "$_: gone") for sort keys %stranger;
	ok($fallen->is_closed, 'and the one whose session is over');
	is(as_owner($_), 204, 'whoever has a session is served on') for $patient, @owners;
	is($full->connect->receive->{json}{error}{code}, 'too_many_connections', 'there is no place for one more');
	is(as_owner($_), 204, 'nobody gave way to him') for $patient, @owners;
	like($full->admin->get('/metrics')->{body}, qr/^pdpp_http_connections_evicted_total 5$/m, 'counted');
	# a crowd of strangers pushes out itself
	pop @owners;
	PdppGateway::await(sub { $full->admin->get('/metrics')->{body} =~ /^pdpp_http_connections 5$/m }, 'a place is free');
	my @crowd = map { $full->connect } 1 .. 50;
	ok($_->is_closed, 'an older stranger') for @crowd[ 0 .. 48 ];
	is($crowd[49]->request('GET', '/nowhere')->{status}, 404, 'the last one is there');
	is(as_owner($_), 204, 'whoever has a session is served on') for $patient, @owners;
	is($full->stop, 0, 'stops');
};

subtest 'who has no session is not waited for as long' => sub {
	my $hasty = start('--header-timeout', '0.05', '--idle-timeout', '3600');
	my $owner = $hasty->connect;
	is(as_owner($owner), 204, 'a client with a session');
	my $silent = $hasty->connect;
	for my $path ('/owner/session', '/_ref/runs', '/', '/nowhere')
	{
		my $stranger = $hasty->connect;
		ok($stranger->request('GET', $path)->{status}, "one without, after $path");
		ok($stranger->is_closed, 'is closed');
	}
	is(as_owner($_), 204, 'the others are still there') for $owner, $silent;
	is($hasty->stop, 0, 'stops');
};

subtest 'requests sent ahead of their answers' => sub {
	my $client = $gateway->connect;
	$client->send(join '', map { "GET /nowhere HTTP/1.1\r\nHost: x\r\nRequest-Id: r$_\r\n\r\n" } 1 .. 1000);
	my @ids;
	while (@ids < 1000)
	{
		my $answer = $client->receive or last;
		push @ids, $answer->{headers}{'request-id'};
	}
	is_deeply(\@ids, [ map { "r$_" } 1 .. 1000 ], 'a thousand, more than are read ahead, are answered in their turn');

	# this one is cut by the timeout
	my $pipelining = PdppGateway->start(conninfo => 'host=/nowhere', admin => 1, args => [ '--write-timeout', '0.2' ]);
	my $memory = sub { return ($pipelining->admin->get('/metrics')->{body} =~ /^process_resident_memory_bytes (\S+)/m)[0]; };
	my $before = $memory->();
	my $greedy = $pipelining->connect;
	$greedy->{socket}->blocking(0);
	my $request = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" x 1000;
	my $writable = IO::Select->new($greedy->{socket});
	local $SIG{PIPE} = 'IGNORE';
	my $sent = 0;
	while ($writable->can_write($PostgreSQL::Test::Utils::timeout_default))
	{
		my $bytes = syswrite($greedy->{socket}, $request);
		next if !defined $bytes && $!{EAGAIN};
		last unless $bytes;
		$sent += $bytes;
	}
	cmp_ok($sent, '>', 0, "a client that reads no answers can send $sent bytes until it is cut");
	memory_ok($memory->() - $before, 16e6, "which do not pile up in the gateway");
	is($pipelining->stop, 0, 'stops');
};

subtest 'limits that make no sense are refused' => sub {
	for my $option ('--max-connections=0', '--max-header-bytes=1', '--max-target-bytes=x', '--max-body-bytes=-1',
		'--idle-timeout=0', '--header-timeout=soon', '--drain-timeout=-1', '--socket-mode=999', '--socket-mode=07777')
	{
		local $ENV{PDPP_OWNER_PASSWORD} = 'x';
		my ($name) = $option =~ /^(--[a-z-]+)/;
		my $err = '';
		IPC::Run::run([ 'pdpp', 'serve', $option ], '>', \my $out, '2>', \$err);
		is($? >> 8, 2, "$option: usage");
		like($err, qr/\Q$name\E/, 'says which');
	}
};

is($gateway->stop, 0, 'stops');
is($gateway->log =~ /error/, '', 'nothing was logged as an error');
done_testing();
