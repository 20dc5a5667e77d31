-- pdpp_check: nothing when all is well; a row for each thing that must hold and does not, made by hand here, one after the
-- other.
\i test/sql/include/prelude.psql
begin;
select plan(38);

-- What it says of the runs of this suite.
create function pg_temp.found() returns text language sql as $$
    select coalesce(string_agg(c.invariant || ' ' || coalesce(c.run_id, '-'), ', ' order by c.invariant, c.run_id), 'all is well')
    from pdpp_check() as c where c.run_id like 'ck-%' or c.detail like '%ck-%' $$;
create function pg_temp.said() returns text language sql as $$
    select string_agg(c.detail, '; ' order by c.invariant, c.detail) from pdpp_check() as c where c.run_id like 'ck-%' or c.detail like '%ck-%' $$;
create function pg_temp.event(run text, seq bigint, type text, at timestamptz default clock_timestamp()) returns void
    language sql as $$
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, connector_instance_id)
    values (run, seq, 'hand-' || seq || '-' || type, type, at, at, run) $$;

-- every kind of run that is well
select lives_ok($$select pdpp_controller_boot('ck')$$, 'a boot');
select lives_ok(format('select pdpp_run_now(%L, %1$L, %1$L, %1$L)', 'ck-' || id), 'a run: ' || id)
from unnest(array['admitted', 'claimed', 'started', 'asked', 'completed', 'failed', 'cancelled', 'late', 'pruned']) as id;
select lives_ok($$select pdpp_run_claim('ck-claimed')$$, 'one is claimed');
select lives_ok($$select pdpp_run_started('ck-' || id) from unnest(array['started', 'asked', 'completed', 'late', 'pruned']) as id$$, 'some start');
select lives_ok($$select pdpp_run_event('ck-' || id, 'note') from unnest(array['started', 'completed', 'pruned', 'pruned']) as id$$, 'some say something');
select lives_ok($$select pdpp_run_cancel('ck-' || id) from unnest(array['asked', 'cancelled']) as id$$, 'some are asked to end');
select lives_ok($$select pdpp_run_settle('ck-' || id, 'completed') from unnest(array['completed', 'late', 'late', 'pruned']) as id$$, 'some end, one of them twice');
select lives_ok($$select pdpp_run_launch_failed('ck-failed', 'no')$$, 'one does not start');
select lives_ok($$select pdpp_run_now('x', 'ck-completed', 'ck-next')$$, 'a connection runs again');
select is(pdpp_prune(clock_timestamp())->'left', '0', 'all that may go is pruned');
select is(pg_temp.found(), 'all is well', 'all is well, pruned events too');
savepoint well;

-- neither in flight nor ended, or both
alter table pdpp.controller_active_runs disable trigger user;
delete from pdpp.controller_active_runs where run_id = 'ck-started';
select is(pg_temp.found() || ': ' || pg_temp.said(), 'in_flight_or_ended ck-started: admitted, but neither in flight nor ended',
    'a run that is nowhere');
rollback to well;
select lives_ok($$select pg_temp.event('ck-started', 4, 'run.completed')$$, 'a run that ended…');
select is(pg_temp.found() || ': ' || pg_temp.said(), 'in_flight_or_ended ck-started: ended, and still in flight', '…and is in flight');
rollback to well;
insert into pdpp.connections values ('ck-phantom', 'x', 1, null);
insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation)
values ('ck-phantom', 'x', 'ck-phantom', 't', now(), 1);
select is(pg_temp.found() || ': ' || pg_temp.said(), 'in_flight_or_ended ck-phantom: in flight, but never admitted', 'a run without an admission');
rollback to well;
select pdpp_run_now('x', 'ck-unbound', 'ck-unbound');
update pdpp.controller_active_runs set launch_deadline = null where run_id = 'ck-unbound';
select is(pg_temp.found() || ': ' || pg_temp.said(), 'launch_has_deadline ck-unbound: not started, and without a deadline for that', 'a run that nobody would end');
rollback to well;

