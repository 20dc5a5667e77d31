-- The triggers: history is append-only and flight state goes with its run's ending, also for superusers.
\i test/sql/include/prelude.psql
begin;
select plan(74);

select is(current_setting('is_superuser'), 'on', 'all of this as a superuser');
select lives_ok($$select pdpp_run_now('hc', 'hi-' || n, 'hi-' || n) from generate_series(1, 4) as n$$, 'four runs');
select lives_ok($$select pdpp_run_started('hi-1'), pdpp_run_event('hi-1', 'run.note', '{}', 'note')$$,
    'the first has started and says something');
select lives_ok($$select pdpp_run_settle('hi-2', 'failed')$$, 'the second has ended');
create temporary table before as select * from pdpp.spine_events where run_id like 'hi-%';

-- the spine
select pg_temp.refused(statement, 'PT403', 'append_only', null, statement) from unnest(array[
    $$update pdpp.spine_events set data_json = '{"a": 1}' where run_id = 'hi-2' and event_type = 'run.failed'$$,
    $$update pdpp.spine_events set event_type = 'run.completed' where run_id = 'hi-2' and event_type = 'run.failed'$$,
    $$update pdpp.spine_events set event_type = 'run.note' where run_id = 'hi-1' and event_type = 'run.admitted'$$,
    $$update pdpp.spine_events set event_type = 'run.failed' where run_id = 'hi-1' and event_id = 'note'$$,
    $$update pdpp.spine_events set event_seq = 9 where run_id = 'hi-1' and event_id = 'note'$$,
    $$update pdpp.spine_events set version = version where run_id = 'hi-1'$$,
    $$delete from pdpp.spine_events where run_id = 'hi-1' and event_type = 'run.admitted'$$,
    $$delete from pdpp.spine_events where run_id = 'hi-1' and event_type = 'run.started'$$,
    $$delete from pdpp.spine_events where run_id = 'hi-2' and event_type = 'run.failed'$$,
    $$delete from pdpp.spine_events where run_id = 'hi-1'$$,
    $$delete from pdpp.spine_events$$,
    $$truncate pdpp.spine_events$$,
    $$truncate pdpp.spine_events, pdpp.connections cascade$$,
    $$insert into pdpp.spine_events select * from pdpp.spine_events where run_id = 'hi-2' on conflict (run_id, event_seq) do update set version = '2'$$,
    -- MERGE came with PostgreSQL 15
    case when current_setting('server_version_num')::integer < 150000
        then $$delete from pdpp.spine_events as e using (values ('hi-2')) as v(id) where e.run_id = v.id$$
        else $$merge into pdpp.spine_events as e using (values ('hi-2')) as v(id) on e.run_id = v.id when matched then delete$$
    end]) as statement;
select is(pg_temp.refusal('truncate pdpp.spine_events')->>'message',
    'pdpp.spine_events is append-only: it cannot be truncated', 'truncate: the message');
select is(pg_temp.refusal($$update pdpp.spine_events set version = '2' where run_id = 'hi-2'$$)->>'message',
          'pdpp.spine_events is append-only: an event of run hi-2 cannot be changed', 'update: the message');
select pg_temp.rows_are($$select * from pdpp.spine_events where run_id like 'hi-%' order by run_id, event_seq$$,
                  'select * from before order by run_id, event_seq', 'history stands as it stood');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
select 'hi-3', n + 1, 'e' || n, type, now(), now()
from unnest(array['run.cancel_requested', 'run.late_outcome', 'run.progress_reported']) with ordinality as t(type, n);
select pg_temp.refused(format($$delete from pdpp.spine_events where run_id = 'hi-3' and event_type = %L$$, event_type), 'PT403',
    'append_only', null, 'nor can events outside the lifecycle be deleted by hand: ' || event_type)
from pdpp.spine_events where run_id = 'hi-3' and event_type <> 'run.admitted';

-- what no event can be
select throws_ok($$insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
                   values ('hi-3', 9, 'e9', 'run.note', now(), now(), '[]')$$, '23514', null,
                   'its data is an object, whoever writes');
select throws_ok($$insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
                   values ('hi-3', 1, 'e9', 'run.note', now(), now())$$, '23505', null, 'its number is its own');
select throws_ok($$insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
                   values ('hi-1', 9, 'note', 'run.note', now(), now())$$, '23505', null, 'so is its id');

-- flight state
select pg_temp.refused(statement, 'PT409', 'run_not_settled', null, statement) from unnest(array[
    $$delete from pdpp.controller_active_runs where run_id = 'hi-1'$$,
    $$delete from pdpp.controller_active_runs where run_id like 'hi-%'$$,
    $$delete from pdpp.controller_active_runs$$,
    $$truncate pdpp.controller_active_runs$$,
    $$with gone as (delete from pdpp.controller_active_runs where run_id = 'hi-1' returning run_id) select * from gone$$]) as statement;
select is(pg_temp.refusal('truncate pdpp.controller_active_runs')->>'message',
    'runs are in flight: their state cannot be truncated', 'truncate: the message');
