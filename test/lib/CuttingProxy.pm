package CuttingProxy;

# A proxy in front of PostgreSQL that cuts a connection at the worst instant: when a call is on its way that may commit.
# For what no server does on request: leaving a client in doubt.
#
#   unsent      before the server sees the call
#   unanswered  as soon as the server has it
#   unheard     when the server has committed and answered, and the client has not heard so
#
# Or, as mode `held`, it holds the calls back, and with them all that follows on their connections, until let_go(); with
# `later`, from hold() on.
#
# The call is an explicit COMMIT, or whatever matches `call`. After the first `skip` of them, which pass, the first is cut, or
# the first `times`; all else passes untouched.

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Programs qw(child);

# new(mode, socket of the server, call => pattern, skip => number, times => number, later => true): serves in a process of its
# own until it is stopped.
sub new {
	my ($class, $mode, $server, %option) = @_;
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1)
	  or die "cannot listen: $!";
	pipe(my $told, my $tell) or die "cannot make a pipe: $!";
	my $pid = child(
		sub {
			$SIG{PIPE} = 'IGNORE';
			serve($listener, $mode, $server, $tell, %option);
		});
	return bless { pid => $pid, port => $listener->sockport, told => $told }, $class;
}

sub conninfo {
	my ($self) = @_;
	return "host=127.0.0.1 port=$self->{port} sslmode=disable gssencmode=disable";
}

# Calls are held from here on.
sub hold {
	my ($self) = @_;
	return kill 'USR2', $self->{pid};
}

# Waits until one more call is held, which is within `seconds`, or dies without.
sub await_held {
	my ($self, $seconds) = @_;
	my $is_held = IO::Select->new($self->{told})->can_read($seconds // $PostgreSQL::Test::Utils::timeout_default);
	die 'no call is held' unless $is_held || $seconds;
	return $is_held && sysread $self->{told}, my $byte, 1;
}

# What is held goes on to the server, and nothing is held from here on.
sub let_go {
	my ($self) = @_;
	return kill 'USR1', $self->{pid};
}

sub stop {
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'TERM', $pid;
	local $?;
	waitpid $pid, 0;
	return;
}

sub DESTROY { $_[0]->stop; return }

# All connections at once, in one loop: each socket knows the one it is relayed to.
sub serve {
	my ($listener, $mode, $server, $tell, %option) = @_;
	my $call = $option{call};
	my $pattern = $call // qr/COMMIT\0/;
	my $skip = $option{skip} // 0;
	my $times = $option{times} // 1;
	# the server has committed when it says so, or is ready for the next call
	my $committed = $call ? qr/Z\x00\x00\x00\x05I\z/ : qr/COMMIT\0/;
	my $select = IO::Select->new($listener);
	my (%pair, @held);
	my ($let_go, $released) = ($option{later});
	local $SIG{USR1} = sub { $let_go = $released = 1 };
	local $SIG{USR2} = sub { $let_go = 0 };
	my $close = sub {
		my ($socket) = @_;
		for my $end ($socket, $pair{$socket}{peer})
		{
			$select->remove($end);
			delete $pair{$end};
			close $end;
		}
	};
	while (1)
	{
		if ($released)
		{
			$released = 0;
			for my $this (splice @held)
			{
				send_all($pair{ $this->{client} }{peer}, $this->{bytes});
				$select->add($this->{client});
			}
		}
		# the signal may come just before the wait
		for my $from ($select->can_read($mode eq 'held' ? 0.1 : undef))
		{
			if ($from == $listener)
			{
				my $client = $listener->accept or next;
				my $other = IO::Socket::UNIX->new(Peer => $server) or next;
				$pair{$client} = { peer => $other, is_client => 1 };
				$pair{$other} = { peer => $client };
				$select->add($client, $other);
				next;
			}
			my $this = $pair{$from} or next;    # closed with its peer in this very round
			my $bytes;
			if (!sysread($from, $bytes, 65536)) { $close->($from); next }
			if ($mode eq 'held')
			{
				if (!$let_go && $this->{is_client} && $bytes =~ $pattern)
				{
					$select->remove($from);
					push @held, { client => $from, bytes => $bytes };
					syswrite $tell, '.';
					next;
				}
			}
			elsif ($this->{is_client} && $times > 0 && $bytes =~ $pattern && $skip-- <= 0)
			{
				$times--;
				if ($mode eq 'unsent') { $close->($from); next }
				$pair{ $this->{peer} }{doubtful} = $mode eq 'unheard';
				$this->{last_words} = $mode eq 'unanswered';
			}
			if ($this->{doubtful} && $bytes =~ $committed) { $close->($from); next }
			send_all($this->{peer}, $bytes);
			$close->($from) if $this->{last_words};
		}
	}
	return;
}

sub send_all {
	my ($to, $bytes) = @_;
	for (my $sent = 0; $sent < length $bytes;)
	{
		$sent += syswrite($to, $bytes, length($bytes) - $sent, $sent) // last;
	}
	return;
}

1;
