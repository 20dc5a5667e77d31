# Programs in the background, and what becomes of them.
#
#   my $run = start('', 'pdpp', 'run', '--', 'sleep', '100');
#   my $ack = wait_for($run, 'err', qr/^(\{.*\})$/m);
#   kill 'INT', pid_of($run);
#   my ($code, $out, $err) = finish($run);

package Programs;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Run ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start wait_for finish pid_of is_gone goes_away within poll_through_crash);
our @EXPORT_OK = qw(memory_ok child preloaded);

# Starts a program; its output and errors collect in {out} and {err}.
sub start
{
	my ($input, @command) = @_;
	my $self = { out => '', err => '', in => $input };
	$self->{handle} = IPC::Run::start(
		\@command, '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		IPC::Run::timeout(4 * $PostgreSQL::Test::Utils::timeout_default));
	return $self;
}

# A process that does what `work` does and then ends, and nothing of the test's besides: neither does it clean up what is
# the test's, nor, when it is told to end, what the test library's handlers would (they stop the servers, since
# PostgreSQL 17). Gives its id.
sub child
{
	my ($work) = @_;
	my $pid = fork() // die "cannot fork: $!";
	return $pid if $pid;
	$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP QUIT);
	eval { $work->(); 1 } or print STDERR $@;
	POSIX::_exit($@ ? 1 : 0);
}

# Whether memory stays below a bound. Under a sanitizer, which keeps what is freed and more beside it, that says nothing.
sub memory_ok
{
	my ($memory, $bound, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
  SKIP:
	{
		Test::More::skip("$name: a sanitizer is at work", 1) if $ENV{PDPP_SANITIZED};
		Test::More::cmp_ok($memory, '<', $bound, $name);
	}
	return;
}

# LD_PRELOAD for the program under test, with which it meets what test/lib/<name>.c makes of the system. A sanitizer has to be
# the first to be loaded.
sub preloaded
{
	my ($name, $folder) = @_;
	my $module = "$folder/$name.so";
	PostgreSQL::Test::Utils::system_or_bail('gcc', '-shared', '-fPIC', '-o', $module, dirname(__FILE__) . "/$name.c");
	return $module if !$ENV{PDPP_SANITIZED};
	my ($sanitizer) = map { m{=> (\S+/libasan\S*)} } qx(ldd $ENV{PDPP_PROGRAM});
	return join ':', $sanitizer // (), $module;
}

# What the pattern's first group matches in a stream, as soon as it does; undef if the program ends without it.
sub wait_for
{
	my ($self, $stream, $pattern) = @_;
	$self->{handle}->pump until $self->{$stream} =~ $pattern || !$self->{handle}->pumpable;
	return $self->{$stream} =~ $pattern ? $1 // 1 : undef;
}

# (exit code, output, errors) once it has ended; the code is -signal if it was killed.
sub finish
{
	my ($self) = @_;
	IPC::Run::finish($self->{handle});
	my $status = ($self->{handle}->full_results)[0];
	return ($status & 127 ? -($status & 127) : $status >> 8, $self->{out}, $self->{err});
}

sub pid_of { my ($self) = @_; return $self->{handle}{KIDS}[0]{PID} }

# Whether a condition comes true before the patience of the tests is over. What takes longer is asked for less often: a condition is
# often a psql with a server process of its own.
sub within
{
	my ($condition) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $pause = 0.02;
	until ($condition->())
	{
		return 0 if time > $deadline;
		sleep $pause;
		$pause = 1.2 * $pause if $pause < 0.3;
	}
	return 1;
}

# poll_query_until while the server crashes and comes back: a psql that is refused ends before it has read the query, and
# writing to it breaks the pipe, which IPC::Run takes for the end of the test.
sub poll_through_crash
{
	my ($node, $query, $database) = @_;
	while (1)
	{
		my $met = eval { $node->poll_query_until($database // 'postgres', $query) };
		return $met if defined $met;
		die $@ unless $@ =~ /Broken pipe/;
	}
}

sub is_gone { my ($pid) = @_; return $pid && !kill(0, $pid) }

# The process ends: it is gone as soon as init has collected it.
sub goes_away
{
	my ($pid) = @_;
	return within(sub { is_gone($pid) || slurp_file("/proc/$pid/stat", 0) =~ /^\d+ \(.*\) Z/ });
}

1;
