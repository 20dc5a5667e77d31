# What is killed, and when: dealt by a seeded generator. Each fault has its turn before any comes a second time, so that a
# short run has seen them all; after that, the cheap ones come more often than those that stop everything.

package Chaos::Faults;

use strict;
use warnings;

use List::Util qw(shuffle);
use Time::HiRes qw(sleep time);

my %often = (
	kill_launcher => 7, kill_controller => 5, kill_gateway => 3, terminate_backend => 12, terminate_worker => 2,
	freeze_controller => 2, kill_backend => 2, kill_postmaster => 1, immediate_shutdown => 1);

# cluster, processes (Chaos::Processes), record, grace (seconds), gap (seconds between faults, on average)
sub new
{
	my ($class, %option) = @_;
	my $self = bless { %option, kills => {}, deck => [ shuffle sort keys %often ], outages => [], thaw => {} }, $class;
	return $self;
}

sub next_gap { my ($self) = @_; return -$self->{gap} * log(1 - rand) }

sub strike
{
	my ($self) = @_;
	$self->{deck} = [ shuffle map { ($_) x $often{$_} } sort keys %often ] unless @{ $self->{deck} };
	my $fault = shift @{ $self->{deck} };
	# one that finds nothing to strike just now comes again later
	my $struck = $self->$fault;
	if ($struck) { $self->{kills}{$struck}++; }
	else { push @{ $self->{deck} }, $fault; }
	return $struck;
}

sub kill_launcher { my ($self) = @_; return $self->kill_one('launcher') && 'launcher SIGKILL' }
sub kill_controller { my ($self) = @_; return $self->kill_one('controller') && 'controller SIGKILL' }
sub kill_gateway { my ($self) = @_; return $self->kill_one('gateway') && 'gateway SIGKILL' }

# Back at once, or after the guard has had to find it dead.
sub kill_one
{
	my ($self, $kind) = @_;
	my ($slot) = shuffle grep { !$self->{thaw}{ $_->{name} } } $self->{processes}->running($kind) or return;
	$slot->{away} = $kind eq 'gateway' ? rand 0.5 : rand() < 0.4 ? 0 : $self->{grace} * (1.5 + rand 2);
	kill 'KILL', $slot->{pid};
	$self->{record}->write('kill', $slot->{name}, $kind);
	return 1;
}

# Frozen beyond the grace. With its sessions taken away it is dead by then, and must find out; with them it is alive, however
# slow.
sub freeze_controller
{
	my ($self) = @_;
	my ($slot) = shuffle grep { !$self->{thaw}{ $_->{name} } } $self->{processes}->running('controller') or return;
	kill 'STOP', $slot->{pid};
	$self->{thaw}{ $slot->{name} } = { pid => $slot->{pid}, at => time + $self->{grace} * (1.5 + rand) };
	my $alone = rand() < 0.7;
	$self->{record}->write('freeze', $slot->{name}, $alone ? 'without its sessions' : 'with its sessions');
	$self->query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = '$slot->{name}'") if $alone;
	return $alone ? 'controller SIGSTOP, sessions SIGTERM' : 'controller SIGSTOP';
}

sub thaw
{
	my ($self, $all) = @_;
	for my $name (keys %{ $self->{thaw} })
	{
		next unless $all || time > $self->{thaw}{$name}{at};
		kill 'CONT', $self->{thaw}{$name}{pid};
		delete $self->{thaw}{$name};
	}
	return;
}

sub terminate_backend { my ($self) = @_; return $self->signal_backend('TERM', q(backend_type = 'client backend')) && 'backend SIGTERM' }
sub terminate_worker { my ($self) = @_; return $self->signal_backend('TERM', q(backend_type like 'pdpp%')) && 'worker SIGTERM' }

# The server ends everybody and recovers. Sometimes it does not get that far.
sub kill_backend
{
	my ($self) = @_;
	my $began = time;
	$self->signal_backend('KILL', q(backend_type in ('client backend', 'pdpp worker', 'walwriter', 'checkpointer'))) or return;
	if (rand() < 0.2)
	{
		sleep rand 0.3;
		kill 'KILL', $self->{cluster}->postmaster // return;
		$self->{kills}{'postmaster SIGKILL while it recovers'}++;
		$self->{cluster}->start;
	}
	$self->outage($began);
	return 'backend SIGKILL';
}

sub kill_postmaster { my ($self) = @_; return $self->end_server('KILL') && 'postmaster SIGKILL' }
sub immediate_shutdown { my ($self) = @_; return $self->end_server('QUIT') && 'immediate shutdown' }

sub end_server
{
	my ($self, $signal) = @_;
	my $began = time;
	my $pid = $self->{cluster}->postmaster or return;
	kill $signal, $pid;
	$self->{record}->write('kill', 'postmaster', $signal);
	sleep 0.02 while time < $began + 60 && kill 0, $pid;
	sleep rand 0.5;
	$self->{cluster}->start;
	$self->outage($began);
	return 1;
}

# Until it is open again, and nobody can be declared dead for a grace from then.
sub outage
{
	my ($self, $began) = @_;
	$self->{session} = undef;
	# the server may not have noticed yet that one of its processes is gone
	sleep 0.1;
	$self->{session} = $self->{cluster}->await_session('chaos');
	push @{ $self->{outages} }, [ $began, time ];
	$self->{record}->write('outage', $began, time);
	return;
}

sub signal_backend
{
	my ($self, $signal, $which) = @_;
	my @pids = $self->query(qq{select pid, application_name, backend_type from pg_stat_activity
		where pid <> pg_backend_pid() and application_name not in ('judge') and ($which) order by pid}) or return;
	my ($pid, $name, $type) = @{ $pids[ rand @pids ] };
	$self->{record}->write('signal', $signal, $pid, $name || $type);
	return kill $signal, $pid;
}

sub query
{
	my ($self, $sql) = @_;
	$self->{session} = undef if $self->{session} && $self->{session}->is_lost;
	$self->{session} //= Chaos::Session->connect($self->{cluster}, 'chaos') or return;
	my $answer = $self->{session}->query($sql);
	return if $answer->{lost} || $answer->{error};
	return @{ $answer->{rows} };
}

1;
