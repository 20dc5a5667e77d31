# The demonstration's processes: each in a group of its own, all ended before it ends.

package DemoProcesses;

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(spawn pid_called end_processes capture slurp random_hex);

my %children;    # pid => name, of the processes to end

# A process called `name` that does `work`, and then leaves.
sub spawn {
	my ($name, $work) = @_;
	my $pid = fork() // die "cannot start a process: $!\n";
	if ($pid == 0)
	{
		# a group of its own: Ctrl-C comes here only, and ends everything in order
		setpgrp;
		$work->();
		POSIX::_exit(0);
	}
	$children{$pid} = $name;
	return $pid;
}

# The pid of the process called `name`.
sub pid_called {
	my ($name) = @_;
	return (grep { $children{$_} eq $name } keys %children)[0];
}

# Asks each process' group to end, those called as in `last` after the others and in that order, and insists after a while.
sub end_processes {
	my (@last) = @_;
	my %order = map { $last[$_] => $_ + 1 } 0 .. $#last;
	for my $pid (sort { ($order{ $children{$a} } // 0) <=> ($order{ $children{$b} } // 0) } keys %children)
	{
		kill 'TERM', -$pid;
		my $deadline = time + 15;
		sleep 0.02 while time < $deadline && waitpid($pid, POSIX::WNOHANG()) == 0;
		kill 'KILL', -$pid;
		waitpid $pid, 0;
	}
	%children = ();
	return;
}

# The output of a command that must succeed.
sub capture {
	my (@command) = @_;
	open my $output, '-|', @command or die "cannot run $command[0]: $!\n";
	my $text = do { local $/ = undef; readline($output) // '' };
	close $output or die "$command[0] failed\n";
	return $text;
}

sub slurp {
	my ($name) = @_;
	open my $file, '<', $name or return '';
	local $/ = undef;
	return readline($file) // '';
}

sub random_hex {
	my ($bytes) = @_;
	open my $random, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
	read($random, my $text, $bytes) == $bytes or die "/dev/urandom: $!\n";
	return unpack 'H*', $text;
}

1;
