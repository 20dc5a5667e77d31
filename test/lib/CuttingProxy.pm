package CuttingProxy;

# A proxy in front of PostgreSQL that cuts a connection at the worst instant: when a call is on its way that may commit.
# For what no server does on request: leaving a client in doubt.
#
#   unsent      before the server sees the call
#   unanswered  as soon as the server has it
#   unheard     when the server has committed and answered, and the client has not heard so
#
# The call is an explicit COMMIT, or whatever matches `call`. The first connection is cut, or the first `times`; those after
# it pass untouched. One connection is served at a time.

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();

# new(mode, socket of the server, call => pattern, times => number): serves in a process of its own until it is stopped.
sub new {
	my ($class, $mode, $server, %option) = @_;
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1)
	  or die "cannot listen: $!";
	my $pid = fork() // die "cannot fork: $!";
	if ($pid == 0)
	{
		$SIG{PIPE} = 'IGNORE';
		serve($listener, $mode, $server, $option{call}, $option{times} // 1);
		POSIX::_exit(0);
	}
	return bless { pid => $pid, port => $listener->sockport }, $class;
}

sub conninfo {
	my ($self) = @_;
	return "host=127.0.0.1 port=$self->{port} sslmode=disable gssencmode=disable";
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

sub serve {
	my ($listener, $mode, $server, $call, $times) = @_;
	while (my $client = $listener->accept)
	{
		my $cut = relay($client, IO::Socket::UNIX->new(Peer => $server), $times > 0 ? $mode : 'none', $call);
		# an explicit COMMIT is looked for on the first connection only: others may commit something else
		$times-- if $cut || !$call;
	}
	return;
}

# True if it cut.
sub relay {
	my ($client, $server, $mode, $call) = @_;
	return 0 unless $server;
	my $select = IO::Select->new($client, $server);
	my $pattern = $call // qr/COMMIT\0/;
	# the server has committed when it says so, or is ready for the next call
	my $committed = $call ? qr/Z\x00\x00\x00\x05I\z/ : qr/COMMIT\0/;
	my $doubtful = 0;
	while (1)
	{
		for my $from ($select->can_read)
		{
			return 0 unless sysread($from, my $bytes, 65536);
			my $matches = $from == $client && $mode ne 'none' && $bytes =~ $pattern;
			return 1 if $matches && $mode eq 'unsent';
			$doubtful ||= $matches;
			return 1 if $from == $server && $doubtful && $bytes =~ $committed;
			my $to = $from == $client ? $server : $client;
			for (my $sent = 0; $sent < length $bytes;)
			{
				$sent += syswrite($to, $bytes, length($bytes) - $sent, $sent) // return 0;
			}
			return 1 if $matches && $mode eq 'unanswered';
		}
	}
}

1;
