#!/usr/bin/perl
# The demonstration: real runs, launched by `pdpp run` on a private cluster, each handle polled over HTTP in a tight loop
# from the instant it was handed out until its run has ended, and once more after.
#
# Runs inside pg_virtualenv, which makes the cluster, points PGHOST and its kin at it, and destroys it at the end. Stays
# up until Ctrl-C; with ONCE=1 in the environment it stops by itself. Exits with 0 only if every handle behaved.

use strict;
use warnings;
use utf8;
use FindBin;
use HTTP::Tiny;
use IO::Handle;
use IO::Select;
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

binmode STDOUT, ':encoding(UTF-8)';
STDOUT->autoflush(1);

my $pdpp       = $ENV{PDPP_PROGRAM} // 'pdpp';
my $database   = 'pdpp_demo';
my $connectors = "$FindBin::Bin/connectors";
my $live       = -t STDOUT;
my $json       = JSON::PP->new->utf8->canonical;
my $patience   = 30;                    # seconds until something that should have happened counts as not happening
my $folder     = File::Temp->newdir('pdpp-demo.XXXXXX', TMPDIR => 1);
my $me         = $$;
my %children;                           # pid => name, of the processes to end
my $stopped    = 0;

# What is shown, and how each must end. `http` is what every poll must be answered with.
my @rows = (
	{
		what => 'completes, with progress', connector => 'fetch-mail', command => "$connectors/fetch-mail",
		http => 200, status => 'completed', reason => undef, exit => 0 },
	{
		what => 'fails after 452 ms', connector => 'fails-early', command => "$connectors/fails-early",
		http => 200, status => 'failed', reason => 'connector_exit_nonzero', exit => 1 },
	{
		what => 'has no executable', connector => 'not-installed', command => "$connectors/not-installed",
		http => 200, status => 'failed', reason => 'launch_failed', exit => 1 },
	{
		what => 'is killed by SIGKILL', connector => 'runs-out-of-memory', command => "$connectors/runs-out-of-memory",
		http => 200, status => 'failed', reason => 'connector_killed_by_signal', exit => 1 },
	{
		what => 'never existed', run_id => 'run_' . random_hex(16),
		http => 404, status => 'not_found', reason => undef, polls => 100 });

$SIG{$_} = sub { $stopped = 1 } for qw(INT TERM HUP);
exit main();

# Whatever happens, nothing of ours outlives us. Copies of this process leave with _exit and do not come here.
END {
	if ($$ == $me)
	{
		my $code = $?;
		clean_up();
		$? = $code;
	}
}

sub main {
	chdir '/' or die "cannot enter /: $!\n";
	prepare_database();
	$ENV{PDPP_OWNER_PASSWORD} = random_hex(16);
	my $url = start_gateway();
	chomp(my $token = capture($pdpp, 'token', '--ttl', 86400));
	delete $ENV{PDPP_OWNER_PASSWORD};    # no business of the connectors
	print "PostgreSQL on port $ENV{PGPORT}, gateway on $url\n\n";

	follow_all($url, $token);
	return $ENV{ONCE} ? 130 : 0 if $stopped;
	judge($_) for @rows;
	print_table();
	print_log_lines();
	my @wrong = grep { @{ $_->{problems} } } @rows;
	print "\n", @wrong ? "WRONG: " . @wrong . " of " . @rows . " handles misbehaved\n"
	  : "Every handle resolved from its first poll to its ending, and after.\n";
	print map { "  $_->{what}: " . join('; ', @{ $_->{problems} }) . "\n" } @wrong;
	my $code = @wrong ? 1 : 0;
	return $code if $ENV{ONCE};

	print_things_to_try($url, $token);
	sleep 1 until $stopped;
	print "\n";
	return $code;
}

# ---- what runs ------------------------------------------------------------------------------------------------------

