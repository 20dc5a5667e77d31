#!/usr/bin/perl
# The demonstration: real runs, started over HTTP and launched by controllers on a private cluster, each handle polled over
# HTTP in a tight loop from the instant it was handed out until its run has ended, and once more after.
#
# Runs inside pg_virtualenv, which makes the cluster, points PGHOST and its kin at it, and destroys it at the end. Stays
# up until Ctrl-C; with ONCE=1 in the environment it stops by itself. Exits with 0 only if every handle behaved.

use strict;
use warnings;
use utf8;
use FindBin;
use lib $FindBin::Bin;

use DemoProcesses;
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
my $stopped    = 0;

# What is shown, and how each must end. `http` is what every poll must be answered with. All but one are started over
# HTTP and launched by a controller: `launched` says by which. `then` is done to a run once it is on its way.
my @rows = (
	{
		what => 'completes, with progress', connection => 'fetch-mail', launched => 'controller',
		http => 200, status => 'completed', reason => undef },
	{
		what => 'fails after 452 ms', connection => 'fails-early', launched => 'controller',
		http => 200, status => 'failed', reason => 'connector_exit_nonzero' },
	{
		what => 'has no executable', connection => 'not-installed', launched => 'controller',
		http => 200, status => 'failed', reason => 'launch_failed' },
	{
		what => 'is killed by SIGKILL', connection => 'runs-out-of-memory', launched => 'pdpp run',
		http => 200, status => 'failed', reason => 'connector_killed_by_signal', exit => 1 },
	{
		what => 'is cancelled', connection => 'wanders', launched => 'controller', then => \&cancel,
		http => 200, status => 'cancelled', reason => 'owner_cancelled' },
	{
		what => 'is started twice', connection => 'takes-its-time', launched => 'controller', then => \&start_again,
		http => 200, status => 'completed', reason => undef },
	{
		what => 'loses its controller', connection => 'orphan', launched => 'doomed', then => \&kill_controller,
		http => 200, status => 'abandoned', reason => 'controller_terminated_before_run_finished' },
	{
		what => 'never existed', run_id => 'run_' . random_hex(16),
		http => 404, status => 'not_found', reason => undef, polls => 100 });

# What the controllers can launch.
my %command_of = (
	'controller' => {
		'fetch-mail' => ["$connectors/fetch-mail"],
		'fails-early' => ["$connectors/fails-early"],
		'not-installed' => ["$connectors/not-installed"],
		'takes-its-time' => ["$connectors/takes-its-time"],
		'wanders' => [ 'sleep', '1000' ] },
	'doomed' => { 'orphan' => [ 'sleep', '1000' ] });

$SIG{$_} = sub { $stopped = 1 } for qw(INT TERM HUP);
exit main();

# Whatever happens, nothing of ours outlives us. Copies of this process leave with _exit and do not come here.
END {
	if ($$ == $me)
	{
		my $code = $?;
		end_processes(sort(keys %command_of), 'gateway');    # those that ask before those that answer
		$? = $code;
	}
}

sub main {
	chdir '/' or die "cannot enter /: $!\n";
	prepare_database();
	my $password = $ENV{PDPP_OWNER_PASSWORD} = random_hex(8);
	my $url = start_gateway();
	chomp(my $token = capture($pdpp, 'token', '--ttl', 86400));
	delete $ENV{PDPP_OWNER_PASSWORD};    # no business of the connectors
	start_controller($_) for sort keys %command_of;
	print "PostgreSQL on port $ENV{PGPORT}, gateway on $url, two controllers\n";
	print "Watch it in a browser: $url/_ref/runs, the password is $password\n\n";
	open_browser("$url/_ref/runs");

	follow_all($url, $token);
	return $ENV{ONCE} ? 130 : 0 if $stopped;
	judge($_) for @rows;
	print_table();
	print_answers();
	print_log_lines();
	my @wrong = grep { @{ $_->{problems} } } @rows;
	print "\n", @wrong ? "WRONG: " . @wrong . " of " . @rows . " handles misbehaved\n"
	  : "Every handle resolved from its first poll to its ending, and after.\n";
	print map { "  $_->{what}: " . join('; ', @{ $_->{problems} }) . "\n" } @wrong;
	my $code = @wrong ? 1 : 0;
	return $code if $ENV{ONCE};

	print_things_to_try($url, $token, $password);
	sleep 1 until $stopped;
	print "\n";
	return $code;
}

