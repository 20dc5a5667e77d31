# The processes under attack, and those that attack: each has a place, and is started again some time after it went.

package Chaos::Processes;

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(sleep time);

sub new { my ($class) = @_; return bless { slots => [], strange => [] }, $class }

# kind, name, work (code that runs in the process, given its life: 1, 2, 3…)
sub add
{
	my ($self, %slot) = @_;
	push @{ $self->{slots} }, { %slot, life => 0, back_at => 0 };
	return;
}

sub of { my ($self, $kind) = @_; return grep { $_->{kind} eq $kind } @{ $self->{slots} } }
sub running { my ($self, $kind) = @_; return grep { $_->{pid} } $self->of($kind) }

# Collects what has ended and starts what is due.
sub tend
{
	my ($self, @kinds) = @_;
	for my $slot (map { $self->of($_) } @kinds)
	{
		$self->collect($slot) if $slot->{pid};
		next if $slot->{pid} || time < $slot->{back_at};
		$slot->{life}++;
		$slot->{pid} = fork() // die "cannot start a process: $!\n";
		next if $slot->{pid};
		setpgrp;    # Ctrl-C comes to the program only, and ends everything in order
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		eval { $slot->{work}->($slot->{life}); 1 } or print STDERR "$slot->{name}: $@";
		POSIX::_exit($@ ? 1 : 0);
	}
	return;
}

sub collect
{
	my ($self, $slot) = @_;
	return 0 if waitpid($slot->{pid}, POSIX::WNOHANG) != $slot->{pid};
	my ($signal, $code) = ($? & 127, $? >> 8);
	# a controller that starts while the database is away says so (4) and is started again
	push @{ $self->{strange} }, "$slot->{name} ended by itself: " . ($signal ? "signal $signal" : "exit code $code")
	  unless $signal == 9 || $slot->{stopping} || ($slot->{kind} =~ /^(?:controller|doomed)$/ && !$signal && $code == 4);
	delete $slot->{pid};
	$slot->{back_at} = time + (delete $slot->{away} // 0.1);
	return 1;
}

# Asks them to end and waits for it; insists after `patience` seconds.
sub stop
{
	my ($self, $patience, @kinds) = @_;
	my @slots = grep { $_->{pid} } map { $self->of($_) } @kinds;
	for my $slot (@slots) { $slot->{stopping} = 1; kill 'CONT', $slot->{pid}; kill 'TERM', $slot->{pid}; }
	my $deadline = time + $patience;
	for my $slot (@slots)
	{
		until ($self->collect($slot))
		{
			kill 'KILL', $slot->{pid} if time > $deadline;
			sleep 0.01;
		}
	}
	return;
}

1;
