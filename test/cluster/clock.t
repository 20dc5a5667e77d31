# A server whose clock is set: ahead, back, before its start, while it serves. Nobody is ended early for it, and what is
# due is ended in time. A module that is preloaded sets the clock of the server alone; the steady clock goes on.
#
# An hour is longer than any test waits, so what ends at all did not wait for the clock; and what ended was given the
# time that it should have, measured by a clock of our own. A slow machine can only make that longer.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use constant { HOUR => 3600, SECOND => 1, TIME => 4 }; # TIME: what runs are given
my $folder = abs_path($PostgreSQL::Test::Utils::tmp_check); # the server has another working directory
my ($module, $clock) = ("$folder/set_clock.so", "$folder/clock");
system_or_bail('gcc', '-shared', '-fPIC', '-o', $module, dirname(__FILE__) . '/../lib/set_clock.c');
append_to_file($clock, pack 'q', 0);
my $ahead = 0;
my $started_at;

# From here on the server's clock is so many seconds ahead of ours.
sub set_clock
{
	($ahead) = @_;
	open my $file, '+<', $clock or die "$clock: $!";
	syswrite($file, pack 'q', sprintf '%.0f', 1e6 * $ahead) == 8 or die "$clock: $!";
	close $file or die;
	return;
}

sub steady { return clock_gettime(CLOCK_MONOTONIC) }

sub new_node
{
	my ($name, $conf) = @_;
	my $node = PdppCluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', "pdpp.reconcile_interval = 200ms\npdpp.liveness_grace = @{[TIME]}s\npdpp.launch_deadline = @{[TIME]}s\nautovacuum = off\n$conf");
	return $node;
}

sub start_server
{
	my ($node) = @_;
	local @ENV{qw(LD_PRELOAD CLOCK_AHEAD)} = ($module, $clock);
	$node->start;
	$started_at = steady();
	return;
}

# The server has served for longer than runs are given.
sub await_age { return within(sub { steady() - $started_at > TIME + 1 }) || die 'the clock that nobody sets stands still' }

my $node;
my $database;
my $by_hand; # nobody but us makes passes, each in a session of its own

sub sql { my ($sql) = @_; return $node->safe_psql($database, $sql) }
sub make_pass { sql('select pdpp_reconcile()') if $by_hand; return }
sub status_of { return sql("select concat_ws(' ', s->>'status', s->>'terminal_reason') from pdpp_run_status('$_[0]') as s") }
sub ends { my ($run, $as) = @_; return within(sub { make_pass(); status_of($run) =~ /^$as/ }) }
sub admit { my ($run) = @_; sql("select pdpp_run_now('c', '$run', '$run')"); return }
# One that has started, has no proof of death, and has so much time.
sub give { my ($run, $time) = @_; sql("select pdpp_run_now('c', '$run', '$run', timeout => '$time'); select pdpp_run_started('$run')"); return }
sub set_deadline { my ($time) = @_; return set_parameter('pdpp.launch_deadline', $time) }
sub set_grace { my ($time) = @_; return set_parameter('pdpp.liveness_grace', $time) }
sub set_parameter
{
	my ($name, $value) = @_;
	$node->append_conf('postgresql.conf', "$name = $value");
	$node->reload;
	within(sub { sql(qq{load 'pdpp'; select current_setting('$name')}) =~ /^$value$/m }) or die "$name is not $value";
	return;
}

# What is due now is ended, and whatever else has been looked at.
my $passes = 0;
sub all_is_looked_at
{
	my $run = 'marker ' . ++$passes;
	sql(qq{select pdpp_run_now('c', '$run', '$run'); update pdpp.controller_active_runs set launch_deadline = started_at where run_id = '$run'});
	return ok(ends($run, 'failed'), 'what is overdue is ended');
}

