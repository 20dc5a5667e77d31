#!/usr/bin/env perl
# Checks the models of this folder with spin, exhaustively, and then that the checks can fail: one guard is taken out at a
# time, and the property that it is there for has to break. A line for each, in TAP; the shortest way there, in words, is kept
# in build/model/.
#
#   perl model/check.pl            all of it: minutes on two cores, 3.5 GB each at most
#   perl model/check.pl --quick    the properties alone, with fewer faults at once: what `make check` has
#   perl model/check.pl WORD...    what has one of these words in its name; `guard` is all that is taken out
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use Time::HiRes qw(time);

my $quick = @ARGV && $ARGV[0] eq '--quick' ? shift : 0;
if ($quick && system('command -v spin >/dev/null'))
{
	print "ok 1 # skip spin is not installed\n1..1\n";
	exit 0;
}
my $here  = dirname(abs_path(__FILE__));
my $build = "$here/../build/model";

my @endings = qw(WITH_WORKER WITH_CANCELLER WITH_CONNECTOR WITH_HAND);

# What is explored, and which properties are looked at there. Each also says that nobody waits for ever.
my @explorations = (
	{ model => 'life', name => 'endings', with => [ @endings, $quick ? 'KILLS=0' : 'KILLS=1' ], properties => [ qw(
		one_ending no_step_back acknowledged_stands nothing_twice numbers_in_commit_order nothing_after_the_ending
		ended_for_cause live_owner_is_asked fenced_write_is_of_an_active_run) ] },
	{ model => 'life', name => 'admissions', with => [ 'WITH_OWNERS', $quick ? 'RUNS=1' : 'RUNS=2', 'KILLS=1' ],
		properties => [qw(resolvable one_key_one_run)] },
	{ model => 'life', name => 'claims', with => [ qw(WITH_SECOND_LAUNCHER WITH_WORKER), $quick ? 'KILLS=0' : 'KILLS=1' ],
		properties => [qw(one_ending ended_for_cause)] },
	{ model => 'life', name => 'death', with => [qw(WITH_WORKER WITHOUT_DEADLINES WITH_HAND PROGRESS KILLS=2)],
		claim => 'a_dead_launchers_run_ends', properties => ['a_dead_launchers_run_ends'] },
	{ model => 'life', name => 'deadlines', with => [ qw(WITH_WORKER PROGRESS), $quick ? 'KILLS=0' : 'KILLS=1' ],
		claim => 'nobodys_run_ends', properties => ['nobodys_run_ends'] },
	{ model => 'boots', name => 'verdicts', with => [ $quick ? qw(DROPS=1 ROLLBACKS=0) : qw(DROPS=2 ROLLBACKS=1) ],
		properties => [qw(no_claim_for_a_dead_boot no_death_while_held rejoined_boot_lives dead_is_dead)] },
	{ model => 'boots', name => 'detection', with => [qw(DROPS=0 PROGRESS)],
		claim => 'a_dead_controller_is_found', properties => ['a_dead_controller_is_found'] },
	{ model => 'failover', name => 'synchronous', with => [ $quick ? 'CRASHES=2' : 'CRASHES=3' ],
		properties => [qw(resolvable no_step_back acknowledged_stands a_lost_answer_is_no_refusal)] },
	{ model => 'failover', name => 'asynchronous', with => [qw(ASYNCHRONOUS)], properties => ['memory_is_of_this_history'] },
);