-- two events of one phase: only without the index
drop index pdpp.spine_events_lifecycle;
select pg_temp.event('ck-started', 4, 'run.started') is null as done \gset
select is(pg_temp.found() || ': ' || pg_temp.said(), 'one_event_a_phase ck-started: 1 admissions, 2 starts, 0 endings', 'two starts');
rollback to well;
drop index pdpp.spine_events_lifecycle;
select pg_temp.event('ck-completed', 5, 'run.failed') is null as done \gset
select is(pg_temp.found(), 'nothing_after_the_end ck-completed, one_event_a_phase ck-completed', 'two endings');
rollback to well;

-- the sequence
select pg_temp.event('ck-started', 9, 'note') is null as done \gset
select is(pg_temp.found() || ': ' || pg_temp.said(), 'gapless_sequence ck-started: 4 events, the last of them number 9', 'a gap');
rollback to well;
select pg_temp.event('ck-handmade', 2, 'run.started') is null as done \gset
select is(pg_temp.found() || ': ' || pg_temp.said(), 'gapless_sequence ck-handmade: begins with event 2', 'no first event');
rollback to well;
select pg_temp.event('ck-completed', 5, 'note') is null as done \gset
select is(pg_temp.found() || ': ' || pg_temp.said(), 'nothing_after_the_end ck-completed: ended with event 4, and event 5 is no late outcome', 'an event after the end');
rollback to well;
select pg_temp.event('ck-started', 4, 'note', now() - interval '1 hour') is null as done \gset
select is(pg_temp.found() || ': ' || pg_temp.said(), 'commit_order ck-started: event 4 was recorded before the one it follows', 'against the order of commits');
rollback to well;

-- generations
set local session_replication_role = replica; -- the guard of what a connection is known by sleeps
update pdpp.connections set run_generation = 1 where connector_instance_id = 'ck-completed';
select is(pg_temp.found() || ': ' || pg_temp.said(), 'generations_rise ck-next: connection ck-completed is at generation 1, after 2 admissions; its run in flight has generation 2', 'a generation that went back');
rollback to well;
alter table pdpp.connections disable trigger user;
delete from pdpp.connections where connector_instance_id = 'ck-failed';
select is(pg_temp.found() || ': ' || pg_temp.said(), 'generations_rise -: connection ck-failed is at generation none, after 1 admissions; its run in flight has generation none', 'one that is gone');
rollback to well;

-- dead boots
insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at, lost_at) values
    ('ck-dead', 1, '00000000-0000-4000-8000-0000000000c1', '2026-01-01Z', '2026-01-01Z');
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-0000000000c1' where run_id = 'ck-started';
select cmp_ok(pg_temp.found(), '=', case when (select min(backend_start) < now() - interval '1 s' from pg_stat_activity where backend_type = 'walwriter')
    then 'dead_boots_are_settled ck-started' else 'all is well' end, 'a dead boot''s run that nobody settled');
select is(pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000c1')->>'seq', '1', 'but a boot whose session lives…');
update pdpp.controller_boots set lost_at = '2026-01-01Z' where controller_id = 'ck-dead';
select is(pg_temp.found(), 'all is well', '…is not dead, whatever the table says');
rollback to well;
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-0000000000cf' where run_id = 'ck-started';
select is(pg_temp.found() || ': ' || pg_temp.said(), 'dead_boots_are_settled ck-started: owned by boot 00000000-0000-4000-8000-0000000000cf, which nobody knows', 'a boot that is not on record');
rollback to well;

-- keys
insert into pdpp.idempotency_keys values ('ck-key', 'ck-nobody', '\x00', now());
select is(pg_temp.found() || ': ' || pg_temp.said(), 'keys_have_runs ck-nobody: idempotency key ck-key names it, but it was never admitted', 'a key without its run');
rollback to well;

select is(pg_temp.found(), 'all is well', 'and all is well again');
select * from finish();
rollback;