sub prepare_database {
	my ($known) = capture('psql', '-XAtc', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pdpp'})
	  =~ /(\d+)/;
	die "the extension is not installed in this PostgreSQL: run make install\n" unless $known;
	capture('psql', '-XqAtc', "CREATE DATABASE $database ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0");
	$ENV{PGDATABASE} = $database;
	capture('psql', '-XqAtc', 'CREATE EXTENSION pdpp');
	return;
}

sub start_gateway {
	my $log = "$folder/gateway.log";
	my $pid = spawn('gateway', sub {
		open STDERR, '>', $log or POSIX::_exit(1);
		exec {$pdpp} $pdpp, 'serve', '--listen', '127.0.0.1:0', '--db', $database or POSIX::_exit(127);
	});
	my $deadline = time + $patience;
	until ($stopped || time > $deadline)
	{
		return $1 if slurp($log) =~ m{listening on (http://\S+)};
		last if waitpid($pid, POSIX::WNOHANG()) == $pid;
		sleep 0.02;
	}
	die "the gateway did not start:\n" . slurp($log);
}

# A process for each row launches its run and polls its handle; this one collects what they see, and draws it.
sub follow_all {
	my ($url, $token) = @_;
	my $select = IO::Select->new;
	my %row_of;
	for my $row (@rows)
	{
		pipe my $reader, my $writer or die "cannot make a pipe: $!\n";
		spawn($row->{what}, sub {
			close $reader;
			$writer->autoflush(1);
			$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
			eval { follow($row, $url, $token, $writer); 1 } or report($writer, { broken => "$@" });
			POSIX::_exit(0);
		});
		close $writer;
		$select->add($reader);
		$row_of{$reader} = $row;
	}
	my ($begun, $drawn) = (time, 0);
	while (!$stopped && $select->count)
	{
		for my $reader ($select->can_read(0.1))
		{
			my $row = $row_of{$reader};
			my $read = sysread $reader, $row->{unread}, 65536, length($row->{unread} // '');
			$select->remove($reader) unless $read;
			while ($row->{unread} =~ s/^(.*)\n//)
			{
				my $seen = $json->decode($1);
				my $before = $row->{seen}{status} // '';
				%{ $row->{seen} } = (%{ $row->{seen} // {} }, %{$seen});
				next if $live || $before eq ($row->{seen}{status} // '');
				printf "%7.3f s  %-26s %s\n", time - $begun, $row->{what}, join ' ', grep { defined }
				  @{ $row->{seen} }{qw(run_id status reason)};
			}
		}
		draw() if $live;
	}
	return;
}

# In a process of its own: launch, and poll in a tight loop over one kept-alive connection.
sub follow {
	my ($row, $url, $token, $writer) = @_;
	my ($run_id, $errors, $pid) = ($row->{run_id});
	($run_id, $errors, $pid) = launch($row) unless defined $run_id;
	# asked to end, as the run is: it is settled before the database goes
	local $SIG{TERM} = sub { waitpid $pid, 0 if $pid; POSIX::_exit(1) };
	my $handed_out = time;
	my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 10,
		default_headers => { Authorization => "Bearer $token" });
	my %seen = (run_id => $run_id, polls => 0, missing => 0, steps_back => 0, others => 0);
	my ($terminal, $reported) = ('', 0);
	while (time < $handed_out + $patience)
	{
		my $response = $http->get("$url/_ref/runs/$run_id");
		my $body = eval { $json->decode($response->{content}) } // {};
		my $status = $body->{status} // $body->{error}{code} // 'no body';
		my $is_terminal = $status =~ /^(?:completed|failed|cancelled|abandoned)$/;

		$seen{polls}++;
		$seen{first} //= "$response->{status} $status";
		$seen{missing}++ if $response->{status} == 404;
		$seen{others}++ if $response->{status} != $row->{http};
		$seen{untyped}++ if $response->{status} != 200 && ($body->{error}{type} // '') ne 'not_found_error';
		$seen{steps_back}++ if $terminal && $response->{content} ne $terminal;
		my $changed = $status ne ($seen{status} // '');
		@seen{qw(status reason body)} = ($status, $body->{terminal_reason}, $body);
		$seen{once_more} = 1 if $terminal;
		if ($is_terminal && !$terminal)
		{
			$terminal = $response->{content};
			$seen{seconds} = time - $handed_out;
		}
		if ($changed || time > $reported + 0.05)
		{
			report($writer, \%seen);
			$reported = time;
		}
		last if $seen{once_more} || ($row->{polls} // 0) == $seen{polls};
	}
	if ($pid)
	{
		my @lines = readline $errors;
		waitpid $pid, 0;
		$seen{exit} = $? >> 8;
		($seen{log}) = grep { /launch failed/ } @lines;
	}
	report($writer, \%seen);
	return;
}

# Starts `pdpp run`; gives the handle as soon as it is printed, where its errors go on, and its pid.
sub launch {
	my ($row) = @_;
	pipe my $reader, my $writer or die "cannot make a pipe: $!\n";
	my $pid = fork() // die "cannot start a process: $!\n";
	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null' or POSIX::_exit(1);
		open STDERR, '>&', $writer or POSIX::_exit(1);
		exec {$pdpp} $pdpp, 'run', '--connector', $row->{connector}, '--', $row->{command} or POSIX::_exit(127);
	}
	close $writer;
	my $line = readline $reader // '';
	my $run_id = eval { $json->decode($line)->{run_id} } // die "pdpp run printed no handle: $line\n";
	return ($run_id, $reader, $pid);
}

sub report { my ($writer, $seen) = @_; print {$writer} $json->encode($seen), "\n"; return }

# ---- what is concluded ----------------------------------------------------------------------------------------------

sub judge {
	my ($row) = @_;
	my $seen = $row->{seen} // {};
	my @problems;
	push @problems, $seen->{broken} if $seen->{broken};
	my $first = $seen->{first} // 'never polled';
	push @problems, "the first poll was answered: $first" unless $first =~ /^$row->{http} /;
	push @problems, "$seen->{others} answers were not $row->{http}" if $seen->{others};
	push @problems, "$seen->{untyped} errors without a type" if $seen->{untyped};
	push @problems, "$seen->{steps_back} steps back from terminal" if $seen->{steps_back};
	my $expected = join ' ', grep { defined } @{$row}{qw(status reason)};
	my $ended = join ' ', grep { defined } @{$seen}{qw(status reason)};
	push @problems, "it ended as $ended, not as $expected" if $ended ne $expected;
	if ($row->{command})
	{
		push @problems, 'it was not polled after its end' unless $seen->{once_more};
		my $exit = $seen->{exit} // 'none';
		push @problems, "pdpp run exited with $exit" if $exit ne $row->{exit};
		my $connector = ($seen->{body} // {})->{connector_id} // 'none';
		push @problems, "its connector is $connector" if $connector ne $row->{connector};
	}
	$row->{problems} = \@problems;
	return;
}

# ---- what is shown --------------------------------------------------------------------------------------------------

sub table {
	my $format = "%-25s %-36s %-9s %-26s %7s  %-13s %5s %5s  %9s\n";
	my @lines = sprintf $format, 'the run that', 'run id', 'status', 'reason', 'polls', 'first answer', '404s', 'back',
	  'ended in';
	for my $row (@rows)
	{
		my $seen = $row->{seen} // {};
		push @lines, sprintf $format, $row->{what}, $seen->{run_id} // '…', $seen->{status} // '…',
		  $seen->{reason} // '-', $seen->{polls} // 0, $seen->{first} // '…', $seen->{missing} // 0,
		  $seen->{steps_back} // 0, defined $seen->{seconds} ? sprintf('%.0f ms', 1000 * $seen->{seconds}) : '-';
	}
	return @lines;
}

# Over itself, with lines cut at the margin rather than wrapped.
{
	my $height = 0;

	sub draw {
		my @lines = table();
		print "\e[?7l", $height ? "\e[${height}A" : '', (map { "\e[2K$_" } @lines), "\e[?7h";
		$height = @lines;
		return;
	}
}

sub print_table {
	print $live ? "\e[" . (@rows + 1) . "A\e[J" : "\n", table();
	return;
}

sub print_log_lines {
	my @lines = grep { defined } map { $_->{seen}{log} } @rows;
	print "\nWhat could not be launched left one log line, with run id and trace id:\n", map { "  $_" } @lines if @lines;
	return;
}

sub print_things_to_try {
	my ($url, $token) = @_;
	my ($completed, $failed, undef, undef, $unknown) = map { $_->{seen}{run_id} } @rows;
	print <<"TRY";

It stays up until Ctrl-C. In another terminal:

  export PGHOST=$ENV{PGHOST} PGPORT=$ENV{PGPORT} PGUSER=$ENV{PGUSER} PGPASSWORD=$ENV{PGPASSWORD} PGDATABASE=$database
  psql -c "SELECT jsonb_pretty(pdpp_run_status('$failed'))"
  psql -c "SELECT pdpp_run_status('$unknown')"
  pdpp timeline $completed
  pdpp run -- sh -c 'echo working; sleep 5; exit 3'

  TOKEN=$token
  curl -i -H "Authorization: Bearer \$TOKEN" $url/_ref/runs/$failed
  curl -i -H "Authorization: Bearer \$TOKEN" $url/_ref/runs/$completed/timeline
  curl -i -H "Authorization: Bearer \$TOKEN" $url/_ref/runs/$unknown
TRY
	return;
}

# ---- processes ------------------------------------------------------------------------------------------------------

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

# Asks each child's group to end, the gateway last, and insists after a while.
sub clean_up {
	for my $pid (sort { ($children{$a} eq 'gateway') <=> ($children{$b} eq 'gateway') } keys %children)
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
