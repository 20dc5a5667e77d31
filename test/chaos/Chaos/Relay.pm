# A wire between a node and etcd that can be cut: a process that hands bytes on, from a port of its own. Killed, it is a port that
# nobody listens to; stopped, it is a network that loses everything.

package Chaos::Relay;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;

# Hands on what comes to `port` of this machine to port `to`, for ever.
sub run
{
	my (%option) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $listener = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1', LocalPort => $option{port}, ReuseAddr => 1)
	  or die "port $option{port}: $!\n";
	my $select = IO::Select->new($listener);
	my %other;
	while (my @ready = $select->can_read)
	{
		for my $socket (@ready)
		{
			if ($socket == $listener)
			{
				my $near = $listener->accept or next;
				my $far = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $option{to}) or next;
				@other{ $near, $far } = ($far, $near);
				$select->add($near, $far);
				next;
			}
			my $to = $other{$socket} // next;    # its other end has gone just now
			my $bytes;
			next if sysread($socket, $bytes, 65536) && send_all($to, $bytes);
			$select->remove($socket, $to);
			delete @other{ $socket, $to };
			close $_ for $socket, $to;
		}
	}
	return;
}

sub send_all
{
	my ($to, $bytes) = @_;
	while (length $bytes)
	{
		my $sent = syswrite $to, $bytes or return 0;
		substr $bytes, 0, $sent, '';
	}
	return 1;
}

1;