select ok(pg_temp.refusal('truncate pdpp.controller_active_runs')->>'hint' is not null, 'and a hint');
select is(count(*), 3::bigint, 'the rows are still there') from pdpp.controller_active_runs where run_id like 'hi-%';

-- flight state of a run that has ended goes
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at) values ('hi-3', 5,
    'e5', 'run.abandoned', now(), now());
select lives_ok($$delete from pdpp.controller_active_runs where run_id = 'hi-3'$$,
    'a delete, once the terminal event stands');
select lives_ok($$with ended as (insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
                                 values ('hi-4', 2, 'e2', 'run.abandoned', now(), now()) returning run_id)
                  delete from pdpp.controller_active_runs where run_id in (select run_id from ended)$$,
                'a delete in one statement with the terminal event');
select is_empty($$select from pdpp.controller_active_runs where run_id in ('hi-3', 'hi-4')$$, 'the rows are gone');
select is(pdpp_run_status('hi-4')->>'status', 'abandoned', 'the ending stands');

-- with nothing in flight the table may be emptied
savepoint landing;
select lives_ok($$select pdpp_run_settle(run_id, 'abandoned') from pdpp.controller_active_runs$$, 'every run ends');
select lives_ok('truncate pdpp.controller_active_runs', 'an empty table may be truncated');
rollback to landing;

-- what runs, connections, boots and keys are known by
select lives_ok($$select pdpp_run_now('hc', 'hi-keyed', 'hi-keyed', 'hi-key')$$, 'a run with a key');
select lives_ok($$select pdpp_controller_boot('hi')$$, 'a boot');
select lives_ok($$insert into pdpp.controller_boots values ('hi-dead', 1, gen_random_uuid(), now(), now(), now())$$, 'one that is dead');
select lives_ok($$select pdpp_controller_offer('[{"connector_instance_id": "hi-offered", "connector_id": "hc"}]')$$, 'and an offer');
select pg_temp.refused(statement, 'PT403', 'guarded_state', null, statement) from unnest(array[
    $$update pdpp.controller_active_runs set run_id = 'hi-9' where run_id = 'hi-1'$$,
    $$update pdpp.controller_active_runs set connector_instance_id = 'hi-9' where run_id = 'hi-1'$$,
    $$update pdpp.controller_active_runs set run_generation = 0 where run_id = 'hi-1'$$,
    $$insert into pdpp.controller_active_runs select * from pdpp.controller_active_runs where run_id = 'hi-1'
      on conflict (run_id) do update set run_id = 'hi-9'$$,
    $$update pdpp.connections set connector_instance_id = 'hi-9' where connector_instance_id = 'hi-1'$$,
    $$delete from pdpp.connections where connector_instance_id = 'hi-1'$$,
    $$truncate pdpp.connections$$,
    $$update pdpp.connections set run_generation = 0$$,
    $$update pdpp.connections set run_generation = run_generation - 1 where connector_instance_id = 'hi-1'$$,
    $$insert into pdpp.connections select * from pdpp.connections where connector_instance_id = 'hi-1'
      on conflict (connector_instance_id) do update set run_generation = 0$$,
    $$update pdpp.controller_boots set dead_at = now() where controller_id = 'hi'$$,
    $$update pdpp.controller_boots set lost_at = now(), dead_at = now() where controller_id = 'hi'$$,
    $$update pdpp.controller_boots set dead_at = null where controller_id = 'hi-dead'$$,
    $$update pdpp.controller_boots set dead_at = now() + interval '1 h' where controller_id = 'hi-dead'$$,
    $$update pdpp.controller_boots set boot_epoch = gen_random_uuid() where controller_id = 'hi'$$,
    $$delete from pdpp.controller_boots where controller_id = 'hi'$$,
    $$truncate pdpp.controller_boots$$,
    $$update pdpp.idempotency_keys set run_id = 'hi-1' where key = 'hi-key'$$,
    $$delete from pdpp.idempotency_keys$$,
    $$truncate pdpp.idempotency_keys$$]) as statement;
select is(pg_temp.refusal($$update pdpp.controller_active_runs set run_id = 'hi-9' where run_id = 'hi-1'$$)->>'message',
    'what a row of pdpp.controller_active_runs is known by cannot be changed', 'the message');
select lives_ok($$update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'hi-1'$$, 'the rest of flight state may be mended');
select lives_ok($$delete from pdpp.connections where connector_instance_id = 'hi-offered'$$, 'a connection that had no run may go');
select lives_ok($$update pdpp.connections set run_generation = run_generation + 7 where connector_instance_id = 'hi-1'$$, 'a generation may be raised');
select lives_ok($$delete from pdpp.controller_boots where controller_id = 'hi-dead'$$, 'a boot that is dead may go');

-- the trigger functions are for triggers
select throws_ok('select pdpp.refuse_state_change()', null, null,
    'pdpp.refuse_state_change() is only for triggers');
select throws_ok('select pdpp.refuse_history_change()', null, null,
    'pdpp.refuse_history_change() is only for triggers');
select throws_ok('select pdpp.refuse_unsettled_removal()', null, null,
    'pdpp.refuse_unsettled_removal() is only for triggers');

select * from finish();
rollback;