# A controller whose session goes away.
sub lose
{
	my ($run) = @_;
	my $controller = $node->background_psql($database);
	$controller->query_safe("select pdpp_controller_boot('controller of $run')");
	admit($run);
	$controller->query_safe("select pdpp_run_claim('$run')");
	$controller->query_safe("select pdpp_run_started('$run')");
	my $since = steady();
	$controller->quit;
	within(sub { make_pass(); sql("select lost_at is not null from pdpp.controller_boots where controller_id = 'controller of $run'") eq 't' }) or die "$run is not lost";
	return $since;
}

# Sets the clock, with runs under way that have no proof of life but time.
sub survive
{
	my ($name, $step) = @_;
	my $admitted = steady();
	admit("$name: unclaimed");
	give("$name: timed", TIME . 's');
	my $lost = lose("$name: lost");
	set_clock($ahead + $step);
	my $server_time = sql('select extract(epoch from clock_timestamp())');
	ok(abs($server_time - time - $ahead) < 60, "$name: the server's clock is " . $ahead / HOUR . ' hours ahead');
	ok(ends("$name: unclaimed", 'failed launch_failed'), "$name: a run that nobody starts is ended");
	cmp_ok(steady() - $admitted, '>=', TIME - SECOND, 'not before its time');
	ok(ends("$name: timed", 'failed run_timed_out'), "$name: so is one that is over its deadline");
	cmp_ok(steady() - $admitted, '>=', TIME - SECOND, 'not before that');
	ok(ends("$name: lost", 'abandoned'), "$name: so is one whose controller was lost");
	cmp_ok(steady() - $lost, '>=', TIME - SECOND, 'not before the grace was over');
	$admitted = steady();
	admit("$name: after");
	give("$name: timed after", TIME . 's');
	ok(ends("$name: after", 'failed launch_failed'), "$name: and one of the new time");
	cmp_ok(steady() - $admitted, '>=', TIME - SECOND, 'which is given as much');
	ok(ends("$name: timed after", 'failed run_timed_out'), "$name: and one that has a deadline");
	cmp_ok(steady() - $admitted, '>=', TIME - SECOND, 'which is given as much');
	$lost = lose("$name: lost after");
	ok(ends("$name: lost after", 'abandoned'), "$name: controllers too");
	cmp_ok(steady() - $lost, '>=', TIME - SECOND, 'as much');
	return;
}

# Sets it ahead, where there is proof of life, or more time to wait.
sub live_on
{
	my ($name) = @_;
	$name .= ', living';
	set_deadline('10min');
	set_grace('10min');
	my $controller = $node->background_psql($database);
	$controller->query_safe("select pdpp_controller_boot('alive $name')");
	admit("$name: $_") for 'unclaimed', 'claimed', 'started';
	$controller->query_safe("select pdpp_run_claim('$name: $_')") for 'claimed', 'started';
	$controller->query_safe("select pdpp_run_started('$name: started')");
	lose("$name: lost");
	give("$name: timed", '10min');
	set_clock($ahead + HOUR);
	# a fresh session decides as well as the worker, at once
	is(sql(q{select pdpp_reconcile()->>'launch_failed'}), 0, "$name: a pass by hand ends nothing");
	all_is_looked_at();
	is(status_of("$name: $_"), 'active', "$name: $_ lives on") for 'unclaimed', 'claimed', 'started', 'lost', 'timed';
	# from two times of different clocks the sooner deadline is told
	sql(qq{select pdpp_run_now('c', '$name: sooner', '$name: sooner', timeout => '50min')});
	set_clock($ahead + HOUR);
	is(sql(qq{select pdpp_run_started('$name: sooner', timeout => '40min') is not null; select deadline_at - deadline_set_at from pdpp.controller_active_runs where run_id = '$name: sooner'}),
		"t\n00:40:00", 'of two deadlines the earlier wins, which looks later');
	set_clock($ahead - HOUR);
	is(sql(qq{select pdpp_run_extend('$name: sooner', '39min') is not null; select deadline_at - deadline_set_at from pdpp.controller_active_runs where run_id = '$name: sooner'}),
		"t\n00:40:00", 'and the later stands, which looks later still');
	is($controller->query_safe("select pdpp_run_claim('$name: unclaimed')->>'run_id'"), "$name: unclaimed", 'and can still be claimed');
	is($controller->query_safe("select pdpp_run_started('$name: claimed')->>'object'"), 'run_event', 'and started');
	my $epoch = sql("select boot_epoch from pdpp.controller_boots where controller_id = 'controller of $name: lost'");
	is($controller->query_safe("select pdpp_controller_rejoin('$epoch')->>'object'"), 'controller_rejoin', 'and rejoined');
	$controller->quit;
	set_deadline(TIME . 's');
	set_grace(TIME . 's');
	return;
}

