-- pdpp_reconcile: runs that did not start in time and runs whose boot is dead are ended; nothing else is touched.
\i test/sql/include/prelude.psql
begin;
select plan(59);

create function pg_temp.admit(id text) returns text language sql as
    $$ select pdpp_run_now('gc', 'conn-' || id, id, null, 'trace-' || id)->>'run_id' $$;
create function pg_temp.reconciled() returns jsonb language sql as $$ select pdpp_reconcile() - 'object' $$;

select lives_ok('select pdpp_reconcile()', 'whatever was due before');
select is(pdpp_reconcile(), '{"object": "reconciliation", "lost_boots": 0, "launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}',
    'nothing is due: the body');

-- the launch deadline
select is(pdpp_controller_boot('gc-live')->'seq', '1', 'this session is a live boot');
select is(pg_temp.admit('g-' || id), 'g-' || id, 'a run: ' || id)
from unnest(array['waiting', 'unclaimed', 'claimed', 'claimed-waiting', 'started', 'cancelled']) as id;
select is(pdpp_run_claim('g-' || id)->>'run_id', 'g-' || id, 'claimed: ' || id)
from unnest(array['claimed', 'claimed-waiting', 'cancelled']) as id;
select lives_ok($$select pdpp_run_started('g-started')$$, 'started by this boot');
select lives_ok($$select pdpp_run_cancel('g-cancelled')$$, 'asked to end');
select is(pg_temp.reconciled(), '{"lost_boots": 0, "launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}',
    'before the deadline nothing is due');
update pdpp.controller_active_runs set launch_deadline = now() - interval '1s'
where run_id in ('g-unclaimed', 'g-claimed', 'g-cancelled');
select is(pg_temp.reconciled(), '{"lost_boots": 0, "launch_failed": 3, "abandoned": 0, "timed_out": 0, "cancelled": 0}',
    'after it, those that did not start are ended');
select is(pdpp_run_status('g-unclaimed')->'failure',
    '{"reason": "launch_failed", "origin": "controller", "connector_error_message": null,
    "message": "not claimed by any controller by its launch deadline"}', 'unclaimed: the message says so');
select is(pdpp_run_status('g-claimed')->'failure',
    '{"reason": "launch_failed", "origin": "controller", "connector_error_message": null,
    "message": "claimed by controller gc-live, but not started by its launch deadline"}',
    'claimed: the message says by whom');
select is(pdpp_run_status('g-cancelled')->>'terminal_reason', 'launch_failed',
    'a cancel request does not save a launcher that never came');
select is(data_json, '{"reason": "launch_failed", "failure_reason": "launch_failed", "failure_origin": "controller",
    "records_emitted": 0, "message": "not claimed by any controller by its launch deadline"}', 'as a launcher''s own launch failure')
from pdpp.spine_events where run_id = 'g-unclaimed' and event_type = 'run.failed';
select pg_temp.rows_are($$select run_id from pdpp.controller_active_runs where run_id like 'g-%' order by 1$$,
                  $$values ('g-claimed-waiting'), ('g-started'), ('g-waiting')$$, 'the others fly on');
select is(pdpp_run_status('g-' || id)->>'status', 'active', 'and are active: ' || id)
from unnest(array['waiting', 'claimed-waiting', 'started']) as id;
select is(pdpp_run_settle('g-unclaimed', 'completed')->'settled', 'false', 'who comes later learns that it has ended');
select lives_ok($$select pdpp_run_now('gc', 'conn-g-unclaimed')$$, 'and the connection is free');

-- dead boots
insert into pdpp.controller_boots values
    ('gc-dead', 1, '00000000-0000-4000-8000-0000000000a1', now() - interval '1 hour', null),
    ('gc-dead', 2, '00000000-0000-4000-8000-0000000000a2', now() - interval '1 minute', now()),
    ('gc-idle', 1, '00000000-0000-4000-8000-0000000000a3', now() - interval '1 hour', null);
