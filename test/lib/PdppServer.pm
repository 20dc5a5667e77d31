# A process of `pdpp` that goes on until it is told to end, and its log: what a gateway and a controller have in common. The
# log is a file, so that nobody has to read along.

package PdppServer;

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils;
use Programs qw(child within);
use Test::More ();

my $count = 0;

# Starts the program under test with `arguments` as a process called `name` in its log file's name and in errors, and waits
# until the log matches `ready`. `prepare` is run in the process first; `before` is a command that runs the program.
sub launch
{
	my ($class, %option) = @_;
	my $log = $PostgreSQL::Test::Utils::log_path . "/$option{name}_$$" . '_' . ++$count . '.log';
	open my $output, '>', $log or die "$log: $!";
	my $pid = child(
		sub {
			$option{prepare}->() if $option{prepare};
			open STDERR, '>&', $output or POSIX::_exit(127);
			open STDOUT, '>&', $output or POSIX::_exit(127);
			my @command = (@{ $option{before} // [] }, program(), @{ $option{arguments} });
			exec {$command[0]} @command or POSIX::_exit(127);
		});
	my $self = bless { name => $option{name}, pid => $pid, parent => $$, logfile => $log }, $class;
	$self->await_log($option{ready});
	return $self;
}

sub program { return $ENV{PDPP_PROGRAM} // 'pdpp'; }

sub pid { return $_[0]->{pid}; }
sub log { return slurp_file($_[0]->{logfile}); }

# Waits until the log matches; dies if the process ends before.
sub await_log
{
	my ($self, $pattern) = @_;
	within(
		sub {
			return 1 if $self->log =~ $pattern;
			die "the $self->{name} ended: " . $self->log if waitpid($self->{pid}, POSIX::WNOHANG) != 0;
			return 0;
		}) or die "timed out waiting until the $self->{name}'s log matches $pattern";
	return;
}

# Nothing of it runs from here on, until it is told to go on; its sessions stay.
sub suspend
{
	my ($self) = @_;
	kill 'STOP', $self->{pid};
	within(sub { slurp_file("/proc/$self->{pid}/stat") =~ /^\d+ \(.*\) T/ }) or die "the $self->{name} does not stand still";
	return;
}

sub resume { my ($self) = @_; return kill 'CONT', $self->{pid}; }

# Sends `signal` (TERM) and waits for the end; gives the exit code, or "signal N".
sub stop
{
	my ($self, $signal) = @_;
	return unless $self->{pid};
	kill $signal // 'TERM', $self->{pid};
	return $self->finish;
}

# Waits for the end; gives the exit code, or "signal N".
sub finish
{
	my ($self) = @_;
	waitpid($self->{pid}, 0);
	delete $self->{pid};
	return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	return unless $self->{pid} && $self->{parent} == $$;
	# one that ended before it was told to is why tests fail in odd places: its last words go where their failures do
	return $self->stop('KILL') if waitpid($self->{pid}, POSIX::WNOHANG) == 0;
	my $how = $? & 127 ? 'by signal ' . ($? & 127) : 'with exit code ' . ($? >> 8);
	Test::More::diag("the $self->{name} ended by itself, $how; its log ends:\n" . substr($self->log, -4000));
	return;
}

1;
