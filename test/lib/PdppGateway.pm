# A running gateway, and a client that sends exactly the bytes it is told to.
#
#   my $gateway = PdppGateway->start(conninfo => $node->connstr('pdpp'));
#   my $answer = $gateway->get('/_ref/runs/run_1', Authorization => 'Bearer ' . PdppGateway::token());
#   is($answer->{status}, 200);
#   is($gateway->stop, 0);

package PdppGateway;

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Utils;
use Programs qw(within);
use Time::HiRes qw(time);
use parent 'PdppServer';

our $password = 'correct horse battery staple';

# scrypt of the password, which core Perl does not have; from Python:
#   hashlib.scrypt(b"correct horse battery staple", salt=b"pdpp-owner-session-kdf-v1", n=16384, r=8, p=1,
#                  maxmem=64 << 20, dklen=32).hex()
my $key = pack('H*', 'c016839285af166b23de083e4fb24fec6c5e1426c18d5bb6853d09b5642fc37f');

our $program = PdppServer::program();

# A session token with the given claims (JSON text), made without any code of the gateway.
sub token_of
{
	my ($json) = @_;
	my $payload = encode_base64url($json);
	return $payload . '.' . encode_base64url(hmac_sha256($payload, $key));
}

# A good one.
sub token { return token_of(sprintf('{"exp":%d,"iat":%d,"sub":"owner_local"}', time + 3600, time)); }

