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
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our $password = 'correct horse battery staple';

# scrypt of the password, which core Perl does not have; from Python:
#   hashlib.scrypt(b"correct horse battery staple", salt=b"pdpp-owner-session-kdf-v1", n=16384, r=8, p=1,
#                  maxmem=64 << 20, dklen=32).hex()
my $key = pack('H*', 'c016839285af166b23de083e4fb24fec6c5e1426c18d5bb6853d09b5642fc37f');

our $program = $ENV{PDPP_PROGRAM} // 'pdpp';

my $count = 0;

# A session token with the given claims (JSON text), made without any code of the gateway.
sub token_of
{
	my ($json) = @_;
	my $payload = encode_base64url($json);
	return $payload . '.' . encode_base64url(hmac_sha256($payload, $key));
}

# A good one.
sub token { return token_of(sprintf('{"exp":%d,"iat":%d,"sub":"owner_local"}', time + 3600, time)); }

# Starts `pdpp serve` on a free port of `host` (127.0.0.1), or on the unix socket `path`, and waits until it listens.
# Options: conninfo, args (array), password (the usual one; undef for none), env (hash), admin (true: ->admin is a
# listener for it).
sub start
{
	my ($class, %option) = @_;
	my $host = $option{host} // '127.0.0.1';
	my $log = $PostgreSQL::Test::Utils::log_path . '/gateway_' . $$ . '_' . ++$count . '.log';
	my $owner = exists $option{password} ? $option{password} : $password;
	my @admin = $option{admin} ? ('--admin', '127.0.0.1:0') : ();
	open my $output, '>', $log or die "$log: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		delete $ENV{PDPP_OWNER_PASSWORD};
		$ENV{PDPP_OWNER_PASSWORD} = $owner if defined $owner;
		open STDERR, '>&', $output or POSIX::_exit(127);
		open STDOUT, '>&', $output or POSIX::_exit(127);
		$ENV{$_} = $option{env}{$_} for keys %{ $option{env} // {} };
		exec $program, 'serve', '--listen', ($option{path} ? "unix:$option{path}" : "$host:0"), @admin, '--db', $option{conninfo}, @{ $option{args} // [] }
		  or POSIX::_exit(127);
	}
	my $self = bless { pid => $pid, parent => $$, logfile => $log, host => $host, path => $option{path} }, $class;
	$self->await_log(qr{(?<!admin )listening on (?:http|unix):\S+});
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
sub pid { return $_[0]->{pid}; }
sub log { return PostgreSQL::Test::Utils::slurp_file($_[0]->{logfile}); }

# Waits until the log matches; dies if the gateway ends before.
sub await_log
{
	my ($self, $pattern) = @_;
	await(
		sub {
			return 1 if $self->log =~ $pattern;
			die "the gateway ended: " . $self->log if waitpid($self->{pid}, POSIX::WNOHANG) != 0;
			return 0;
		},
		"the gateway's log matches $pattern");
	return;
}

# Sends `signal` (TERM) and waits for the end; gives the exit code, or "signal N".
sub stop
{
	my ($self, $signal) = @_;
	return unless $self->{pid};
	kill $signal // 'TERM', $self->{pid};
	waitpid($self->{pid}, 0);
	delete $self->{pid};
	return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop('KILL') if $self->{pid} && $self->{parent} == $$;
	return;
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
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	until ($condition->())
	{
		die "timed out waiting until $what" if time > $deadline;
		sleep 0.01;
	}
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
	$self->fill until $self->{eof} || $self->{buffer} =~ /\r\n\r\n/;
	return undef unless $self->{buffer} =~ s/^HTTP\/1\.[01] (\d{3})[^\r]*\r\n((?:[^\r]+\r\n)*)\r\n//;
	my %answer = (status => $1, head => $2, headers => {}, body => '');
	for my $line (split /\r\n/, $answer{head})
	{
		my ($name, $value) = $line =~ /^([^:]+):\s*(.*)$/ or die "bad header line: $line";
		$answer{headers}{ lc $name } = $value;
	}
	my $length = $is_head ? 0 : $answer{headers}{'content-length'} // 0;
	$self->fill until $self->{eof} || length($self->{buffer}) >= $length;
	$answer{body} = substr($self->{buffer}, 0, $length, '');
	$answer{json} = eval { JSON::PP::decode_json($answer{body}) } if length $answer{body};
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
	IO::Select->new($self->{socket})->can_read($PostgreSQL::Test::Utils::timeout_default)
	  or die 'timed out waiting for the gateway';
	my $read = sysread($self->{socket}, $self->{buffer}, 65536, length $self->{buffer});
	$self->{eof} = 1 unless $read;
	return;
}

1;
