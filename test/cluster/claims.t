# Claims beside each other: how many pages one touches whatever the queue and the other claimers, who gets what while others have
# not committed, and what becomes of runs whose claimer dies.
use strict;
use warnings;

use PostgreSQL::Test::BackgroundPsql;
use PdppCluster;
use Test::More;

my $node = PdppCluster->bare('claims', conf => "pdpp.liveness_grace = 0\nautovacuum = off\npdpp.launch_deadline = '1h'");
$node->safe_psql('postgres', 'create extension pdpp');

my $sessions = 0;
# a session of a new boot that offers these connections
sub claimer
{
	my (@connections) = @_;
	my $session = $node->background_psql('postgres');
	++$sessions;
	$session->query_safe("select pdpp_controller_boot('claimer-$sessions')");
	offer($session, @connections) if @connections;
	return $session;
}
sub offer
{
	my ($session, @connections) = @_;
	my $list = join ', ', map { qq({"connector_instance_id": "$_", "connector_id": "c"}) } @connections;
	$session->query_safe("select pdpp_controller_offer('[$list]')");
	return;
}
# another session of the same boot
sub companion
{
	my ($session) = @_;
	my $epoch = $session->query_safe(q{select pdpp_controller_offer(jsonb_agg(jsonb_build_object('connector_instance_id', connector_instance_id,
		'connector_id', connector_id)))->>'boot_epoch' from pdpp.connections where boot_epoch =
		(select boot_epoch from pdpp.controller_boots where controller_id = 'claimer-} . $sessions . q{')});
	my $other = $node->background_psql('postgres');
	$other->query_safe("select pdpp_controller_rejoin('$epoch')");
	return $other;
}
sub admit { $node->safe_psql('postgres', "select pdpp_run_now('c', '$_', 'run-$_')") for @_; return }
sub claim { my ($session) = @_; return $session->query_safe(q{select pdpp_run_claim()->>'run_id'}) }
sub pages
{
	my ($session, $claim) = (@_, 'pdpp_run_claim()');
	my ($plan) = split /Planning/, $session->query_safe("explain (analyze, buffers, costs off, timing off, summary off) select $claim");
	my ($hit) = $plan =~ /shared hit=(\d+)/;
	my ($read) = $plan =~ /shared (?:hit=\d+ )?read=(\d+)/;
	ok(defined $hit, 'pages are counted') or diag $plan;
	return ($hit // 0) + ($read // 0);
}
# once a second a claim also looks where it has not looked lately: on a slow machine that may be the first, but hardly each
sub fewest_pages { my ($session) = @_; my @pages = sort { $a <=> $b } map { pages($session) } 1 .. 3; return $pages[0] }
sub most { my $most = 0; $_ > $most and $most = $_ for @_; return $most }
sub warm { my ($session) = @_; claim($session) for 1 .. 6; return } # catalogs, and plans

# ---- pages ----------------------------------------------------------------------------------------------------------
{
	my @all = map { "p$_" } 1 .. 800;
	my @claimers = map { my $n = $_; claimer(grep { substr($_, 1) % 8 == $n } @all) } 0 .. 7;
	$node->safe_psql('postgres', q{do $$ begin for i in 1..800 loop perform pdpp_run_now('c', 'p' || i, 'run-p' || i); end loop; end $$});
	warm($_) for @claimers;
	cmp_ok(most(map { fewest_pages($_) } @claimers), '<=', 12, 'a claim of 600 and more, beside seven other claimers');
	$_->query_safe('begin; select count(*) from pdpp_run_claim(5)') for @claimers[ 1 .. 7 ];
	cmp_ok(fewest_pages($claimers[0]), '<=', 12, 'while each of them has five locked');
	$_->query_safe('commit') for @claimers[ 1 .. 7 ];

	# several: two pages for each, its row's, and few for where they are
	my $crowd = claimer(map { "p$_" } 1001 .. 1400);
	$node->safe_psql('postgres', q{do $$ begin for i in 1001..1400 loop perform pdpp_run_now('c', 'p' || i, 'run-p' || i); end loop; end $$});
	warm($crowd);
	cmp_ok(pages($crowd, 'pdpp_run_claim(100)'), '<=', 300, 'a claim of a hundred');
	is($crowd->query_safe('select count(*) from pdpp_run_claim(1000)'), 400 - 6 - 100, 'and of the rest');
	$crowd->quit;

	my $old = $node->background_psql('postgres');
	$old->query_safe('begin isolation level repeatable read; select count(*) from pdpp.controller_active_runs');
	claim($claimers[0]) for 1 .. 60;
	cmp_ok(fewest_pages($claimers[0]), '<=', 12, 'after sixty claims that an old snapshot keeps the server from tidying away');
	$old->query_safe('commit');
	$old->quit;
	$_->quit for @claimers;
}
{
	my $claimer = claimer(map { "s$_" } 1 .. 200);
	my @companions = map { companion($claimer) } 1 .. 8;
	$node->safe_psql('postgres', q{do $$ begin for i in 1..200 loop perform pdpp_run_now('c', 's' || i, 'run-s' || i); end loop; end $$});
	warm($claimer);
	$_->query_safe('begin; select pdpp_run_claim()') for @companions;
	cmp_ok(fewest_pages($claimer), '<=', 12, 'eight sessions of its own boot have one locked each');
	is(claim($claimer), 'run-s18', 'the oldest that nobody has');
	$companions[2]->query_safe('rollback');
	is(claim($claimer), 'run-s9', 'one of them rolls back: that is the oldest now');
	$_->query_safe('commit') for @companions[ 0, 1, 3 .. 7 ];
	$_->quit for @companions;
	$claimer->quit;
}
# 20,000 that wait, behind as many that another boot offers
{
	my $other = claimer();
	my $claimer = claimer();
	$node->safe_psql('postgres', qq{
		insert into pdpp.connections (connector_instance_id, connector_id, run_generation, boot_epoch)
		select 'm' || n, 'c', 1, boot_epoch from generate_series(1, 40000) as n
		join pdpp.controller_boots on controller_id = 'claimer-' || $sessions - (n <= 20000)::integer;
		insert into pdpp.controller_active_runs
		    (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation, launch_deadline, offered_by)
		select connector_instance_id, 'c', 'run-' || connector_instance_id, 't',
		       now() + substr(connector_instance_id, 2)::integer * interval '1 us', 1, now() + interval '1 day', boot_epoch
		from pdpp.connections where connector_instance_id like 'm%' order by substr(connector_instance_id, 2)::integer;
		insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, actor_id, trace_id,
		    connector_instance_id, status)
		select run_id, 1, '', 'run.admitted', started_at, now(), started_at, 'c', 't', connector_instance_id, 'active'
		from pdpp.controller_active_runs where run_id like 'run-m%'});
	warm($claimer);
	cmp_ok(fewest_pages($claimer), '<=', 12, 'a claim of 20,000');
	is(claim($claimer), 'run-m20010', 'the oldest of its own');
	$node->safe_psql('postgres', 'vacuum analyze');
	warm($claimer);
	cmp_ok(fewest_pages($claimer), '<=', 12, 'vacuumed');
	$_->quit for $claimer, $other;
}