# Starts `pdpp serve` on `port` (a free one) of `host` (127.0.0.1), or on the unix socket `path`, and waits until it listens.
# Options: conninfo, args (array), password (the usual one; undef for none), env (hash), admin (true: ->admin is a
# listener for it). With PDPP_THREADS it serves by so many threads, unless `args` say by how many, or bound them by --pool.
sub start
{
	my ($class, %option) = @_;
	my $host = $option{host} // '127.0.0.1';
	my $owner = exists $option{password} ? $option{password} : $password;
	my $listen = $option{path} ? "unix:$option{path}" : "$host:" . ($option{port} // 0);
	my @admin = $option{admin} ? ('--admin', '127.0.0.1:0') : ();
	my @args = @{ $option{args} // [] };
	push @args, '--threads', $ENV{PDPP_THREADS} if $ENV{PDPP_THREADS} && !grep { /^--(?:threads|pool)\b/ } @args;
	my $self = $class->launch(
		name => 'gateway',
		arguments => [ 'serve', '--listen', $listen, @admin, '--db', $option{conninfo}, @args ],
		ready => qr{(?<!admin )listening on (?:http|unix):\S+},
		prepare => sub {
			delete $ENV{PDPP_OWNER_PASSWORD};
			$ENV{PDPP_OWNER_PASSWORD} = $owner if defined $owner;
			$ENV{$_} = $option{env}{$_} for keys %{ $option{env} // {} };
		});
	$self->{host} = $host;
	$self->{path} = $option{path};
	($self->{port}) = $self->log =~ m{(?<!admin )listening on http://\S+?:(\d+)\b};
	if ($option{admin})
	{
		$self->await_log(qr{admin listening on http://\S+});
		my ($port) = $self->log =~ m{admin listening on http://\S+?:(\d+)\b};
		$self->{admin} = bless { host => '127.0.0.1', port => $port }, $class;
	}
	return $self;
}

sub port { return $_[0]->{port}; }
sub admin { return $_[0]->{admin}; }

# The number of connections that it has not closed on its side, of the two kinds that TCP knows: ESTABLISHED (01) and
# CLOSE_WAIT (08).
sub connections
{
	my ($self) = @_;
	my $port = sprintf '%04X', $self->{port};
	return scalar grep { /^\s*\d+: [0-9A-F]+:$port \S+ 0[18] / } split /\n/, PostgreSQL::Test::Utils::slurp_file('/proc/net/tcp');
}

# A connection to it: see PdppGateway::Client.
sub connect
{
	my ($self, %option) = @_;
	return PdppGateway::Client->of(IO::Socket::UNIX->new(Peer => $self->{path}) // die("connect: $!"), 'localhost')
	  if $self->{path};
	return PdppGateway::Client->new($self->{host}, $self->{port}, %option);
}

# One request on a connection of its own: ->request('GET', $target, [headers], $body).
sub request
{
	my ($self, @arguments) = @_;
	return $self->connect->request(@arguments);
}

# GET with headers.
sub get
{
	my ($self, $target, @headers) = @_;
	return $self->request('GET', $target, \@headers);
}

# GET with a good session.
sub get_as_owner
{
	my ($self, $target, @headers) = @_;
	return $self->get($target, Authorization => 'Bearer ' . token(), @headers);
}

# Waits until `condition` returns true; dies after the usual timeout of the tests.
sub await
{
	my ($condition, $what) = @_;
	within($condition) or die "timed out waiting until $what";
	return;
}

package PdppGateway::Client;

use IO::Select;
use Time::HiRes qw(time);

sub new
{
	my ($class, $host, $port, %option) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, %option) or die "connect: $@";
	return $class->of($socket, "$host:$port");
}

# A client on a socket that is connected, with what to send as Host.
sub of
{
	my ($class, $socket, $host) = @_;
	return bless { socket => $socket, buffer => '', host => $host }, $class;
}

# Sends bytes as they are.
sub send
{
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	while (length $bytes)
	{
		my $sent = syswrite($self->{socket}, $bytes);
		return 0 unless defined $sent;
		substr($bytes, 0, $sent, '');
	}
	return 1;
}

# Sends a request, with Host and (if there is a body) Content-Length; does not wait for the answer.
sub send_request
{
	my ($self, $method, $target, $headers, $body) = @_;
	my @headers = @{ $headers // [] };
	my $text = "$method $target HTTP/1.1\r\nHost: $self->{host}\r\n";
	while (my ($name, $value) = splice @headers, 0, 2) { $text .= "$name: $value\r\n"; }
	$text .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
	return $self->send("$text\r\n" . ($body // ''));
}

# Reads one answer: {status, headers (names in lower case), body, json (if it is)}. The body of an answer to HEAD is not
# waited for. Undef if the server closes instead.
sub receive
{
	my ($self, $is_head) = @_;
	my $answer = $self->receive_head or return undef;
	if (!$is_head && ($answer->{headers}{'transfer-encoding'} // '') eq 'chunked')
	{
		while (1)
		{
			my $chunk = $self->chunk // return undef;
			last if $chunk eq '';
			$answer->{body} .= $chunk;
		}
	}
	my $length = $is_head ? 0 : $answer->{headers}{'content-length'} // 0;
	$self->fill until $self->{eof} || length($self->{buffer}) >= $length;
	$answer->{body} .= substr($self->{buffer}, 0, $length, '');
	$answer->{json} = eval { JSON::PP::decode_json($answer->{body}) } if length $answer->{body};
	return $answer;
}

# The next chunk of a body that comes in chunks; '' at its end. Undef if the server closes instead.
sub chunk
{
	my ($self) = @_;
	$self->fill until $self->{eof} || $self->{buffer} =~ /^[0-9a-fA-F]+\r\n/;
	return undef unless $self->{buffer} =~ s/^([0-9a-fA-F]+)\r\n//;
	my $length = hex $1;
	$self->fill until $self->{eof} || length($self->{buffer}) >= $length + 2;
	return undef if length($self->{buffer}) < $length + 2;
	my $chunk = substr($self->{buffer}, 0, $length, '');
	$self->{buffer} =~ s/^\r\n// or die 'a chunk does not end where it says';
	return $chunk;
}

# Begins a stream of events; gives the answer's head, or all of it if it is no stream.
sub open_stream
{
	my ($self, $target, @headers) = @_;
	$self->send_request('GET', $target, [ Accept => 'text/event-stream', @headers ]);
	my $answer = $self->receive_head or return undef;
	$self->{events} = '';
	return $answer if ($answer->{headers}{'transfer-encoding'} // '') eq 'chunked';
	my $length = $answer->{headers}{'content-length'} // 0;
	$self->fill until $self->{eof} || length($self->{buffer}) >= $length;
	$answer->{body} = substr($self->{buffer}, 0, $length, '');
	$answer->{json} = eval { JSON::PP::decode_json($answer->{body}) } if length $answer->{body};
	return $answer;
}

# The next block of a stream: its fields (id, data, retry; `comment`). Undef at the end, which is {is_complete} if the
# server said that it was one.
sub block
{
	my ($self) = @_;
	my $end;
	while (($end = index($self->{events}, "\n\n")) < 0)
	{
		my $chunk = $self->chunk;
		$self->{is_complete} = defined $chunk;
		return undef unless length($chunk // '');
		$self->{events} .= $chunk;
	}
	my %block;
	for my $line (split /\n/, substr($self->{events}, 0, $end + 2, ''))
	{
		my ($name, $value) = $line =~ /^(\w*):\s?(.*)$/ or die "no line of an event: $line";
		die "two lines of $name" if exists $block{$name};
		$block{ length $name ? $name : 'comment' } = $value;
	}
	return \%block;
}

# The next event of a stream: a block with data, and what that is as `json`. Undef at the end.
sub event
{
	my ($self) = @_;
	while (my $block = $self->block)
	{
		next unless exists $block->{data};
		$block->{json} = JSON::PP::decode_json($block->{data});
		return $block;
	}
	return undef;
}

# Reads the head of one answer: {status, headers}. Undef if the server closes instead.
sub receive_head
{
	my ($self) = @_;
	$self->fill until $self->{eof} || $self->{buffer} =~ /\r\n\r\n/;
	return undef unless $self->{buffer} =~ s/^HTTP\/1\.[01] (\d{3})[^\r]*\r\n((?:[^\r]+\r\n)*)\r\n//;
	my %answer = (status => $1, head => $2, headers => {}, body => '');
	for my $line (split /\r\n/, $answer{head})
	{
		my ($name, $value) = $line =~ /^([^:]+):\s*(.*)$/ or die "bad header line: $line";
		$answer{headers}{ lc $name } = $value;
	}
	return \%answer;
}

sub request
{
	my ($self, $method, @rest) = @_;
	$self->send_request($method, @rest);
	return $self->receive($method eq 'HEAD');
}

# True if the server has closed, or closes soon, without sending anything more.
sub is_closed
{
	my ($self) = @_;
	$self->fill until $self->{eof} || length $self->{buffer};
	return $self->{buffer} eq '';
}

# True if an answer, or the end, can be read just now.
sub has_more
{
	my ($self) = @_;
	return length $self->{buffer} || IO::Select->new($self->{socket})->can_read(0);
}

sub fill
{
	my ($self) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	# a signal ends the wait too
	until (IO::Select->new($self->{socket})->can_read($PostgreSQL::Test::Utils::timeout_default))
	{
		die 'timed out waiting for the gateway' if time >= $deadline;
	}
	my $read = sysread($self->{socket}, $self->{buffer}, 65536, length $self->{buffer});
	$self->{eof} = 1 unless $read;
	return;
}

1;