# Opens a browser where DEMO_BROWSER=1 asks for one, or where there is a desktop and it does not say 0.
sub open_browser {
	my ($url) = @_;
	my $wanted = $ENV{DEMO_BROWSER} // ($live && !$ENV{ONCE} && ($ENV{WAYLAND_DISPLAY} || $ENV{DISPLAY}) ? 1 : 0);
	return unless $wanted;
	my @folders = split /:/, $ENV{PATH};
	my ($program) = grep { -x } map { my $name = $_; map { "$_/$name" } @folders } qw(xdg-open sensible-browser x-www-browser open);
	return print "There is no program here that opens a browser.\n\n" if !$program && defined $ENV{DEMO_BROWSER};
	return unless $program;
	spawn('browser', sub {
		open STDIN, '<', '/dev/null' or POSIX::_exit(1);
		open STDOUT, '>', '/dev/null' or POSIX::_exit(1);
		open STDERR, '>', '/dev/null' or POSIX::_exit(1);
		exec {$program} $program, $url or POSIX::_exit(127);
	});
	return;
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
	return start_server('gateway', qr{listening on (http://\S+)}, 'serve', '--listen', '127.0.0.1:0');
}

sub start_controller {
	my ($name) = @_;
	my $commands = $command_of{$name};
	my @setups = map { { connector_instance_id => $_, connector_id => $_, command => $commands->{$_} } } sort keys %{$commands};
	open my $file, '>', "$folder/$name.json" or die "$folder/$name.json: $!\n";
	print {$file} $json->encode(\@setups);
	close $file;
	return start_server($name, qr{(offering connections)}, 'controller', '--controller-id', $name, '--connections',
		"$folder/$name.json");
}

# Starts a part of pdpp, and gives what its log says when it is ready.
sub start_server {
	my ($name, $ready, @command) = @_;
	my $log = "$folder/$name.log";
	my $pid = spawn($name, sub {
		open STDERR, '>', $log or POSIX::_exit(1);
		exec {$pdpp} $pdpp, '--db', $database, @command or POSIX::_exit(127);
	});
	my $deadline = time + $patience;
	until ($stopped || time > $deadline)
	{
		return $1 if slurp($log) =~ $ready;
		last if waitpid($pid, POSIX::WNOHANG()) == $pid;
		sleep 0.02;
	}
	die "the $name did not start:\n" . slurp($log);
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

# In a process of its own: start, and poll in a tight loop over one kept-alive connection.
sub follow {
	my ($row, $url, $token, $writer) = @_;
	my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 10,
		default_headers => { Authorization => "Bearer $token" });
	my ($run_id, $errors, $pid) = ($row->{run_id});
	($run_id, $errors, $pid) = $row->{launched} eq 'pdpp run' ? launch($row) : run_now($row, $http, $url)
	  unless defined $run_id;
	# asked to end, as the run is: it is settled before the database goes
	local $SIG{TERM} = sub { waitpid $pid, 0 if $pid; POSIX::_exit(1) };
	my $handed_out = time;
	my $then = $row->{then};
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
		if ($then && time > $handed_out + 0.7)
		{
			$seen{then} = $then->($row, $http, $url, $run_id);
			undef $then;
		}
		last if $seen{once_more} || ($row->{polls} // 0) == $seen{polls};
	}
	if ($pid)
	{
		() = readline $errors;
		waitpid $pid, 0;
		$seen{exit} = $? >> 8;
	}
	report($writer, \%seen);
	return;
}

# Asks for a run, as its owner does; gives the handle.
sub run_now {
	my ($row, $http, $url) = @_;
	my $response = $http->post("$url/_ref/connections/$row->{connection}/run");
	my $body = eval { $json->decode($response->{content}) } // {};
	die "run-now was answered $response->{status}: $response->{content}\n"
	  unless $response->{status} == 202 && $body->{run_id};
	return $body->{run_id};
}

# What is done to a run on its way; each gives what came of it, which print_answers() shows.
sub cancel {
	my ($row, $http, $url, $run_id) = @_;
	my $response = $http->post("$url/_ref/runs/$run_id/cancel");
	return "was answered $response->{status} " . ($json->decode($response->{content})->{status} // '');
}

sub start_again {
	my ($row, $http, $url, $run_id) = @_;
	my $response = $http->post("$url/_ref/connections/$row->{connection}/run");
	my $error = $json->decode($response->{content})->{error} // {};
	my $named = ($error->{active_run_id} // '') eq $run_id && ($response->{headers}{location} // '') =~ m{/\Q$run_id\E$};
	return "was answered $response->{status} " . ($error->{code} // '') . ($named ? ', which names the active run' : '');
}

sub kill_controller {
	my ($row) = @_;
	return kill('KILL', pid_called($row->{launched})) ? 'was killed with SIGKILL' : "could not be killed: $!";
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
		exec {$pdpp} $pdpp, 'run', '--connector', $row->{connection}, '--', "$connectors/$row->{connection}"
		  or POSIX::_exit(127);
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
	if ($row->{connection})
	{
		push @problems, 'it was not polled after its end' unless $seen->{once_more};
		my $connection = ($seen->{body} // {})->{connector_instance_id} // 'none';
		push @problems, "its connection is $connection" if $connection ne $row->{connection};
	}
	my $exit = $seen->{exit} // 'none';
	push @problems, "pdpp run exited with $exit" if defined $row->{exit} && $exit ne $row->{exit};
	push @problems, "what was done to it $seen->{then}"
	  if $row->{then} && ($seen->{then} // '') !~ /202 cancel_requested|409 run_already_active, which names|was killed/;
	$row->{problems} = \@problems;
	return;
}

# ---- what is shown --------------------------------------------------------------------------------------------------

sub table {
	my $format = "%-24s %-36s %-9s %-41s %5s  %-13s %4s %4s %8s\n";
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

sub print_answers {
	my %answer_of = map { $_->{what} => $_->{seen}{then} // 'never came' } @rows;
	print <<"ANSWERS";

The second request for the run that is started twice $answer_of{'is started twice'}.
The request to cancel $answer_of{'is cancelled'}.
The controller of the run that loses it $answer_of{'loses its controller'}; the server's worker ended the run.
ANSWERS
	return;
}

sub print_log_lines {
	my @lines = grep { /launch failed/ } split /^/, slurp("$folder/controller.log");
	print "\nWhat could not be launched left one log line, with run id and trace id:\n", map { "  $_" } @lines;
	return;
}

sub print_things_to_try {
	my ($url, $token, $password) = @_;
	my ($completed, $failed) = map { $_->{seen}{run_id} } @rows;
	my $unknown = $rows[-1]{seen}{run_id};
	print <<"TRY";

It stays up until Ctrl-C. In a browser, with the password $password:

  $url/_ref/runs
  $url/_ref/runs/$failed

In another terminal:

  export PGHOST=$ENV{PGHOST} PGPORT=$ENV{PGPORT} PGUSER=$ENV{PGUSER} PGPASSWORD=$ENV{PGPASSWORD} PGDATABASE=$database
  psql -c "SELECT jsonb_pretty(pdpp_run_status('$failed'))"
  psql -c "SELECT pdpp_run_status('$unknown')"
  pdpp timeline $completed
  pdpp now takes-its-time
  pdpp run -- sh -c 'echo working; sleep 5; exit 3'

  TOKEN=$token
  curl -i -H "Authorization: Bearer \$TOKEN" $url/_ref/runs/$failed
  curl -i -H "Authorization: Bearer \$TOKEN" $url/_ref/runs/$completed/timeline
  curl -i -H "Authorization: Bearer \$TOKEN" $url/_ref/runs/$unknown
  curl -i -H "Authorization: Bearer \$TOKEN" -X POST $url/_ref/connections/fetch-mail/run
TRY
	return;
}