# Sets it back by less than counts as a setting, with runs whose time has just begun. The server has served for longer than
# they were given.
sub set_back_a_little
{
	my ($name) = @_;
	$name .= ', a little back';
	await_age();
	my $lost = lose("$name: lost");
	for my $n (1 .. 3)
	{
		my $admitted = steady();
		admit("$name: $n");
		set_clock($ahead - 0.9);
		sql('select pdpp_reconcile()') for 1 .. 3;
		is(status_of("$name: $n"), 'active', "$name: run $n has its time") if steady() - $admitted < TIME - SECOND;
		ok(ends("$name: $n", 'failed launch_failed'), 'and ends after it') if $n == 3;
		cmp_ok(steady() - $admitted, '>=', TIME - SECOND, 'not before') if $n == 3;
		next if $n == 3;
		$node->psql($database, "select pdpp_run_cancel('$name: $n')"); # unless it has ended, on a slow machine
		ends("$name: $n", '(?:cancelled|failed)');
	}
	ok(ends("$name: lost", 'abandoned'), "$name: so does one whose controller was lost");
	cmp_ok(steady() - $lost, '>=', TIME - SECOND, 'not before the grace was over');
	set_clock($ahead + 2.7);
	return;
}

# Sets it ahead, and back after an admission, while nobody looks who could tell: a new session sees an admission that has yet to
# come. It ends no sooner than it should, and not an hour late.
sub set_unseen
{
	my ($name) = @_;
	set_clock($ahead + HOUR);
	my $admitted = steady();
	admit("$name: of the hour");
	give("$name: timed", TIME . 's');
	set_clock($ahead - HOUR);
	sql('select pdpp_reconcile()');
	is(status_of("$name: of the hour"), 'active', "$name: a run has its time") if steady() - $admitted < TIME - SECOND;
	ok(ends("$name: of the hour", 'failed launch_failed'), 'and ends after it');
	cmp_ok(steady() - $admitted, '>=', TIME - SECOND, 'not before');
	ok(ends("$name: timed", 'failed run_timed_out'), 'so does one that has a deadline');
	cmp_ok(steady() - $admitted, '>=', TIME - SECOND, 'not before that');
	return;
}

sub restart_at
{
	set_clock($_[0]);
	$node->stop;
	my $since = steady();
	start_server($node);
	return $since;
}

sub deadline_of { my ($run) = @_; return sql("select launch_deadline from pdpp.controller_active_runs where run_id = '$run'") }
# its run is given the time of one that is admitted now; or is over, if this machine is slow
sub await_deadline_anew
{
	my ($run) = @_;
	return within(sub { make_pass(); sql("select coalesce(bool_and(launch_deadline < started_at), true) from pdpp.controller_active_runs where run_id = '$run'") eq 't' }) || die "$run has its old deadline";
}

