package CuttingProxy;

# A proxy in front of PostgreSQL that cuts its first connection at COMMIT: either before the server sees it ("unsent"),
# or after the server has answered it and before the client hears so ("unheard"). Later connections pass untouched.
# For what no server does on request: leaving a client in doubt.

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();

# new(mode, socket of the server): serves in a process of its own until it is stopped.
sub new {
	my ($class, $mode, $server) = @_;
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1)
	  or die "cannot listen: $!";
	my $pid = fork() // die "cannot fork: $!";
	if ($pid == 0)
	{
		$SIG{PIPE} = 'IGNORE';
		serve($listener, $mode, $server);
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
	my ($listener, $mode, $server) = @_;
	while (my $client = $listener->accept)
	{
		relay($client, IO::Socket::UNIX->new(Peer => $server), $mode);
		$mode = 'none';
	}
	return;
}

sub relay {
	my ($client, $server, $mode) = @_;
	return unless $server;
	my $select = IO::Select->new($client, $server);
	my $doubtful = 0;
	while (1)
	{
		for my $from ($select->can_read)
		{
			return unless sysread($from, my $bytes, 65536);
			if ($from == $client && $mode ne 'none' && $bytes =~ /COMMIT\0/)
			{
				return if $mode eq 'unsent';
				$doubtful = 1;
			}
			return if $from == $server && $doubtful && $bytes =~ /COMMIT\0/;
			my $to = $from == $client ? $server : $client;
			for (my $sent = 0; $sent < length $bytes;)
			{
				$sent += syswrite($to, $bytes, length($bytes) - $sent, $sent) // return;
			}
		}
	}
}

1;
