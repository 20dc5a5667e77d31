#!/usr/bin/perl
# Chaos: everything that can die is killed at random, again and again, while runs are admitted as fast as the machine allows
# and every handle that was acknowledged is polled. At the end everything heals, and what was acknowledged is held against
# what the database says. See docs/reliability.md.
#
#   test/as-postgres perl test/chaos/chaos.pl --seconds 30 --seed 7
#
# A seed deals the same faults in the same order to processes that make the same choices; what the scheduler does is its own.
# Prints figures, and a line for each thing that must hold; exits with 0 only if all do.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";

use Chaos::Checker;
use Chaos::Client;
use Chaos::Cluster;
use Chaos::Faults;
use Chaos::Follower;
use Chaos::Launcher;
use Chaos::Poller;
use Chaos::Processes;
use Chaos::Record;
use Chaos::Verdict;
use File::Temp ();
use Getopt::Long;
use IO::Socket::INET;
use JSON::PP ();
use List::Util qw(sum0);
use Time::HiRes qw(sleep time);

STDOUT->autoflush(1);

my %option = (seconds => 30, seed => int(rand 1_000_000), grace => 1000, interval => 200, gap => 0.7,
	launchers => 5, controllers => 2, doomed => 2, gateways => 2, clients => 2, followers => 3, pause => 0.006, patience => 180, enough => 100);
GetOptions(\%option, 'seconds=f', 'seed=i', 'grace=i', 'interval=i', 'deadline=i', 'gap=f', 'launchers=i', 'controllers=i', 'doomed=i',
	'gateways=i', 'clients=i', 'followers=i', 'pause=f', 'patience=i', 'enough=i') or exit 2;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = File::Temp->newdir('pdpp-chaos.XXXXXX', TMPDIR => 1);
my $logs = $ENV{TESTLOGDIR} // "$folder";
my $grace = $option{grace} / 1000;
my $me = $$;
my $stopped = 0;
my $set_up = 0;    # runs that put the connections on record
my $next_port = 0;
my $processes = Chaos::Processes->new;
my ($cluster, $faults, $pooled);
# what runs leave behind sleeps for so many seconds: whoever does is one of theirs
my $mark = 1_000_000 + $$;
$SIG{$_} = sub { exit 130 if $stopped++ } for qw(INT TERM HUP);

END {
	if ($$ == $me)
	{
		local $?;
		$processes->stop(0.5, qw(checker follower poller client launcher controller doomed gateway pool)) if $processes;
		$faults->wake_frozen(0.5) if $faults;
		$cluster->stop if $cluster;
	}
}
exit main();

sub main
{
	srand $option{seed};    # here: making a scratch folder takes random numbers too
	my $durability = rand() < 0.5 ? 'on' : 'off';
	# a short one makes starts and the guard meet, a long one leaves time for the runs to run
	$option{deadline} //= (800, 2000, 4000)[ rand 3 ];
	print "seed $option{seed}, $option{seconds} s, synchronous_commit $durability by default, grace $option{grace} ms, "
	  . "interval $option{interval} ms, launch deadline $option{deadline} ms\n";
	set_up($durability);
	my $record = Chaos::Record->new("$folder", 'chaos');
	$faults = Chaos::Faults->new(cluster => $cluster, processes => $processes, record => $record, grace => $grace, gap => $option{gap},
		clock => "$folder/clock", queue => $cluster->{queue}, pool => $pooled && sub { my ($slot) = $processes->running('pool'); return $slot && $slot->{pid} });

	my @places = qw(pool gateway controller doomed launcher client poller follower checker);
	my $began = time;
	my $next = $began + 1;
	while (!$stopped && time < $began + $option{seconds})
	{
		$processes->tend(@places);
		$faults->thaw;
		if (time >= $next)
		{
			$faults->strike;
			$next = time + $faults->next_gap;
		}
		sleep 0.01;
	}
	my $seconds = time - $began;

	# heal: nobody admits any more, what is frozen thaws, what was killed is back; launchers are gone for good, and the guard
	# ends what they leave
	$faults->thaw('all');
	$processes->stop(60, qw(client launcher));
	# these stay frozen until all of their runs have ended without them
	give_to_doomed();
	$faults->freeze_for_good($_) for $processes->running('doomed');
	# the pool stays, and keeps the sessions of launchers that are gone
	$processes->tend(qw(pool gateway controller poller));
	$cluster->await_session('chaos');
	open my $healed, '>', "$folder/healed" or die "healed: $!\n";
	close $healed;
	my ($poller) = $processes->of('poller');
	$poller->{stopping} = 1;
	while ($poller->{pid})
	{
		$processes->tend(qw(pool gateway controller));
		$processes->collect($poller);
		sleep 0.05;
	}
	$processes->stop($option{patience}, 'follower');
	await_the_end();
	my @held = $cluster->rows(q(select run_id, 'while its controller was frozen' from pdpp.controller_active_runs));
	$faults->wake_frozen(60);
	$processes->stop(30, qw(checker controller gateway pool));

	my $verdict = Chaos::Verdict->new(cluster => $cluster, folder => "$folder", outages => $faults->{outages}, steps => $faults->{steps}, grace => $grace,
		interval => $option{interval} / 1000);
	$verdict->examine;
	$verdict->violation('still in flight', @$_) for @held;
	$verdict->violation('a process outlived its run', '', $_) for left_behind();
	print_figures($verdict, $seconds);
	my $wrong = judge($verdict, $seconds);
	print_violations($verdict) if $wrong;
	return $wrong ? 1 : 0;
}