# What is taken out, and which property breaks then.
my @guards = (
	[ 'the lifecycle index is not unique',                  life => 'one_ending',          [qw(INDEX_NOT_UNIQUE WITH_HAND KILLS=0)] ],
	[ 'an ending overwrites the one that stands',           life => 'no_step_back',        [qw(ENDING_OVERWRITTEN WITH_HAND KILLS=0)] ],
	[ 'two snapshots for a status',                         life => 'no_step_back',        [qw(TWO_SNAPSHOTS WITH_CANCELLER KILLS=0)] ],
	[ 'the guard judges before it has the lock',            life => 'ended_for_cause',     [qw(JUDGED_BEFORE_LOCK WITH_WORKER KILLS=0)] ],
	[ 'a cancel looks for an owner before it has the lock', life => 'live_owner_is_asked', [qw(CANCEL_JUDGED_BEFORE_LOCK WITH_CANCELLER KILLS=0)] ],
	[ 'a settle and a cancel take no lock before they write', life => 'live_owner_is_asked', [qw(SETTLE_WITHOUT_LOCK WITH_CANCELLER KILLS=0)] ],
	[ 'a number is drawn before the lock',                  life => 'numbers_in_commit_order', [qw(NUMBER_BEFORE_LOCK WITH_CANCELLER KILLS=0)] ],
	[ 'a fence takes no lock',                              life => 'fenced_write_is_of_an_active_run', [qw(FENCE_WITHOUT_LOCK WITH_CONNECTOR KILLS=0)] ],
	[ 'a repeated settle is not recognised',                life => 'nothing_twice',       [qw(REPETITION_NOT_RECOGNISED KILLS=0)] ],
	[ 'a key is not kept',                                  life => 'one_key_one_run',     [qw(KEY_NOT_KEPT WITH_OWNERS RUNS=2 KILLS=0)] ],
	[ 'an admission is acknowledged before its event',      life => 'resolvable',          [qw(ADMISSION_IN_TWO WITH_OWNERS KILLS=0)] ],
	[ 'a settle removes the row in a transaction before',   life => 'a_dead_launchers_run_ends', [qw(SETTLE_IN_TWO WITH_WORKER WITHOUT_DEADLINES PROGRESS)] ],
	[ 'runs have no deadline',                              life => 'nobodys_run_ends',    [qw(WITHOUT_DEADLINES WITH_WORKER PROGRESS KILLS=0)] ],
	[ 'a claim does not ask for its own boot',              boots => 'no_claim_for_a_dead_boot', ['CLAIM_WITHOUT_OWN_BOOT'] ],
	[ 'a session in doubt does not wait for the verdict',   boots => 'no_death_while_held', ['DOUBT_DOES_NOT_WAIT'] ],
	[ 'a rejoin does not lock the row',                     boots => 'rejoined_boot_lives', ['REJOIN_WITHOUT_ROW'] ],
	[ 'a rejoin revives the dead',                          boots => 'dead_is_dead',       ['REJOIN_REVIVES'] ],
	[ 'the guard does not probe again under the row',       boots => 'no_death_while_held', ['NO_PROBE_UNDER_ROW'] ],
	[ 'the guard lets the row go before its verdict',       boots => 'no_death_while_held', ['ROW_NOT_KEPT'] ],
	[ 'a pool takes the lock again',                        boots => 'a_dead_controller_is_found', [qw(POOL_TAKES_LOCK_AGAIN DROPS=0 PROGRESS)] ],
	[ 'a probe excludes probes',                            boots => 'a_dead_controller_is_found', [qw(PROBE_EXCLUDES_PROBES DROPS=0 PROGRESS)] ],
	[ 'a commit does not flush',                            failover => 'resolvable',      ['COMMIT_DOES_NOT_FLUSH'] ],
	[ 'a commit does not wait for the standby',             failover => 'resolvable',      ['STANDBY_NOT_WAITED_FOR'] ],
	[ 'a repeated answer does not wait for the standby',    failover => 'resolvable',      ['REPLAY_DOES_NOT_WAIT'] ],
	[ 'a standby is believed about what has not ended',     failover => 'resolvable',      ['STANDBY_BELIEVED'] ],
	[ 'memory outlives its history',                        failover => 'memory_is_of_this_history', [qw(MEMORY_OUTLIVES_HISTORY ASYNCHRONOUS)] ],
	[ 'a lost answer is taken for a refusal',               failover => 'a_lost_answer_is_no_refusal', ['DOUBT_IS_GUESSED'] ],
	# what nobody keeps from happening: docs/design/model.md
	[ 'limit: a server that was started again is read before its standby has all', failover => 'no_step_back', ['RESTART_SHOWS_THE_UNREPLICATED'] ],
	[ 'limit: a standby tells an ending and goes before the primary has it', failover => 'no_step_back', ['STANDBY_TELLS_AND_GOES'] ],
);

sub say_in { my ($folder, $command) = @_; return scalar `cd '$folder' && { $command ; } 2>&1` }