# A server that comes to serve with a clock that is behind, by another host's or its own of before, which is put right later:
# while it serves, or when it is started again.
sub put_right
{
	my ($name) = @_;
	restart_at(0);
	admit("$name: while serving");
	my $since = restart_at(-&HOUR());
	await_deadline_anew("$name: while serving");
	set_clock(0);
	ok(ends("$name: while serving", 'failed launch_failed'), "$name: a run that nobody starts is ended");
	cmp_ok(steady() - $since, '>=', TIME - SECOND, 'not before its time');

	admit("$name: $_") for 'over a restart', 'claimed';
	restart_at(-&HOUR());
	await_deadline_anew("$name: $_") for 'over a restart', 'claimed';
	$since = restart_at(0);
	my $controller = $node->background_psql($database);
	$controller->query_safe("select pdpp_controller_boot('controller of $name')");
	my $claimed = $controller->query_safe("select pdpp_run_claim('$name: claimed')->>'run_id'");
	is($claimed, "$name: claimed", "$name: after a restart a run can be claimed") if steady() - $since < TIME - SECOND;
	ok(ends("$name: over a restart", 'failed launch_failed'), 'and one that nobody starts is ended');
	cmp_ok(steady() - $since, '>=', TIME - SECOND, 'not before its time');
	$controller->quit;

	# the admission comes sooner than a new deadline would
	set_deadline(2 * TIME . 's');
	admit("$name: soon");
	my $deadline = deadline_of("$name: soon");
	$since = restart_at(-1.5 * TIME);
	all_is_looked_at() for 1 .. 2;
	is(deadline_of("$name: soon"), $deadline, "$name: nothing is written about a run whose admission comes soon") if steady() - $since < 2 * TIME - SECOND;
	set_clock(0);
	ok(ends("$name: soon", 'failed launch_failed'), 'it is ended');
	cmp_ok(steady() - $since, '>=', 2 * TIME - SECOND, 'not before its time');
	set_deadline(TIME . 's');
	return;
}

# --- with a worker
set_clock(0);
$node = new_node('served', "shared_preload_libraries = 'pdpp'\npdpp.databases = 'served'\n");
start_server($node);
$node->safe_psql('postgres', 'create database served');
$database = 'served';
sql('create extension pdpp');
all_is_looked_at();
live_on('ahead');
survive('ahead', HOUR);
survive('back', -&HOUR());
survive('back again', -&HOUR());
live_on('and ahead');
survive('once more', HOUR);
set_back_a_little('served');

# what the worker does from time to time, it goes on doing, and it relays notifications
my $listener = $node->background_psql($database);
$listener->query_safe('listen pdpp_run');
set_clock($ahead - HOUR);
admit('heard of');
my $heard = '';
ok(within(sub { $heard .= $listener->query('select'); $heard =~ /notification "pdpp_run"/ }), 'a clock that was set back holds no notification up');
all_is_looked_at();
$listener->quit;

# --- the clock is wrong when the server starts, and right later
set_deadline('10min');
admit('over the restart');
give('timed over the restart', '10min');
set_deadline(TIME . 's');
$node->stop;
set_clock($ahead + HOUR);
start_server($node);
all_is_looked_at();
is(status_of($_), 'active', "a restart with a clock that is ahead ends nothing: $_") for 'over the restart', 'timed over the restart';
survive('ahead at the start', -&HOUR());
admit('over another restart');
give('timed over another restart', TIME . 's');
set_clock(0);
$node->stop;
set_clock(-&HOUR());
start_server($node); # what was admitted now has yet to come, as far as this server knows
ok(ends('over another restart', 'failed launch_failed'), 'a restart with a clock that is an hour back ends what nobody starts');
ok(ends('timed over another restart', 'failed run_timed_out'), 'and what is over its deadline');
put_right('put right');
$node->stop;

# --- without a worker
set_clock(0);
$node = new_node('alone', '');
start_server($node);
$node->safe_psql('postgres', 'create database alone');
$database = 'alone';
$by_hand = 1;
sql('create extension pdpp');
live_on('alone, ahead');
$node->stop; # what a session knows by itself is one setting of this server's life
start_server($node);
survive('alone, ahead', HOUR);
$node->stop;
start_server($node);
survive('alone, back', -&HOUR());
$node->stop;
set_clock(HOUR);
start_server($node);
survive('alone, ahead at the start', -&HOUR());
set_back_a_little('alone');
$node->stop;
set_clock(0);
start_server($node);
await_age();
set_unseen('alone, unseen');
put_right('alone, put right');
$node->stop;

done_testing();
