# A session that goes on for ever: a million calls do not make it grow, a statement that is cancelled at any point leaves nothing
# behind, and what others do to the tables meanwhile does not confuse what it has looked up before.

use strict;
use warnings;
use IPC::Run ();
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('main');
$node->safe_psql('postgres', 'create extension pdpp; create extension amcheck');
my $session = $node->background_psql('postgres', on_error_stop => 0);

my $tells_memory = $node->pg_version >= 14;
# Bytes that the session has allocated, in all of its memory contexts.
sub memory { return $session->query_safe('select sum(total_bytes) from pg_backend_memory_contexts') }

# Repeats what `body` (PL/pgSQL, which may use i and commits) does; gives by how many bytes the session grew. What it
# allocates once and keeps, it has allocated in the first thousand.
sub growth_over
{
	my ($count, $body) = @_;
	my $loop = sub { my ($from, $to) = @_; return "do \$\$ begin for i in $from .. $to loop $body end loop; end \$\$" };
	$session->query_safe($loop->(1, 1000));
	my $before = memory();
	$session->query_safe($loop->(1001, $count));
	return memory() - $before;
}

$session->query_safe($_)
  for q{select pdpp_run_now('c', run_id => 'active')}, q{select pdpp_run_now('c', 'ended', 'ended')},
  q{select pdpp_run_settle('ended', 'failed', '{"reason": "r", "failure_message": "m"}')};

# Less than a byte a call: nothing grows with the calls.
subtest 'a million calls' => sub {
	plan skip_all => 'this server does not tell its memory contexts' unless $tells_memory;
	my $reads = growth_over(1_000_000, q{perform pdpp_run_status((array['active', 'ended', 'unknown', e'im\npossible'])[i % 4 + 1]);});
	cmp_ok($reads, '<', 200_000, "a million statuses: grown by $reads bytes");
	my $lists = growth_over(20_000, q{perform pdpp_run_timeline('ended'); perform pdpp_run_list(page_size => 2); perform count(*) from pdpp_run_statuses('{active,ended,unknown}');});
	cmp_ok($lists, '<', 20_000, "timelines and statuses: grown by $lists bytes");
	my $lives = growth_over(5_000, q{
		perform pdpp_run_now('lives', run_id => 'life ' || i); perform pdpp_run_started('life ' || i);
		perform pdpp_run_event('life ' || i, 'note'); perform pdpp_run_settle('life ' || i, 'completed'); commit;});
	cmp_ok($lives, '<', 20_000, "whole lives: grown by $lives bytes");
	my $refused = growth_over(5_000, q{
		begin perform pdpp_run_started('unknown'); exception when others then null; end;});
	cmp_ok($refused, '<', 20_000, "calls that are refused: grown by $refused bytes");
	my $pruned = $session->query_safe(q{select pdpp_prune(now(), 100000)->>'events'});
	cmp_ok($pruned, '>', 1000, 'what was said in between is pruned');
};

