# What the tests of packages do: commands that run as somebody, programs that stay, files, waiting for what will be.
package Steps;

use strict;
use warnings;
use Exporter qw(import);
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(result_of succeeds as until_true start stop content write_file);

# Runs a command; gives what it prints to both outputs, without the last newline, and its exit status.
sub result_of
{
	my (@command) = @_;
	my $pid = open my $pipe, '-|';
	die "fork: $!" unless defined $pid;
	if (!$pid)
	{
		open STDERR, '>&', \*STDOUT;
		exec @command or exit 127;
	}
	my $output = do { local $/; <$pipe> } // '';
	close $pipe;
	chomp $output;
	return ($output, $? >> 8);
}

sub succeeds
{
	my ($name, @command) = @_;
	my ($output, $status) = result_of(@command);
	is($status, 0, $name) or diag($output);
	return $output;
}

sub as { my ($user, @command) = @_; return ('setpriv', "--reuid=$user", "--regid=$user", '--init-groups', '--', @command) }

# Waits until something is true: for ten minutes at most.
sub until_true
{
	my ($name, $true) = @_;
	for (1 .. 6000)
	{
		return pass($name) if $true->();
		sleep 0.1;
	}
	return fail($name);
}

# Starts a program that stays, as a user, its output in a file.
sub start
{
	my ($user, $log, @command) = @_;
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	if (!$pid)
	{
		open STDOUT, '>', $log or die "$log: $!";
		open STDERR, '>&', \*STDOUT;
		exec as($user, @command) or exit 127;
	}
	return $pid;
}

sub stop
{
	my ($pid, $signal) = @_;
	kill $signal // 'TERM', $pid;
	waitpid $pid, 0;
	return $?;
}

sub content
{
	my ($path) = @_;
	open my $file, '<', $path or return '';
	return do { local $/; <$file> } // '';
}

sub write_file
{
	my ($path, $text, $mode) = @_;
	open my $file, '>', $path or die "$path: $!";
	print {$file} $text;
	close $file or die "$path: $!";
	chmod $mode, $path or die "$path: $!";
	return;
}

1;