# ---- what runs ------------------------------------------------------------------------------------------------------

sub set_up
{
	my ($durability) = @_;
	open my $clock, '>', "$folder/clock" or die "clock: $!\n";
	print {$clock} pack 'q', 0;
	close $clock;
	build('set_clock');
	# before 17 the queue of notifications has 8 GB, which takes minutes to fill (test/cluster/full_queue.t pretends, which no new
	# listener may see)
	my ($version) = Chaos::Cluster::run_quietly('postgres', '--version') =~ /(\d+)/;
	my %queue = $version >= 17 ? (max_notify_queue_pages => 64) : ();
	my %sync = $version >= 14 ? (recovery_init_sync_method => 'syncfs') : ();
	$cluster = Chaos::Cluster->new(folder => "$folder", log => "$logs/chaos-server.log", environment => { LD_PRELOAD => "$folder/set_clock.so",
			CLOCK_AHEAD => "$folder/clock" }, settings => {
			shared_preload_libraries => 'pdpp', 'pdpp.databases' => 'chaos', 'pdpp.liveness_grace' => $option{grace},
			'pdpp.reconcile_interval' => $option{interval}, 'pdpp.launch_deadline' => $option{deadline}, 'pdpp.cancel_grace' => 3000,
			restart_after_crash => 'on', max_connections => 100, checkpoint_timeout => '30s', log_line_prefix => '%m [%p] %a ', %queue, %sync });
	$cluster->{queue} = keys %queue;
	{
		local $cluster->{database} = 'postgres';
		$cluster->rows('create database chaos');
	}
	$cluster->rows('create extension pdpp');
	$cluster->rows("alter database chaos set synchronous_commit = $durability");
	set_up_pool();

	$ENV{PDPP_OWNER_PASSWORD} = join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 20;
	chomp(my $token = Chaos::Cluster::run_quietly($pdpp, 'token', '--ttl', 86400));

	my @urls;
	for my $index (1 .. $option{gateways})
	{
		my $port = free_port();
		push @urls, "http://127.0.0.1:$port";
		add_program('gateway', "gateway-$index", sub { ('serve', '--listen', "127.0.0.1:$port", '--pool', 4) });
	}

	my @processes_connections;
	for my $index (1 .. $option{controllers})
	{
		my $name = "controller-$index";
		my @setups = setups($name);
		push @processes_connections, map { $_->{connector_instance_id} } @setups;
		open my $file, '>', "$folder/$name.json" or die "$name.json: $!\n";
		print {$file} JSON::PP::encode_json(\@setups);
		close $file;
		add_program('controller', $name, sub { ('controller', '--connections', "$folder/$name.json", '--controller-id', $name, '--parallel', 8,
			'--drain-timeout', 5) });
	}

	# whose runs have a deadline each, and processes that are over it
	for my $index (1 .. $option{doomed})
	{
		my $name = "doomed-$index";
		my @setups = map { { connector_instance_id => "$name-$_", connector_id => 'hangs', command => [ 'sleep', "$mark" ], timeout_seconds => 4, grace_seconds => 0.2 } } 1 .. 6;
		push @processes_connections, map { $_->{connector_instance_id} } @setups;
		open my $file, '>', "$folder/$name.json" or die "$name.json: $!\n";
		print {$file} JSON::PP::encode_json(\@setups);
		close $file;
		add_program('doomed', $name, sub { ('controller', '--connections', "$folder/$name.json", '--controller-id', $name, '--parallel', 8, '--drain-timeout', 1) });
	}

	my %launched = map { my $name = "launcher-$_"; $name => [ map { "$name-$_" } 1 .. 300 ] } 1 .. $option{launchers};
	my @unoffered = map { "unoffered-$_" } 1 .. 100;
	for my $index (1 .. $option{launchers})
	{
		my $name = "launcher-$index";
		$processes->add(kind => 'launcher', name => $name, work => sub {
				my ($life) = @_;
				# every other one through the pool
				Chaos::Launcher::run(cluster => $index % 2 && $pooled || $cluster, folder => "$folder", name => $name, life => $life,
					seed => $option{seed} + 1000 * $index + $life, connections => $launched{$name}, unoffered => \@unoffered, pause => $option{pause});
			});
	}

	# every connection is on record before anybody asks for a run of it
	my @all = sort @processes_connections, @unoffered, map { @$_ } values %launched;
	$cluster->rows(q{with admitted as materialized (select pdpp_run_now('chaos', c)->>'run_id' as run_id from unnest(} . Chaos::Session::array(@all)
		  . ') as c) select count(pdpp_run_cancel(run_id)) from admitted');
	$set_up = @all;
	$cluster->rows('checkpoint');    # or each recovery writes all of this again
	for my $index (1 .. $option{clients})
	{
		$processes->add(kind => 'client', name => "client-$index", work => sub {
				my ($life) = @_;
				# half of the requests for real processes, which are few
				Chaos::Client::run(folder => "$folder", name => "$index-$life", seed => $option{seed} + 100_000 * $index + $life, urls => \@urls,
					token => $token, connections => [ (@processes_connections) x (1 + @all / 3 / @processes_connections), @all ], pause => $option{pause});
			});
	}
	for my $way (qw(wait stream))
	{
		for my $index (1 .. $option{followers})
		{
			my $name = "$way-$index";
			$processes->add(kind => 'follower', name => $name, work => sub {
					Chaos::Follower::run(folder => "$folder", name => $name, seed => $option{seed} + $index, urls => \@urls, token => $token, way => $way);
				});
		}
	}
	$processes->add(kind => 'checker', name => 'checker', work => sub { Chaos::Checker::run(cluster => $cluster, folder => "$folder") });
	$processes->add(kind => 'poller', name => 'poller', work => sub {
			Chaos::Poller::run(cluster => $cluster, folder => "$folder", seed => $option{seed}, urls => \@urls, token => $token,
				healed => "$folder/healed", patience => $option{patience});
		});
	return;
}

# A module that the server loads, from its source.
sub build
{
	my ($name) = @_;
	Chaos::Cluster::run_quietly('gcc', '-shared', '-fPIC', '-o', "$folder/$name.so", "$FindBin::Bin/../lib/$name.c");
	return;
}

# A pool in session mode, which hands a session from one client to the next.
sub set_up_pool
{
	if (!grep { -x "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin') { print "no pgbouncer: nobody goes through a pool\n"; return; }
	$pooled = bless { %$cluster, port => 6432 }, 'Chaos::Cluster';
	open my $users, '>', "$folder/users" or die "users: $!\n";
	print {$users} qq("$cluster->{user}" ""\n);
	close $users;
	open my $file, '>', "$folder/pgbouncer.ini" or die "pgbouncer.ini: $!\n";
	print {$file} <<"INI";
[databases]
* = host=$cluster->{socket_folder} port=$cluster->{port}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $cluster->{socket_folder}
auth_type = trust
auth_file = $folder/users
pool_mode = session
server_login_retry = 1
INI
	close $file;
	$processes->add(kind => 'pool', name => 'pool', work => sub {
			open STDERR, '>>', "$logs/pgbouncer.log" or die "pgbouncer.log: $!\n";
			open STDOUT, '>&', \*STDERR or die "pgbouncer.log: $!\n";
			local $ENV{PATH} = "$ENV{PATH}:/usr/sbin";
			exec 'pgbouncer', "$folder/pgbouncer.ini" or die "cannot run pgbouncer: $!\n";
		});
	return;
}

# Whoever is still at work for a run: all runs have ended, and their launchers too. The last guardian may need a moment.
sub left_behind
{
	my $deadline = time + 60;
	my @left;
	do
	{
		@left = grep { /^sleep $mark\b/ } map { command_line($_) } glob '/proc/[0-9]*/cmdline';
		sleep 0.1 if @left;
	} while (@left && time < $deadline);
	return @left;
}

sub command_line
{
	my ($path) = @_;
	open my $file, '<', $path or return;
	local $/ = undef;
	return join ' ', split /\0/, readline($file) // '';
}

# A port that a gateway keeps over its lives: none that the system hands out to clients, who might get it while it is away.
sub free_port
{
	for my $try (1 .. 1000)
	{
		my $port = 10_000 + ($$ * 10 + $next_port++) % 20_000;
		return $port if IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1);
	}
	die "no port is free\n";
}

# A process of `pdpp`, over sessions that carry its name.
sub add_program
{
	my ($kind, $name, $arguments) = @_;
	my $conninfo = $cluster->conninfo . " application_name=$name";
	$processes->add(kind => $kind, name => $name, work => sub {
			open STDERR, '>>', "$logs/$name.log" or die "$name.log: $!\n";
			open STDOUT, '>&', \*STDERR or die "$name.log: $!\n";
			my ($command, @rest) = $arguments->();
			exec {$pdpp} $pdpp, '--db', $conninfo, $command, @rest or die "cannot run $pdpp: $!\n";
		});
	return;
}

# Connections of every temper: what runs must not matter for what is known about it.
sub setups
{
	my ($name) = @_;
	my %command = (
		quick => ['true'], fails => [ 'sh', '-c', 'exit 3' ], missing => ['/no/such/executable'],
		killed => [ 'sh', '-c', 'kill -9 $$' ], slow => [ 'sleep', '1.5' ], late => [ 'sleep', '100' ],
		deaf => [ 'sh', '-c', q(trap '' TERM; while :; do sleep 0.2; done) ],
		breeds => [ 'sh', '-c', "setsid sleep $mark & (sleep $mark </dev/null >/dev/null 2>&1 &); sleep 0.5" ],
		garbled => [ 'sh', '-c', q(echo '{"type":"DONE","status":"fai') ],
		says => [ 'sh', '-c', q(echo '{"type":"PROGRESS","count":1}'; sleep 0.1; echo '{"type":"DONE","status":"succeeded"}') ]);
	my %more = (late => { timeout_seconds => 0.5 }, deaf => { timeout_seconds => 1, grace_seconds => 0.3 });
	return map {
		my $temper = $_;
		map { { connector_instance_id => "$name-$temper-$_", connector_id => $temper, command => $command{$temper}, %{ $more{$temper} // {} } } } 1 .. 3
	} sort keys %command;
}

# Each holds a run when it is frozen.
sub give_to_doomed
{
	my $deadline = time + $option{patience};
	for my $slot ($processes->of('doomed'))
	{
		my $name = $slot->{name};
		my $holds = "select from pdpp.controller_active_runs as f join pdpp.spine_events as e using (run_id) where f.connector_instance_id like '$name-%' and e.event_type = 'run.started'";
		until (($cluster->rows("select exists ($holds)"))[0][0] eq 't' || time > $deadline)
		{
			$processes->tend('doomed');
			$cluster->rows("select pdpp_run_now('hangs', '$name-1') where not exists (select from pdpp.controller_active_runs where connector_instance_id = '$name-1')");
			sleep 0.1;
		}
	}
	return;
}

# Runs that nobody acknowledged have ended too.
sub await_the_end
{
	my $deadline = time + $option{patience};
	while (time < $deadline)
	{
		last if ($cluster->rows('select count(*) from pdpp.controller_active_runs'))[0][0] == 0;
		$processes->tend(qw(gateway controller));
		sleep 0.1;
	}
	return;
}

# ---- what is concluded ----------------------------------------------------------------------------------------------

sub print_figures
{
	my ($verdict, $seconds) = @_;
	my $handles = keys %{ $verdict->{handles} };
	my $down = sum0(map { $_->[1] - $_->[0] } @{ $faults->{outages} });
	printf "handles     %d acknowledged in %.0f s, %.0f a second; %s; %d runs that nobody was told of\n", $handles, $seconds,
	  $handles / $seconds, join(', ', map { "$_ $verdict->{acks}{$_}" } sort keys %{ $verdict->{acks} }), $verdict->{untold} - $set_up;
	printf "kills       %d: %s\n", sum0(values %{ $faults->{kills} }),
	  join ', ', map { "$_ $faults->{kills}{$_}" } sort keys %{ $faults->{kills} };
	printf "server      away %d times, %.1f s in all\n", scalar @{ $faults->{outages} }, $down;
	print 'endings     ', join("\n            ", map { "$_->[2] $_->[0] $_->[1]" } @{ $verdict->{endings} }), "\n";
	printf "late        %d outcomes of runs that had ended\n", $verdict->{late};
	print "checks      pdpp_check() was asked $verdict->{checks} times while it went on\n";
	printf "polls       %d in SQL, %d over HTTP, %d of them after the end; %d had no answer\n", map { $_ // 0 } @{ $verdict->{polls} }{qw(sql http after_end no_answer)};
	printf "followed    %d runs by waiting, over %d breaks; %d by a stream, over %d\n", map { $_ // 0 } map { scalar keys %{ $verdict->{told}{$_} }, $verdict->{breaks}{$_} } qw(wait stream);
	print 'http        ', join(', ', map { "$_: $verdict->{http}{$_}" } sort keys %{ $verdict->{http} }), " (polls answered with 200 aside)\n";
	my @times = $verdict->detection_times;
	my $at = sub { my ($share) = @_; return $times[ int($share * $#times + 0.5) ] };
	if (@times) { printf "detection   %d endings of killed processes: p50 %.3f s, p99 %.3f s, max %.3f s\n", scalar @times, $at->(0.5), $at->(0.99), $times[-1]; }
	else { print "detection   no kill that could be measured\n"; }
	print "strange     $_\n" for @{ $processes->{strange} };
	return;
}

# The fixed list of what must hold. Gives the number of what does not.
sub judge
{
	my ($verdict) = @_;
	my %violated = map { $_ => scalar @{ $verdict->{violations}{$_} } } keys %{ $verdict->{violations} };
	my ($number, $failed) = (0, 0);
	my $holds = sub {
		my ($holds, $what) = @_;
		printf "%s %d - %s\n", $holds ? 'ok' : 'not ok', ++$number, $what;
		$failed++ unless $holds;
	};
	my $never = sub { my ($what, @kinds) = @_; my $count = sum0(map { $_ // 0 } delete @violated{@kinds}); $holds->(!$count, $what . ($count ? ": $count violations" : '')); };
	my $handles = keys %{ $verdict->{handles} };
	$holds->($handles >= $option{enough}, "at least $option{enough} handles were acknowledged");
	$holds->(0 < grep({ /launcher|controller/ } keys %{ $faults->{kills} }) && 0 < @{ $faults->{outages} }, 'something was killed, the server included');
	$holds->(($verdict->{polls}{sql} // 0) >= $handles && ($verdict->{polls}{http} // 0) >= $handles, 'every handle was polled, in SQL and over HTTP');
	$never->(@$_) for @Chaos::Verdict::promises;
	$never->('no process outlived its run', 'a process outlived its run');
	$never->('what a connector said and nobody could read is no success', 'unreadable and completed');
	$holds->(!grep({ !%{ $verdict->{told}{$_} // {} } || !$verdict->{breaks}{$_} } qw(wait stream)), 'runs were waited for and followed as streams, over breaks');
	$never->('and nothing else', keys %violated);
	$holds->(!@{ $processes->{strange} }, 'no process ended but by our hand');
	$holds->((grep { $_->[1] =~ /^(?:run_timed_out|owner_cancel_unheeded)$/ } @{ $verdict->{by_deadline} }) > 0, 'what a frozen controller held was ended by its deadline');
	return $failed;
}

# What happened, and what it did to which run.
sub print_violations
{
	my ($verdict) = @_;
	print "\nseed $option{seed}\noutages: ", join(', ', map { sprintf '%.6f to %.6f', @$_ } @{ $faults->{outages} }), "\n";
	$verdict->print_violations;
	system 'cp', glob("$folder/*.record"), "$logs/" if $logs ne "$folder";
	return;
}