subtest 'cancelled at any point' => sub {
	my %outcome = (cancelled => 0, finished => 0);
	my $before;
	for my $round (1 .. 60)
	{
		# a timeout that the rounds spread over the statement, whatever the machine's speed
		my $timeout = $round;
		my $said = $session->query(qq{
			set statement_timeout = $timeout;
			do \$\$ begin for i in 1 .. 20 loop
				perform pdpp_run_now('cut', 'cut $round ' || i, 'cut $round ' || i, idempotency_key => 'cut $round ' || i);
				perform pdpp_run_started('cut $round ' || i);
				perform pdpp_run_event('cut $round ' || i, 'note');
				perform pdpp_run_status('cut $round ' || i);
				perform pdpp_run_timeline('cut $round ' || i);
				perform pdpp_run_settle('cut $round ' || i, 'completed');
			end loop; end \$\$;
			reset statement_timeout;
			select case when pdpp_run_status('cut $round 1') ? 'error' then 'cancelled' else 'finished' end;});
		$session->{stderr} = '';    # what was cancelled said so
		$outcome{ (split /\n/, $said)[-1] }++;
		$before = memory() if $round == 10 && $tells_memory;
	}
	my $grown = $tells_memory ? memory() - $before : 0;
	cmp_ok($outcome{cancelled}, '>', 0, "some were cancelled: $outcome{cancelled}");
	is($outcome{cancelled} + $outcome{finished}, 60, 'all or nothing');
	is($session->query_safe(q{select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'}), '0', 'no lock is left');
	cmp_ok($grown, '<', 100_000, "grown by $grown bytes");
	is($session->query_safe(q{select pdpp_run_now('cut', run_id => 'after')->>'status'}), 'started', 'and the session goes on');
	is($session->query_safe('select count(*) from pdpp_check()'), '0', 'nothing is left behind');
};

subtest 'what others do to the tables' => sub {
	my $script = PostgreSQL::Test::Utils::tempdir() . '/poll.sql';
	PostgreSQL::Test::Utils::append_to_file($script, q{
		select 1 / (pdpp_run_status('active')->>'status' = 'active')::int;
		select 1 / (pdpp_run_status('ended')->>'status' = 'failed')::int;
		select 1 / (pdpp_run_timeline('ended')->>'terminal_status' = 'failed')::int;
		select 1 / (pdpp_run_settle('ended', 'failed', event_id => 'again')->>'status' = 'failed')::int;
		select 1 / ((pdpp_run_event('active', 'note')->>'event_seq')::int > 1)::int;
	});
	my $out = '';
	my $poll = IPC::Run::start([ 'pgbench', '-n', '-M', 'prepared', '-c', 2, '-T', 5, '-f', $script, $node->connstr('postgres') ],
		'>', \$out, '2>&1');
	my $changes = 0;
	while ($poll->pumpable)
	{
		$poll->pump_nb;
		for my $change ('reindex table concurrently pdpp.spine_events', 'vacuum full pdpp.spine_events', 'vacuum full pdpp.controller_active_runs',
			'cluster pdpp.connections using connections_pkey', 'analyze pdpp.spine_events', 'reindex schema concurrently pdpp',
			'drop index concurrently if exists pdpp.added', 'create index concurrently added on pdpp.spine_events (recorded_at, event_id)')
		{
			$node->safe_psql('postgres', $change);
			$changes++;
		}
	}
	my $succeeded = $poll->finish;
	ok($succeeded, "every poll saw what stands, over $changes changes") or diag($out);
	cmp_ok($changes, '>', 3, 'there were changes');
	is($session->query_safe(q{select pdpp_run_status('ended')->>'status'}), 'failed', 'a session that was idle meanwhile');
	is($session->query_safe('select count(*) from pdpp_check()'), '0', 'and every event got its number');
	my (undef, undef, $stderr) = $node->psql('postgres', q{
		select bt_index_check(indexrelid, true) from pg_index where indrelid in ('pdpp.spine_events'::regclass, 'pdpp.controller_active_runs'::regclass);});
	is($stderr, '', 'every index has all of its entries');

	# another extension of the same name, with other oids
	$session->query_safe(q{prepare status as select coalesce(pdpp_run_status($1)->>'status', 'unknown')});
	is($session->query_safe(q{execute status('active')}), 'active', 'a prepared statement');
	$node->safe_psql('postgres', q{drop extension pdpp});
	$session->query(q{execute status('active')});
	like($session->{stderr}, qr/ERROR:  function pdpp_run_status\(text\) does not exist/, 'without the extension: no such function');
	$session->{stderr} = '';
	$node->safe_psql('postgres', q{create extension pdpp});
	is($session->query_safe(q{execute status('active')}), 'unknown', 'a new extension knows nothing of it');
	is($session->query_safe(q{select pdpp_run_now('c', run_id => 'new')->>'status'}), 'started', 'and is written to');
	is($session->query_safe(q{execute status('new')}), 'active', 'and read');
};

subtest 'an index that is built meanwhile' => sub {
	my $phase_is = sub { $node->poll_query_until('postgres', "select phase from pg_stat_progress_create_index", $_[0]) };
	my ($writer, $reader) = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 2;
	my $append = sub { $session->query_safe(q{select pdpp_run_event('new', 'note')->>'object'}) };
	is($append->(), 'run_event', 'a session writes before there is such an index');
	$writer->query_safe(q{begin; select pdpp_run_now('c', 'other', 'other')});
	my $index = IPC::Run::start([ 'psql', '-Xqc', 'create index concurrently meanwhile on pdpp.spine_events (recorded_at)',
			$node->connstr('postgres') ]);
	ok($phase_is->('waiting for writers before build'), 'it waits for those who write');
	is($append->(), 'run_event', 'while it takes no entries yet');
	$reader->query_safe(q{begin isolation level repeatable read; select pdpp_run_status('new')});
	$writer->query_safe('commit');
	ok($phase_is->('waiting for old snapshots'), 'and then for those who read');
	is($append->(), 'run_event', 'and when it has been filled');
	$reader->query_safe('commit');
	ok($index->finish, 'the index is there');
	my (undef, undef, $stderr) = $node->psql('postgres', q{select bt_index_check('pdpp.meanwhile', true)});
	is($stderr, '', 'and has an entry for every event');
	$_->quit for $writer, $reader;
};

$session->quit;
$node->stop;
done_testing();
