#!/usr/bin/perl
# High availability: three servers under Patroni, with an etcd, as contrib/patroni/ has them. Servers are killed, frozen beyond their
# lease, cut from etcd and switched over, while runs are admitted, polled, waited for and followed over whatever server is the primary. At
# the end what was acknowledged is held against what each of the servers says. See docs/reliability.md.
#
#   test/as-postgres perl test/chaos/ha.pl --seconds 30 --seed 7
#
# A seed deals the same faults in the same order; what the scheduler and Patroni make of them is their own. Exits with 0 only if everything
# on the list holds. `--no-synchronous` takes out what it rests on: standbys are not waited for, and handles are lost;
# `--no-watchdog`: a primary that was replaced while it stood still wakes, and may tell of the past.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";

use Chaos::Checker;
use Chaos::Client;
use Chaos::Failures;
use Chaos::Follower;
use Chaos::Launcher;
use Chaos::Nodes;
use Chaos::Poller;
use Chaos::Processes;
use Chaos::Record;
use Chaos::Verdict;
use File::Temp ();
use Getopt::Long;
use HTTP::Tiny;
use JSON::PP ();
use List::Util qw(max sum0);
use Time::HiRes qw(sleep time);

STDOUT->autoflush(1);

my %option = (seconds => 30, seed => int(rand 1_000_000), gap => 4, launchers => 2, controllers => 2, clients => 2, followers => 2, pause => 0.05,
	patience => 120, enough => 100, synchronous => 1, watchdog => 1, faults => '', grace => 15);
GetOptions(\%option, 'seconds=f', 'seed=i', 'gap=f', 'launchers=i', 'controllers=i', 'clients=i', 'followers=i', 'pause=f', 'patience=i', 'enough=i',
	'synchronous!', 'watchdog!', 'faults=s', 'grace=i') or exit 2;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = File::Temp->newdir('pdpp-ha.XXXXXX', TMPDIR => 1);
my $logs = $ENV{TESTLOGDIR} // "$folder";
my $me = $$;
my $stopped = 0;
my @marks = (time);
my $processes = Chaos::Processes->new;
my ($nodes, $failures);
# shorter than an operator's, in the same proportions: a lease is lost within seconds
my %times = (ttl => 5, loop_wait => 1, retry_timeout => 2, primary_start_timeout => 10);
my @servers = qw(etcd relay patroni);
my @programs = qw(watcher gateway controller launcher client poller follower checker);
my ($missing) = grep { my $program = $_; !grep { -x "$_/$program" } split /:/, $ENV{PATH} } qw(patroni etcd);
if ($missing)
{
	print "ok 1 # skip $missing is not installed\n1..1\n";
	exit 0;
}
$SIG{$_} = sub { exit 130 if $stopped++ } for qw(INT TERM HUP);

END {
	if ($$ == $me)
	{
		local $?;
		$failures->mend('all') if $failures;
		$processes->stop(0.5, reverse @programs) if $processes;
		$processes->stop(0.5, 'patroni') if $processes;
		$nodes->stop if $nodes;
		$processes->stop(0.5, qw(relay etcd)) if $processes;
	}
}
exit main();

sub main
{
	srand $option{seed};
	print "seed $option{seed}, $option{seconds} s, " . ($option{synchronous} ? 'synchronous, strict' : 'asynchronous')
	  . ", lease $times{ttl} s, grace $option{grace} s\n";
	set_up();
	push @marks, time;
	my $record = Chaos::Record->new("$folder", 'chaos');
	$failures = Chaos::Failures->new(nodes => $nodes, processes => $processes, record => $record, lease => $times{ttl}, gap => $option{gap},
		watchdog => $option{watchdog}, faults => [ split /,/, $option{faults} ]);
	my $began = time;
	my $next = $began + 4;    # until there are runs under way
	while (!$stopped && time < $began + $option{seconds})
	{
		$processes->tend(@servers, @programs);
		$failures->mend;
		if (time >= $next)
		{
			my $struck = $failures->strike;
			$next = time + ($struck ? 1 + $failures->next_gap : 0.3);
		}
		sleep 0.01;
	}
	my $seconds = time - $began;
	push @marks, time;

	# heal: everything is back, nobody admits any more, and what launchers leave is ended by the guard
	$failures->mend('all');
	$_->{back_at} = 0 for map { $processes->of($_) } @servers;
	my $is_whole = $nodes->await_whole($option{patience}, @servers, @programs);
	push @marks, time;
	# the launchers are gone for good, and their runs with them, which need not take the grace that the living are given
	await_controllers() if $is_whole;
	$processes->stop(60, qw(client launcher));
	shorten_grace() if $is_whole;
	open my $healed, '>', "$folder/healed" or die "healed: $!\n";
	close $healed;
	for my $slot ($processes->of('poller'))
	{
		$slot->{stopping} = 1;
		while ($slot->{pid}) { $processes->tend(@servers, qw(gateway controller)); $processes->collect($slot); sleep 0.05; }
	}
	$processes->stop($option{patience}, 'follower');
	await_the_end();
	$processes->stop(30, qw(watcher checker controller gateway));

	push @marks, time;
	my $verdict = Chaos::Verdict->new(cluster => $nodes, folder => "$folder", outages => [], steps => [], grace => $option{grace}, interval => 1);
	$verdict->examine;
	$verdict->violation('not mended', '', 'the servers did not come together again') unless $is_whole;
	ask_each_node($verdict) if $is_whole;
	look_for_lost_runs($verdict);
	my $waits = times_of_waiting($verdict);
	push @marks, time;
	print_figures($verdict, $seconds, $waits);
	my $wrong = judge($verdict, $waits);
	print_violations($verdict) if $wrong || %{ $verdict->{violations} };
	return $wrong ? 1 : 0;
}