select is(pg_temp.admit('g-dead-' || n), 'g-dead-' || n, 'a run of a dead boot') from generate_series(1, 4) as n;
select lives_ok($$select pdpp_run_started('g-dead-' || n) from unnest(array[2, 4]) as n$$, 'two of them had started');
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-0000000000a1'
where run_id in ('g-dead-1', 'g-dead-2');
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-0000000000a2'
where run_id in ('g-dead-3', 'g-dead-4');
select is(pg_temp.reconciled(), '{"lost_boots": 2, "launch_failed": 2, "abandoned": 2, "timed_out": 0, "cancelled": 0}',
    'two boots are seen dead for the first time, four runs end');
select is(pdpp_run_status('g-dead-' || n)->>'status', case when n % 2 = 1 then 'failed' else 'abandoned' end,
    format('run %s', n))
from generate_series(1, 4) as n;
select is(pdpp_run_status('g-dead-' || n)->>'terminal_reason', case when n % 2 = 1 then 'launch_failed' else
          'controller_terminated_before_run_finished' end, format('run %s: why', n)) from generate_series(1, 4) as n;
select is(pdpp_run_status('g-dead-1')#>>'{failure,message}', 'controller gc-dead terminated before it started the run',
    'launch_failed names the controller');
select is(pdpp_run_status('g-dead-2')#>>'{failure,message}', 'controller gc-dead terminated while the run was active',
    'so does abandoned');
select is(e.data_json->>'caused_by_event_id', 'evt_g-dead-2_' || s.event_seq, 'abandoned points at the start')
from pdpp.spine_events as e join pdpp.spine_events as s using (run_id)
where run_id = 'g-dead-2' and e.event_type = 'run.abandoned' and s.event_type = 'run.started';
select is_empty($$select from pdpp.controller_boots where controller_id in ('gc-dead', 'gc-idle') and lost_at is null$$,
    'dead boots are marked');
select is(lost_at, null, 'a live one is not') from pdpp.controller_boots where controller_id = 'gc-live';
select is(pg_temp.reconciled(), '{"lost_boots": 0, "launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}', 'a second pass finds nothing');

-- a run without a boot has no proof of death
select lives_ok($$select pdpp_run_started(pg_temp.admit('g-again'))$$, 'started by this boot');
update pdpp.controller_active_runs set boot_epoch = null where run_id = 'g-again';
select is(pg_temp.reconciled(), '{"lost_boots": 0, "launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}',
    'a started run that no boot owns stays active');

-- what was written by hand
select is(pg_temp.admit('g-hand-' || n), 'g-hand-' || n, 'a run') from generate_series(1, 3) as n;
update pdpp.controller_active_runs set launch_deadline = now() - interval '1s' where run_id in ('g-hand-1', 'g-hand-2');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
values ('g-hand-1', 2, 'by hand', 'run.started', now(), now()),
       ('g-hand-2', 2, 'by hand', 'run.completed', now(), now());
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-0000000000ff' where run_id = 'g-hand-3';
select lives_ok('select pdpp_reconcile()', 'a pass over them');
select is(pdpp_run_status('g-hand-1')->>'status', 'active',
    'a run whose start stands is not judged by its launch deadline');
select is(pdpp_run_status('g-hand-2')->>'status', 'completed', 'an ending that stands keeps standing');
select is_empty($$select from pdpp.controller_active_runs where run_id = 'g-hand-2'$$, 'its flight row goes');
select is(pdpp_run_status('g-hand-3')->>'terminal_reason', 'launch_failed', 'a boot that nobody knows is dead');

-- many at once
select lives_ok($$select pg_temp.admit('g-many-' || n) from generate_series(1, 500) as n$$, '500 runs');
update pdpp.controller_active_runs set launch_deadline = now() - interval '1s' where run_id like 'g-many-%';
select is(pg_temp.reconciled()->'launch_failed', '500', 'all ended in one pass');
select is(count(*), 500::bigint, 'each with one terminal event') from pdpp.spine_events where run_id like 'g-many-%'
    and event_type = 'run.failed';

select * from finish();
rollback;
