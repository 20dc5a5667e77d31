# A running controller, and its log.
#
#   my $controller = PdppController->start(conninfo => $node->connstr('pdpp'), connections => { mail => ['true'] });
#   is($controller->stop, 0);

package PdppController;

use strict;
use warnings;

use JSON::PP ();
use PdppGateway;
use POSIX ();
use PostgreSQL::Test::Utils;

my $count = 0;

# Starts `pdpp controller` and waits until it has offered its connections: name => command; each one's connector is called
# NAME-connector. Options: conninfo, connections, args (array). The log is a file, so that nobody has to read along.
sub start
{
	my ($class, %option) = @_;
	my $stem = $PostgreSQL::Test::Utils::log_path . '/controller_' . $$ . '_' . ++$count;
	my %command = %{ $option{connections} };
	my @setups =
	  map { { connector_instance_id => $_, connector_id => "$_-connector", command => $command{$_} } } sort keys %command;
	open my $file, '>', "$stem.json" or die "$stem.json: $!";
	print {$file} JSON::PP->new->utf8->canonical->encode(\@setups);
	close $file;
	open my $output, '>', "$stem.log" or die "$stem.log: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDERR, '>&', $output or POSIX::_exit(127);
		open STDOUT, '>&', $output or POSIX::_exit(127);
		exec $ENV{PDPP_PROGRAM} // 'pdpp', '--db', $option{conninfo}, 'controller', '--connections', "$stem.json",
		  @{ $option{args} // [] }
		  or POSIX::_exit(127);
	}
	my $self = bless { pid => $pid, parent => $$, logfile => "$stem.log" }, $class;
	$self->await_log(qr/offering connections/);
	return $self;
}

sub pid { return $_[0]->{pid}; }
sub log { return PostgreSQL::Test::Utils::slurp_file($_[0]->{logfile}); }

# Waits until the log matches; dies if the controller ends before.
sub await_log
{
	my ($self, $pattern) = @_;
	PdppGateway::await(
		sub {
			return 1 if $self->log =~ $pattern;
			die "the controller ended: " . $self->log if waitpid($self->{pid}, POSIX::WNOHANG) != 0;
			return 0;
		},
		"the controller's log matches $pattern");
	return;
}

# Nothing of it runs from here on, until it is told to go on; its sessions stay.
sub suspend
{
	my ($self) = @_;
	kill 'STOP', $self->{pid};
	PdppGateway::await(sub { PostgreSQL::Test::Utils::slurp_file("/proc/$self->{pid}/stat") =~ /^\d+ \(.*\) T/ },
		'the controller stands still');
	return;
}

sub resume { my ($self) = @_; return kill 'CONT', $self->{pid}; }

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

1;