# ---- what runs ------------------------------------------------------------------------------------------------------

sub set_up
{
	$nodes = Chaos::Nodes->new(folder => "$folder", logs => $logs, processes => $processes, configuration => "$FindBin::Bin/../../contrib/patroni",
		synchronous => $option{synchronous}, times => \%times, settings => {
			'pdpp.liveness_grace' => "$option{grace}s", 'pdpp.reconcile_interval' => '200ms', 'pdpp.launch_deadline' => '10s', wal_sender_timeout => '3s',
			wal_receiver_timeout => '3s', checkpoint_timeout => '30s', shared_buffers => '64MB', max_connections => 100, log_line_prefix => '%m [%p] %a ' });
	$nodes->await_whole(120, @servers) or die "the servers do not come together, see $logs\n";
	{
		local $nodes->{database} = 'postgres';
		$nodes->rows('create database app');
	}
	$nodes->rows('create extension pdpp');

	$ENV{PDPP_OWNER_PASSWORD} = join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 20;
	chomp(my $token = Chaos::Cluster::run_quietly($pdpp, 'token', '--ttl', 86400));
	# what client.conf advises, and what reads endings from standbys
	my %way = (primary => $nodes->conninfo . ' target_session_attrs=read-write', standbys => $nodes->conninfo);

	my (@urls, %ahead);
	for my $gateway ([ 'gateway-1', 'primary' ], [ 'gateway-2', 'primary' ], [ 'gateway-3', 'standbys' ])
	{
		my ($name, $reads) = @$gateway;
		my $port = Chaos::Nodes::free_port();
		push @urls, "http://127.0.0.1:$port";
		$ahead{ $urls[-1] } = 1 if $reads eq 'standbys';
		add_program('gateway', $name, $way{$reads}, 'serve', '--listen', "127.0.0.1:$port", '--pool', 4);
	}
	for my $url (@urls)
	{
		my $deadline = time + $option{patience};
		until (HTTP::Tiny->new->get("$url/_ref/runs/none")->{status} == 401) { die "no gateway at $url\n" if time > $deadline; $processes->tend(@servers, 'gateway'); sleep 0.1; }
	}

	my @connections;
	for my $index (1 .. $option{controllers})
	{
		my $name = "controller-$index";
		my @setups = setups($name);
		push @connections, map { $_->{connector_instance_id} } @setups;
		open my $file, '>', "$folder/$name.json" or die "$name.json: $!\n";
		print {$file} JSON::PP::encode_json(\@setups);
		close $file;
		add_program('controller', $name, $way{primary}, 'controller', '--connections', "$folder/$name.json", '--controller-id', $name, '--parallel', 8,
			'--drain-timeout', 20);
	}

	my %launched = map { my $name = "launcher-$_"; $name => [ map { "$name-$_" } 1 .. 100 ] } 1 .. $option{launchers};
	my @unoffered = map { "unoffered-$_" } 1 .. 20;
	for my $index (1 .. $option{launchers})
	{
		my $name = "launcher-$index";
		$processes->add(kind => 'launcher', name => $name, work => sub {
				my ($life) = @_;
				Chaos::Launcher::run(cluster => $nodes, folder => "$folder", name => $name, life => $life, seed => $option{seed} + 1000 * $index + $life,
					connections => $launched{$name}, unoffered => \@unoffered, pause => $option{pause});
			});
	}
	# every connection is on record before anybody asks for a run of it
	my @all = sort @connections, @unoffered, map { @$_ } values %launched;
	$nodes->rows(q{with admitted as materialized (select pdpp_run_now('chaos', c)->>'run_id' as run_id from unnest(} . Chaos::Session::array(@all)
		  . ') as c) select count(pdpp_run_cancel(run_id)) from admitted');
	for my $index (1 .. $option{clients})
	{
		$processes->add(kind => 'client', name => "client-$index", work => sub {
				my ($life) = @_;
				Chaos::Client::run(folder => "$folder", name => "$index-$life", seed => $option{seed} + 100_000 * $index + $life, urls => \@urls, token => $token,
					connections => [ (@connections) x 5, @all ], pause => $option{pause});
			});
	}
	for my $way (qw(wait stream program))
	{
		for my $index (1 .. $option{followers})
		{
			my $name = "$way-$index";
			$processes->add(kind => 'follower', name => $name, work => sub {
					Chaos::Follower::run(folder => "$folder", name => $name, seed => $option{seed} + $index, urls => \@urls, ahead => \%ahead, token => $token,
						way => $way, log => "$logs/$name.log", program => $pdpp, conninfo => $index % 2 ? $way{primary} : $way{standbys}, reads_ahead => $index % 2 == 0);
				});
		}
	}
	$processes->add(kind => 'watcher', name => 'watcher', work => sub { $nodes->watch(Chaos::Record->new("$folder", 'watcher')) });
	$processes->add(kind => 'checker', name => 'checker', work => sub { Chaos::Checker::run(cluster => $nodes, folder => "$folder") });
	$processes->add(kind => 'poller', name => 'poller', work => sub {
			Chaos::Poller::run(cluster => $nodes, folder => "$folder", seed => $option{seed}, urls => \@urls, ahead => \%ahead, token => $token,
				healed => "$folder/healed", patience => $option{patience});
		});
	return;
}

# A process of `pdpp`, over sessions that carry its name.
sub add_program
{
	my ($kind, $name, $conninfo, @arguments) = @_;
	$processes->add(kind => $kind, name => $name, work => sub {
			Chaos::Nodes::quietly("$logs/$name.log");
			exec {$pdpp} $pdpp, '--db', "$conninfo application_name=$name", @arguments or die "cannot run $pdpp: $!\n";
		});
	return;
}

# Half of them are at work for longer than it takes to find another primary.
sub setups
{
	my ($name) = @_;
	my %command = (quick => ['true'], fails => [ 'sh', '-c', 'exit 3' ], slow => [ 'sleep', '1.5' ], long => [ 'sleep', '10' ],
		longer => [ 'sleep', '15' ], says => [ 'sh', '-c', q(echo '{"type":"PROGRESS","count":1}'; sleep 6; echo '{"type":"DONE","status":"succeeded"}') ]);
	return map {
		my $temper = $_;
		map { { connector_instance_id => "$name-$temper-$_", connector_id => $temper, command => $command{$temper} } } 1 .. 3
	} sort keys %command;
}

# Each holds its boot again.
sub await_controllers
{
	my $deadline = time + $option{patience};
	my $held = q(select count(distinct controller_id) from pdpp.controller_boots where controller_id like 'controller-%' and dead_at is null and lost_at is null
		and exists (select from pg_stat_activity where application_name = controller_id));
	until (($nodes->rows($held))[0][0] == $option{controllers} || time > $deadline) { $processes->tend(@servers, @programs); sleep 0.2; }
	return;
}

sub shorten_grace { $nodes->rows(q(alter system set pdpp.liveness_grace = '2s')); $nodes->rows('select pg_reload_conf()'); return }

# Runs that nobody acknowledged have ended too.
sub await_the_end
{
	my $deadline = time + $option{patience};
	while (time < $deadline)
	{
		last if ($nodes->rows('select count(*) from pdpp.controller_active_runs'))[0][0] == 0;
		$processes->tend(@servers, qw(gateway controller));
		sleep 0.1;
	}
	return;
}

# ---- what is concluded ----------------------------------------------------------------------------------------------

# Every node says the same of every handle, once the standbys have replayed what there is.
sub ask_each_node
{
	my ($verdict) = @_;
	my $standing = $nodes->standing or return $verdict->violation('not mended', '', 'no primary at the end');
	my ($until) = map { $_->[0] } $nodes->ask($standing->{primary}, 'select pg_current_wal_lsn()');
	my $deadline = time + $option{patience};
	for my $node (@{ $nodes->{nodes} })
	{
		until ($node == $standing->{primary} || (($nodes->ask($node, "select pg_last_wal_replay_lsn() >= '$until'"))[0] // ['f'])->[0] eq 't')
		{
			return $verdict->violation('not mended', '', "$node->{name} does not catch up") if time > $deadline;
			$processes->tend(@servers);
			sleep 0.1;
		}
	}
	my @all = sort keys %{ $verdict->{handles} };
	my %stands;
	for my $node ($standing->{primary}, grep { $_ != $standing->{primary} } @{ $nodes->{nodes} })
	{
		my @left = @all;
		while (my @part = splice @left, 0, 1000)
		{
			my @rows = $nodes->ask($node, 'select run_id, body from pdpp_run_statuses(' . Chaos::Session::array(@part) . ')');
			$verdict->violation('another answer elsewhere', '', "$node->{name} does not answer") if @rows != @part;
			for my $row (@rows)
			{
				my ($run, $body) = @$row;
				my $first = $stands{$run} //= $body;
				$verdict->violation('not found', $run, "$node->{name}: $body") if $body !~ /"status": ?"(?:completed|failed|cancelled|abandoned)"/;
				$verdict->violation('another answer elsewhere', $run, "$first, but on $node->{name} $body") if $first ne $body;
			}
		}
	}
	return;
}

# No controller was stopped, so none has lost a run.
sub look_for_lost_runs
{
	my ($verdict) = @_;
	$verdict->violation('a launcher that lived lost its run', @$_) for $nodes->rows(q(
		select run_id, event_type || ' ' || data_json::text from pdpp.spine_events
		where (event_type = 'run.abandoned' and data_json->>'original_controller_id' like 'controller-%')
		   or (event_type = 'run.failed' and data_json->>'message' ~ '^controller controller-')));
	# when another node was seen to be the primary
	my ($was, @moves) = ('');
	Chaos::Record::follow("$folder", {}, sub {
		my ($at, $kind, $name) = @_;
		return if $kind ne 'primary' || !length $name || $name eq $was;
		push @moves, $at if length $was;
		$was = $name;
	});
	$verdict->{moves} = @moves;
	my $moves = 'array[' . join(',', map { "to_timestamp($_)" } @moves) . ']::timestamptz[]';
	($verdict->{crossed}) = map { $_->[0] } $nodes->rows(qq(
		select count(*) from pdpp.spine_events as s join pdpp.spine_events as e using (run_id)
		where s.event_type = 'run.started' and s.data_json->>'controller_id' like 'controller-%' and e.event_type in ('run.completed', 'run.failed')
		  and exists (select from unnest($moves) as m where m between s.recorded_at and e.recorded_at)));
	return;
}

# From the ending, as the database has it, to whoever waited for it; and how long nobody was told of a handle at all.
sub times_of_waiting
{
	my ($verdict) = @_;
	my (@acks, %told);
	Chaos::Record::follow("$folder", {}, sub {
		my ($at, $kind, $run, $way) = @_;
		push @acks, $at if $kind eq 'ack';
		$told{$way}{$run} = $at if $kind eq 'told';
	});
	my %ended = map { @$_ } $nodes->rows(q(select run_id, extract(epoch from max(recorded_at)) from pdpp.spine_events
		where event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned') group by 1));
	my %waits;
	for my $way (keys %told) { push @{ $waits{ $way =~ s/ .*//r } }, map { $told{$way}{$_} - ($ended{$_} // $told{$way}{$_}) } keys %{ $told{$way} }; }
	@acks = sort { $a <=> $b } @acks;
	my @gaps = sort { $b <=> $a } map { $acks[ $_ + 1 ] - $acks[$_] } 0 .. $#acks - 1;
	return { waits => \%waits, gaps => \@gaps };
}

sub at { my ($share, @values) = @_; @values = sort { $a <=> $b } @values; return $values[ int($share * $#values + 0.5) ] // 0 }

sub print_figures
{
	my ($verdict, $seconds, $waits) = @_;
	my $handles = keys %{ $verdict->{handles} };
	printf "handles     %d acknowledged in %.0f s, %.0f a second; %s\n", $handles, $seconds, $handles / $seconds,
	  join(', ', map { "$_ $verdict->{acks}{$_}" } sort keys %{ $verdict->{acks} });
	printf "faults      %d: %s\n", sum0(values %{ $failures->{counts} }), join ', ', map { "$_ $failures->{counts}{$_}" =~ tr/_/ /r } sort keys %{ $failures->{counts} };
	printf "time        %.0f s to begin, %.0f s to mend, %.0f s to end all runs, %.0f s to judge\n", map { $marks[ $_ + 1 ] - $marks[$_] } 0, 2, 3, 4;
	printf "primary     moved %d times; %d runs of controllers went on over that\n", $verdict->{moves}, $verdict->{crossed};
	my @gaps = grep { $_ > 1 } @{ $waits->{gaps} };
	printf "writes      nobody was acknowledged anything for more than a second %d times: p50 %.1f s, max %.1f s\n", scalar @gaps, at(0.5, @gaps), $gaps[0] // 0;
	print 'endings     ', join("\n            ", map { "$_->[2] $_->[0] $_->[1]" } @{ $verdict->{endings} }), "\n";
	print "checks      pdpp_check() was asked $verdict->{checks} times while it went on\n";
	printf "polls       %d in SQL, %d over HTTP, %d of them after the end; %d had no answer\n", map { $_ // 0 } @{ $verdict->{polls} }{qw(sql http after_end no_answer)};
	for my $way (sort keys %{ $waits->{waits} })
	{
		my @times = @{ $waits->{waits}{$way} };
		printf "%-11s %d runs, over %d breaks; from the ending to being told: p50 %.3f s, p99 %.3f s, max %.3f s\n", $way, scalar @times,
		  $verdict->{breaks}{$way} // 0, at(0.5, @times), at(0.99, @times), at(1, @times);
	}
	print 'http        ', join(', ', map { "$_: $verdict->{http}{$_}" } sort keys %{ $verdict->{http} }), " (polls answered with 200 aside)\n";
	print "strange     $_\n" for @{ $processes->{strange} };
	return;
}

# The fixed list of what must hold. Gives the number of what does not.
sub judge
{
	my ($verdict, $waits) = @_;
	my %violated = map { $_ => scalar @{ $verdict->{violations}{$_} } } keys %{ $verdict->{violations} };
	my ($number, $failed) = (0, 0);
	my $holds = sub {
		my ($holds, $what, $known) = @_;
		printf "%s %d - %s%s\n", $holds ? 'ok' : 'not ok', ++$number, $what, $known ? " # TODO $known" : '';
		$failed++ unless $holds || $known;
	};
	my $count_of = sub { return sum0(map { $_ // 0 } delete @violated{@_}) };
	my $never = sub { my ($what, @kinds) = @_; my $count = $count_of->(@kinds); $holds->(!$count, $what . ($count ? ": $count violations" : '')); };
	my $handles = keys %{ $verdict->{handles} };
	$holds->($handles >= $option{enough}, "at least $option{enough} handles were acknowledged");
	$holds->($verdict->{moves} > 0, 'the primary moved');
	$holds->(($verdict->{polls}{sql} // 0) >= $handles && ($verdict->{polls}{http} // 0) >= $handles, 'every handle was polled, in SQL and over HTTP');
	$never->('the servers came together again', 'not mended');
	$never->(@$_) for @Chaos::Verdict::promises;
	$never->('every node says the same of every handle', 'another answer elsewhere');
	$never->('a launcher whose primary moved goes on with its runs', 'a launcher that lived lost its run');
	$holds->(!grep({ !@{ $waits->{waits}{$_} // [] } } qw(wait stream program)), 'runs were waited for over HTTP and by the program, and followed as streams');
	# the longest that a request of theirs lasts, and what a gateway and a client do about one that fails: 20 s, 10 s and 2 s, and room
	my $longest = max(map { @$_ } values %{ $waits->{waits} });
	$holds->($longest <= ($waits->{gaps}[0] // 0) + 60, sprintf 'nobody waited longer than the failover and the timeouts of those who ask: %.1f s, after at most %.1f s without an acknowledgement',
		$longest, $waits->{gaps}[0] // 0);
	my $early = $count_of->('ahead of the primary', 'ahead, and lost');
	$holds->(!$early, 'no ending was read from a standby before the primary had acknowledged it' . ($early ? ": $early violations" : ''), 'docs/design/model.md, what does not hold');
	$never->('and nothing else', keys %violated);
	$holds->(!@{ $processes->{strange} }, 'no process ended but by our hand');
	print "1..$number\n";
	return $failed;
}

# What happened, and what it did to which run.
sub print_violations
{
	my ($verdict) = @_;
	open my $plan, '<', "$folder/chaos.record" or die "chaos.record: $!\n";
	print "\nseed $option{seed}\n", map { "    $_" } readline $plan;
	$verdict->print_violations;
	system 'cp', glob("$folder/*.record"), "$logs/" if $logs ne "$folder";
	return;
}