# Explores one model. Gives the states, the seconds, and, if something broke, what and how.
sub explore
{
	my ($folder, $model, $with, $claim, $shortest) = @_;
	remove_tree($folder);
	make_path($folder);
	my $source  = "$here/$model.pml";
	my $defines = join ' ', map { "-D$_" } @$with;
	my $began   = time;
	# breadth first where the shortest way is wanted; a cycle is found depth first
	my $search = $claim ? '' : $shortest ? '-DSAFETY -DBFS' : '-DSAFETY';
	my $level  = $quick || $shortest ? '-O0' : '-O2';
	my $told = say_in($folder, "spin -a $defines '$source' && gcc $level -w $search -DCOLLAPSE -DNFAIR=3 -DVECTORSZ=2048 -DMEMLIM=3500 -o pan pan.c");
	return { error => $told } if !-x "$folder/pan";
	$told = say_in($folder, './pan -n -m500000 ' . ($claim ? "-a -f -N $claim" : '') . ($quick ? ' -w20' : ' -w24'));
	my ($states) = $told =~ /(\d+) states, stored/;
	my ($errors) = $told =~ /errors: (\d+)/;
	my %found = (states => $states // 0, seconds => time - $began);
	return { %found, error => $told } if !defined $errors || $told =~ /Search not completed|out of memory|max search depth/ && !$errors;
	if ($errors)
	{
		my $steps = say_in($folder, "spin -t -k $model.pml.trail $defines '$source'");
		my @steps = map { s/^\s+//r } grep { /^\s+(?:[a-z_]+\.[a-z_]+: |broken: |<<<<<START OF CYCLE)/ } split /\n/, $steps;
		$found{broken} = $steps =~ /broken: (\w+)/ ? $1 : $told =~ /acceptance cycle/ ? $claim : 'nobody_waits_for_ever';
		open my $trail, '>', "$folder/trail.txt" or die "$folder/trail.txt: $!\n";
		print {$trail} map { "$_\n" } @steps;
		$found{steps} = scalar @steps;
	}
	unlink "$folder/pan", glob "$folder/pan.*";
	return \%found;
}

my @jobs = map { { %$_, kind => 'exploration' } } @explorations;
for my $guard (@guards)
{
	my ($name, $model, $breaks, $with) = @$guard;
	my ($claim) = grep { $_ eq $breaks } map { $_->{claim} // () } @explorations;
	next if $quick;
	push @jobs, { kind => 'guard', name => $name, model => $model, with => $with, claim => $claim, breaks => $breaks };
}
@jobs = grep { my $job = $_; grep { index("$job->{kind} $job->{model} $job->{name}", $_) >= 0 } @ARGV } @jobs if @ARGV;

sub result_of
{
	my ($job) = @_;
	my $folder = "$build/" . ($job->{model} . ' ' . $job->{name}) =~ s/[^a-z0-9]+/-/gr;
	my $found = explore($folder, $job->{model}, $job->{with}, $job->{claim}, $job->{kind} eq 'guard');
	my @lines;
	my $cost = sprintf '%d states, %.0f s', $found->{states} // 0, $found->{seconds} // 0;
	my $why  = $found->{error} ? "\n" . $found->{error} =~ s/^/# /gmr : '';
	if ($job->{kind} eq 'exploration')
	{
		my $broken = $found->{broken} // '';
		my @looked = (@{ $job->{properties} }, $job->{claim} ? () : 'nobody_waits_for_ever');
		push @looked, $broken if $broken && !grep { $_ eq $broken } @looked;
		for my $property (@looked)
		{
			my $ok = !$found->{error} && $broken eq '';
			$ok = 1 if !$found->{error} && $broken && $broken ne $property;
			push @lines, [ $ok, "$property ($job->{model}, $job->{name}: $cost)" . ($ok ? '' : "; $folder/trail.txt$why") ];
		}
	}
	else
	{
		my $ok = !$found->{error} && ($found->{broken} // '') eq $job->{breaks};
		my $by = $found->{broken} ? "$found->{broken} breaks in $found->{steps} steps" : 'nothing breaks';
		push @lines, [ $ok, "$job->{name}: $by ($job->{model}: $cost)$why" ];
	}
	return @lines;
}

# two at a time, each line once it is known
my ($number, $failed, @running) = (0, 0);
sub collect
{
	my $handle = shift @running or return;
	while (my $line = <$handle>)
	{
		if ($line =~ s/^(not )?ok - //) { $failed++ if $1; $number++; print $1 // '', "ok $number - $line"; }
		else { print $line; }
	}
	close $handle;
	return;
}
$| = 1;
for my $job (@jobs)
{
	collect() if @running == 2;
	my $pid = open(my $handle, '-|') // die "cannot fork: $!\n";
	if (!$pid) { print map { ($_->[0] ? '' : 'not ') . "ok - $_->[1]\n" } result_of($job); exit 0; }
	push @running, $handle;
}
collect() while @running;
print "1..$number\n";
exit($failed ? 1 : 0);