# ---- oldest first, among what others have not committed -------------------------------------------------------------
{
	my $claimer = claimer(map { "o$_" } 1 .. 9);
	my $other = $node->background_psql('postgres');
	$other->query_safe(q{begin; select pdpp_run_now('c', 'o1', 'run-o1')});
	admit('o2', 'o3', 'o4');
	is(claim($claimer), 'run-o2', 'an admission that has not committed is not waited for');
	$other->query_safe('commit');
	is(claim($claimer), 'run-o1', 'once it has, it is the oldest');
	$other->query_safe(q{begin; select pdpp_run_cancel('run-o3')});
	is(claim($claimer), 'run-o4', 'one that is being cancelled is skipped');
	$other->query_safe('rollback');
	admit('o5');
	is(claim($claimer), 'run-o3', 'if it was not, it comes first');
	$other->query_safe(q{begin; select pdpp_run_event('run-o5', 'note')});
	admit('o6', 'o7');
	is($claimer->query_safe(q{select string_agg(c->>'run_id', ' ') from pdpp_run_claim(2) as c}), 'run-o6 run-o7', 'several, past one that is locked');
	$other->query_safe('commit');
	is(claim($claimer), 'run-o5', 'which then comes');
	$other->quit;

	# a row that somebody has locked is left as it was when its connection is offered by another
	my $locker = $node->background_psql('postgres');
	admit('o8', 'o9');
	$locker->query_safe(q{begin; select pdpp_run_event('run-o8', 'note')});
	my $heir = claimer('o8', 'o9');
	is(claim($heir), 'run-o9', 'another boot offers two connections: it has the one whose run nobody has locked');
	$locker->query_safe('rollback');
	$locker->quit;
	$heir->query_safe('select pg_sleep(1.1)');
	is(claim($heir), 'run-o8', 'and finds the other, since its connection says whose it is');
	$_->quit for $claimer, $heir;
}

# ---- a claimer dies -------------------------------------------------------------------------------------------------
{
	my $claimer = claimer(map { "d$_" } 1 .. 6);
	admit(map { "d$_" } 1 .. 6);
	$claimer->query_safe('begin');
	is($claimer->query_safe('select count(*) from pdpp_run_claim(6)'), '6', 'six are claimed, and the claimer is killed before it commits');
	my $pid = $claimer->query_safe('select pg_backend_pid()');
	$node->safe_psql('postgres', "select pg_terminate_backend($pid)");
	$node->poll_query_until('postgres', "select not exists (select from pg_stat_activity where pid = $pid)");
	my $heir = claimer(map { "d$_" } 1 .. 6);
	is($heir->query_safe(q{select string_agg(c->>'run_id', ' ') from pdpp_run_claim(6) as c}), join(' ', map { "run-d$_" } 1 .. 6), 'they wait as before');
	$pid = $heir->query_safe('select pg_backend_pid()');
	$node->safe_psql('postgres', "select pg_terminate_backend($pid)");
	$node->poll_query_until('postgres', "select not exists (select from pg_stat_activity where pid = $pid)");
	$node->safe_psql('postgres', 'select pdpp_reconcile()') for 1, 2;
	is($node->safe_psql('postgres', q{select count(*), min(s->>'status'), min(s->>'terminal_reason') from (select pdpp_run_status('run-d' || n) as s from generate_series(1, 6) as n) as of_all}),
		'6|failed|launch_failed', 'six are claimed, and the claimer is killed: all of them end as launch_failed');
}
is($node->safe_psql('postgres', 'select count(*) from pdpp_check()'), '0', 'nothing is out of order');
$node->stop;
done_testing();
