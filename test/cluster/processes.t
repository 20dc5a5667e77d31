# A run's processes end with it: real trees of processes that scatter in every way they can, under `pdpp run` and
# `pdpp controller`, when the connector ends, is stopped, when its guardian or its launcher is killed.

use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use PdppCluster;
use PdppController;
use Programs;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());

my $node = PdppCluster->running('main', conf => 'pdpp.liveness_grace = 0');

delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }

sub start_run { my (@arguments) = @_; return start('', $pdpp, '--db', $db, 'run', @arguments) }

# What there is to look at when a run is over.
sub run_of {
	my ($self) = @_;
	my ($code, $out, $err) = finish($self);
	my ($id) = $err =~ /"run_id": "(run_[0-9a-f]+)"/;
	return { code => $code, out => $out, err => $err, id => $id, status => decode_json(sql("SELECT pdpp_run_status('$id')")) };
}

sub ended_as {
	my ($run, $status, $reason, $name) = @_;
	is($run->{status}{status}, $status, "$name: status");
	is($run->{status}{terminal_reason}, $reason, "$name: reason");
	return;
}

# Every part of the tree has its mark in the environment, which outlives whatever it does to its parent, group or session.
# The living ones: part => process.
sub parts_of {
	my ($mark) = @_;
	my %living;
	for my $file (glob '/proc/[0-9]*/environ')
	{
		open my $environment, '<', $file or next;
		my %is = map { split /=/, $_, 2 } grep { /=/ } split /\0/, do { local $/ = undef; readline $environment } // '';
		next unless ($is{MARK} // '') eq $mark;
		$living{ $is{PART} // 'connector' } = $file =~ m{/(\d+)/} ? $1 : 0;
	}
	return \%living;
}

sub none_left { my ($mark, $name) = @_; is(join(' ', sort keys %{ parts_of($mark) }), '', $name); return }

sub all_go { my ($mark, $name) = @_; ok(within(sub { !%{ parts_of($mark) } }), $name) or none_left($mark, 'left'); return }

my @parts = qw(daemon deaf group plain renewed session stopped timeout);

# A script whose processes go all the ways there are, and which then does `last`. What makes new ones for ever does so while
# this test runs.
sub scattered {
	my ($mark, $last) = @_;
	return <<"SH";
export MARK=$mark
PART=plain sleep 1000 &
PART=session setsid sleep 1000 &
(PART=daemon setsid sleep 1000 </dev/null >/dev/null 2>&1 &)
PART=group bash -c 'set -m; sleep 1000 & wait' &
PART=timeout timeout 1000 sleep 1000 &
PART=deaf setsid sh -c 'trap "" TERM HUP INT; while :; do sleep 0.1; done' &
PART=renewed setsid bash -c 'trap "" TERM; while kill -0 $$; do (sleep 30 &) & sleep 0.1; done' 2>/dev/null &
PART=stopped setsid sh -c 'kill -STOP \$\$; sleep 1000' &
echo guardian=\$PPID
$last
SH
}

sub all_there { my ($mark) = @_; return within(sub { my $parts = parts_of($mark); !grep { !$parts->{$_} } @parts }) }

# A file that is there when everybody is, and what waits for it in a shell.
sub await_go { my ($mark) = @_; return "while [ ! -e $folder/$mark ]; do sleep 0.05; done" }

sub go { my ($mark) = @_; open my $file, '>', "$folder/$mark" or die "$mark: $!"; close $file; return }

# A run of the scattered tree, once it is all there.
sub scatter {
	my ($mark, $last, @options) = @_;
	my $run = start_run(@options, '--connector', $mark, '--', 'sh', '-c', scattered($mark, $last));
	ok(all_there($mark), "$mark: they are all there");
	return $run;
}

subtest 'the connector ends' => sub {
	my $started = scatter('ends', await_go('ends') . '; exit 3');
	go('ends');
	my $run = run_of($started);
	none_left('ends', 'when it is over, so are all of them');
	ended_as($run, 'failed', 'connector_exit_nonzero', 'it ended by itself');

	$started = scatter('done', await_go('done') . q(; echo '{"type":"DONE","status":"succeeded"}'));
	go('done');
	$run = run_of($started);
	none_left('done', 'and after a DONE');
	ended_as($run, 'completed', undef, 'which was heard');
};

subtest 'what filters the output of a connector may finish' => sub {
	my $run = run_of(start_run('--', 'bash', '-c', <<'SH'));
exec > >(sleep 0.5; exec cat)
echo '{"type":"DONE","status":"succeeded","records_emitted":3}'
SH
	ended_as($run, 'completed', undef, 'filtered');
	like($run->{out}, qr/"records_emitted":3/, 'what it says after the end of the connector is passed on');
};

subtest 'a run that is stopped' => sub {
	# the connector leaves the group it was given, in which nobody is left then
	my $leaver = <<'PERL';
my $child = fork // die;
if (!$child) { setpgrp 0, 0; $ENV{PART} = 'child'; exec 'sleep', 1000 }
select undef, undef, undef, 0.01 until getpgrp $child == $child;
$SIG{TERM} = sub { open my $file, '>>', $ENV{HEARD}; print $file "heard\n"; close $file; exit };
setpgrp 0, $child or die;
$| = 1;
print "ready\n";
sleep 1 while 1;
PERL
	my $leaves = sub {
		my ($name) = @_;
		return ('--connector', $name, '--', 'env', "MARK=$name", "HEARD=$folder/$name.heard", 'perl', '-e', $leaver);
	};
	my $run = run_of(start_run('--timeout', '1', $leaves->('late')));
	none_left('late', 'late: none is left');
	ended_as($run, 'failed', 'run_timed_out', 'late');

	my $started = start_run($leaves->('cancelled'));
	wait_for($started, 'out', qr/ready/);
	my $id = wait_for($started, 'err', qr/"run_id": "(run_[0-9a-f]+)"/);
	sql("SELECT pdpp_run_cancel('$id')");
	$run = run_of($started);
	none_left('cancelled', 'cancelled: none is left');
	ended_as($run, 'cancelled', 'owner_cancelled', 'cancelled');
	is(slurp_file("$folder/cancelled.heard"), "heard\n", 'it was asked, once');

	$started = start_run($leaves->('told'));
	wait_for($started, 'out', qr/ready/);
	kill 'TERM', pid_of($started);
	$run = run_of($started);
	none_left('told', 'told: none is left');
	ended_as($run, 'cancelled', 'owner_cancelled', 'told');
	is(slurp_file("$folder/told.heard"), "heard\n", 'it was asked, once');

	$started = scatter('forced', 'trap "" TERM; echo deaf; ' . await_go('never'));
	wait_for($started, 'out', qr/^deaf$/m);
	kill $_, pid_of($started) for qw(TERM INT);
	$run = run_of($started);
	none_left('forced', 'forced: none is left');
	ended_as($run, 'cancelled', 'owner_cancel_forced', 'forced');
};

subtest 'Ctrl-C at a terminal' => sub {
	my ($in, $shown) = ('', '');
	my $handle = IPC::Run::start([ $pdpp, '--db', $db, 'run', '--connector', 'terminal', '--', 'sh', '-c', scattered('terminal', 'wait; sleep 1000') ],
		'<pty<', \$in, '>pty>', \$shown, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	ok(all_there('terminal'), 'they are all there');
	$in .= "\x03";
	IPC::Run::pump($handle) until $shown =~ /\^C/ || !$handle->pumpable;
	IPC::Run::finish($handle);
	like($shown, qr/cancelled: owner_cancelled/, 'it is asked to end by its launcher, not by the terminal');
	none_left('terminal', 'none is left');
};

subtest 'SIGKILL of pdpp run' => sub {
	my $run = scatter('launcher', 'wait; sleep 1000');
	kill 'KILL', pid_of($run);
	all_go('launcher', 'nobody outlives it');
	IPC::Run::kill_kill($run->{handle});

	$run = scatter('both', 'wait; sleep 1000');
	my ($guardian) = wait_for($run, 'out', qr/guardian=(\d+)/);
	# as systemd and a shell that ends tell everybody
	kill $_, $guardian for qw(TERM HUP INT QUIT PIPE USR1 USR2 ALRM);
	kill 'STOP', $guardian;
	kill 'KILL', pid_of($run);
	all_go('both', 'nor if its guardian was told to end, and stopped');
	IPC::Run::kill_kill($run->{handle});
	ok(within(sub { sql(q{SELECT pdpp_reconcile() IS NOT NULL AND NOT EXISTS (SELECT FROM pdpp.controller_active_runs
			WHERE connector_id = 'both')}) eq 't' }), 'the guard ends the run');
	is(run_of(start_run('--connector', 'both', '--', 'true'))->{code}, 0, 'the connection is free');
};

subtest 'SIGKILL of pdpp controller' => sub {
	my $controller = PdppController->start(conninfo => $db, file => PdppController::connections_file("$folder/killed.json",
			map { ($_ => [ 'sh', '-c', scattered($_, 'wait; sleep 1000') ]) } qw(first second)));
	sql("SELECT pdpp_run_now('$_-connector', '$_')") for qw(first second);
	ok(all_there($_), "$_: they are all there") for qw(first second);
	$controller->stop('KILL');
	all_go($_, "$_: nobody outlives it") for qw(first second);
};

subtest 'the guardian is killed' => sub {
	# it is not alone: a child of the launcher's that is none of the run's, and another run
	my $started = start('', 'sh', '-c', q(MARK=stranger sleep 1000 & exec "$@"), 'sh', $pdpp, '--db', $db, 'run', '--connector',
		'orphans', '--', 'sh', '-c', scattered('orphans', 'wait; sleep 1000'));
	ok(all_there('orphans'), 'they are all there');
	kill 'KILL', wait_for($started, 'out', qr/guardian=(\d+)/);
	# the stranger holds its output open
	ok(within(sub { sql(q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.failed' AND actor_id = 'orphans'}) eq '1' }),
		'the run ends');
	none_left('orphans', 'none is left');
	my $stranger = parts_of('stranger')->{connector};
	ok($stranger, 'but who was there before the run');
	kill 'KILL', $stranger;
	my $run = run_of($started);
	ended_as($run, 'failed', 'controller_error', 'the run');
	is($run->{status}{failure}{message},
		'the controller could not follow the run: its guardian was killed, and so was the connector', 'why');

	$started = scatter('said', q(echo '{"type":"DONE","status":"succeeded"}'; echo said; wait; sleep 1000));
	wait_for($started, 'out', qr/^said$/m);
	kill 'KILL', wait_for($started, 'out', qr/guardian=(\d+)/);
	$run = run_of($started);
	none_left('said', 'none is left');
	ended_as($run, 'completed', undef, 'what the connector has said stands');
};

subtest 'children that nobody waits for' => sub {
	# ignored, they leave no status to whoever started them, unless that sees to it
	my $run = run_of(start('', 'perl', '-e', q($SIG{CHLD} = 'IGNORE'; exec @ARGV), $pdpp, '--db', $db, 'run', '--', 'sh', '-c', 'exit 3'));
	ended_as($run, 'failed', 'connector_exit_nonzero', 'SIGCHLD ignored');

	# a child that it had before it was pdpp, and orphans of the run
	my $zombies = q(ps -eo ppid=,pid=,stat= | awk -v a=$LAUNCHER -v b=$PPID '($1 == a || $1 == b) && $3 ~ /^Z/ {n++} END {print n+0}');
	my $script = "for i in 1 2 3; do (sh -c 'sleep 0.1' &); done; sleep 0.3; n=0;"
	  . qq( while [ \$n -lt 50 ] && [ "\$($zombies)" != 0 ]; do n=\$((n+1)); sleep 0.1; done; echo zombies=\$($zombies));
	my @command = ('sh', '-c', q(export LAUNCHER=$$; sleep 0.2 & exec "$@"), 'sh', $pdpp, '--db', $db, 'run', '--', 'sh', '-c', $script);
	$run = run_of(start('', @command));
	like($run->{out}, qr/^zombies=0$/m, 'they leave no zombies');

  SKIP:
	{
		my @alone = ('unshare', '-Urpf', '--mount-proc');
		skip 'no PID namespaces for this user', 3 if system("@alone true 2>/dev/null") != 0;
		$run = run_of(start('', @alone, @command));
		like($run->{out}, qr/^zombies=0$/m, 'nor where pdpp is the first process');
		ended_as($run, 'completed', undef, 'the first process');
	}
};

subtest 'where /proc is another namespace\'s' => sub {
  SKIP:
	{
		my @alone = ('unshare', '-Urpf');
		skip 'no PID namespaces for this user', 2 if system("@alone true 2>/dev/null") != 0;
		my $run = run_of(start('', @alone, $pdpp, '--db', $db, 'run', '--timeout', '0.5', '--connector', 'blind', '--', 'sh', '-c',
				'sleep 1000 & sleep 1000'));
		ended_as($run, 'failed', 'run_timed_out', 'the group is signalled all the same');
	}
};

$node->stop;
done_testing();
