# A session with the server, spoken over its socket: the exact instant of an answer counts here, and a session can be cut
# anywhere, neither of which psql allows.
#
#   my $session = Chaos::Session->connect($cluster, 'launcher') or ...;   # undef while the server is down
#   my $answer = $session->query('select 1');    # {rows} | {error => {code, message, detail}} | {lost => 1}
#
# An answer is taken for one only when the server says that it is ready again: a statement that is answered has committed.

package Chaos::Session;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

my $patience = 60;    # seconds of silence until a session counts as lost

# With the server, or with the first of several that may have it: the one that takes writes, if it must be that.
sub connect
{
	my ($class, $cluster, $name) = @_;
	for my $address ($cluster->{nodes} ? @{ $cluster->{addresses} // [ $cluster->addresses ] } : "$cluster->{socket_folder}/.s.PGSQL.$cluster->{port}")
	{
		my $self = $class->open($address, $cluster, $name) or next;
		return $self unless $cluster->{wants_primary};
		my $answer = $self->query('show transaction_read_only');
		return $self if !$answer->{lost} && !$answer->{error} && $answer->{rows}[0][0] eq 'off';
		$self->cut;
	}
	return;
}

sub open
{
	my ($class, $address, $cluster, $name) = @_;
	my $socket = $address =~ m{^/} ? IO::Socket::UNIX->new(Peer => $address) : IO::Socket::INET->new(PeerAddr => $address, Timeout => 5);
	return unless $socket;
	my $self = bless { socket => $socket, buffer => '', patience => $cluster->{patience} // $patience }, $class;
	my $startup = pack('N', 196608)
	  . join('', map { "$_\0" } user => $cluster->{user}, database => $cluster->{database}, application_name => $name) . "\0";
	$self->send_bytes(pack('N', 4 + length $startup) . $startup) or return;
	my $answer = $self->receive;
	return if $answer->{lost} || $answer->{error};
	return $self;
}

sub pid { return $_[0]->{pid}; }
sub is_lost { return !$_[0]->{socket}; }

# Sends statements and waits for the answer.
sub query
{
	my ($self, $sql) = @_;
	return $self->send_query($sql) ? $self->receive : { lost => 1 };
}

sub send_query
{
	my ($self, $sql) = @_;
	utf8::encode($sql) if utf8::is_utf8($sql);
	return $self->send_bytes('Q' . pack('N', 5 + length $sql) . "$sql\0");
}

# Gone without a word, as if the process had been killed.
sub cut { my ($self) = @_; close delete $self->{socket} if $self->{socket}; return }

sub send_bytes
{
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	while ($self->{socket} && length $bytes)
	{
		my $sent = syswrite $self->{socket}, $bytes;
		next if !defined $sent && $!{EINTR};
		if (!defined $sent) { $self->cut; last; }
		substr $bytes, 0, $sent, '';
	}
	return defined $self->{socket};
}

sub receive
{
	my ($self) = @_;
	my %answer = (rows => []);
	while (1)
	{
		my ($type, $body) = $self->message;
		if (!defined $type) { return { lost => 1 }; }
		if ($type eq 'D')
		{
			my ($count, @row) = unpack 'n', substr $body, 0, 2, '';
			for (1 .. $count)
			{
				my $length = unpack 'N', substr $body, 0, 4, '';
				push @row, $length == 0xffffffff ? undef : substr $body, 0, $length, '';
			}
			push @{ $answer{rows} }, \@row;
		}
		elsif ($type eq 'C') { $answer{tag} = unpack 'Z*', $body; }
		elsif ($type eq 'E')
		{
			my %field = map { substr($_, 0, 1) => substr($_, 1) } grep { length } split /\0/, $body;
			$answer{error} = { code => $field{C}, message => $field{M}, detail => $field{D} // '', severity => $field{V} };
		}
		elsif ($type eq 'K') { $self->{pid} = unpack 'N', $body; }
		elsif ($type eq 'Z') { return \%answer; }
	}
}

sub message
{
	my ($self) = @_;
	$self->fill(5) or return;
	my ($type, $length) = unpack 'aN', $self->{buffer};
	$self->fill(1 + $length) or return;
	my $message = substr $self->{buffer}, 0, 1 + $length, '';
	return ($type, substr $message, 5);
}

sub fill
{
	my ($self, $length) = @_;
	while (length $self->{buffer} < $length)
	{
		return 0 unless $self->{socket};
		my $read = IO::Select->new($self->{socket})->can_read($self->{patience})
		  ? sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer} : $!{EINTR} ? undef : 0;
		next if !defined $read && $!{EINTR};
		if (!$read) { $self->cut; return 0; }
	}
	return 1;
}

# An SQL literal, and an array of them.
sub quote { my ($text) = @_; return defined $text ? q(') . $text =~ s/'/''/gr . q(') : 'null' }
sub array { return 'array[' . join(',', map { quote($_) } @_) . ']::text[]' }

1;
