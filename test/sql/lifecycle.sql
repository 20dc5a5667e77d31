-- pdpp_run_started, pdpp_run_event, pdpp_run_settle, pdpp_run_launch_failed: a run's life, its one ending, and the
-- writers that repeat themselves or come too late.
\i test/sql/include/prelude.psql
begin;
select plan(109);

create function pg_temp.admit(id text) returns text language sql as
    $$ select pdpp_run_now('lc', 'conn-' || id, id, null, 'trace-' || id)->>'run_id' $$;
create function pg_temp.types_of(id text) returns text language sql as
    $$ select string_agg(event_type, ' ' order by event_seq) from pdpp.spine_events where run_id = id $$;
create function pg_temp.in_flight(id text) returns boolean language sql as
    $$ select exists (select from pdpp.controller_active_runs where run_id = id) $$;

-- started, by a session without a boot
select is(pg_temp.admit('lc-1'), 'lc-1', 'a run');
create temporary table answer as select pdpp_run_started('lc-1', '{"pid": 7}', 'start-1') as body;
select is(body - 'recorded_at', '{"object": "run_event", "run_id": "lc-1", "event_id": "start-1", "event_seq": 2,
                                  "event_type": "run.started", "deadline_at": null}', 'started: the run_event') from answer;
select matches(body->>'recorded_at', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', 'recorded_at is RFC 3339') from answer;
select pg_temp.rows_are(
    $$select data_json, source_kind, source_id, trace_id, actor_id, connector_instance_id, status,
    admitted_at is not null
      from pdpp.spine_events where run_id = 'lc-1' and event_type = 'run.started'$$,
    $$values ('{"pid": 7}'::jsonb, null, null, null, null, null, null, false)$$, 'the event');
select is((pdpp_run_timeline('lc-1')#>'{data,1}') - '{occurred_at,recorded_at,subject_type,subject_id,request_id,grant_id,source_kind,source_id,client_id,stream_id,interaction_id}'::text[],
    jsonb_build_object('event_seq', 2, 'event_type', 'run.started', 'admitted_at', pdpp_run_status('lc-1')->'admitted_at', 'version', 1, 'object_type', 'run',
    'object_id', 'lc-1', 'event_id', 'start-1', 'run_id', 'lc-1', 'trace_id', 'trace-lc-1', 'scenario_id', null, 'actor_type', 'runtime', 'actor_id', 'lc',
    'status', 'active', 'connector_instance_id', 'conn-lc-1', 'data', '{"pid": 7}'::jsonb), 'as the timeline shows it, beside the admission');
select pg_temp.rows_are($$select launch_deadline, boot_epoch from pdpp.controller_active_runs where run_id = 'lc-1'$$,
                  $$values (null::timestamptz, null::uuid)$$, 'no deadline any more, and nobody owns it');
select is(pdpp_run_started('lc-1', '{"pid": 8}', 'start-1'), body, 'the same event id: the first call''s answer')
from answer;
select is(pg_temp.types_of('lc-1'), 'run.admitted run.started', 'and no second event');
select pg_temp.refused($$select pdpp_run_started('lc-1')$$, 'PT409', 'run_already_started', 'run_id',
    'a second start is refused');
select pg_temp.refused($$select pdpp_run_started('lc-1', '{}', 'start-2')$$, 'PT409', 'run_already_started', 'run_id',
                       'with another event id too');
select is(pg_temp.refusal($$select pdpp_run_started('lc-1')$$)->>'hint',
          'Another launcher started this run: stop the process you launched for it.', 'the loser learns what to do');

-- events
select is(pdpp_run_event('lc-1', 'run.progress_reported', '{"count": 1.0}', 'ev-1')->'event_seq', '3', 'an event');
select is(pdpp_run_event('lc-1', 'anything at all')->'event_seq', '4', 'of any type');
select is(pdpp_run_event('lc-1', 'run.progress_reported', null)->'event_seq', '5', 'null data is {}');
select pg_temp.rows_are(
    $$select event_seq, data_json::text, status, admitted_at from pdpp.spine_events
    where run_id = 'lc-1' and event_seq > 2 order by 1$$,
    $$values (3::bigint, '{"count": 1.0}', null, null::timestamptz), (4, '{}', null, null), (5, '{}', null, null)$$,
    'only lifecycle events carry a status and the admission''s time');
select is(event_id, '', 'an event that brings no id has none') from pdpp.spine_events where run_id = 'lc-1' and event_seq = 4;
select is(pdpp_run_timeline('lc-1')#>>'{data,3,event_id}', 'evt_lc-1_4', 'and is known by its number');
select is(pdpp_run_event('lc-1', 'anything at all', '{}', 'evt_lc-1_4') - 'recorded_at', '{"object": "run_event", "run_id": "lc-1", "event_id":
    "evt_lc-1_4", "event_seq": 4, "event_type": "anything at all"}', 'by which it is found');
select pg_temp.refused(format('select pdpp_run_event(''lc-1'', ''anything at all'', ''{}'', %L)', id), 'PT400', 'invalid_request', 'event_id',
    id || ', the id of another event') from unnest(array['evt_lc-1_3', 'evt_lc-1_6', 'evt_lc-1_9223372036854775807']) as id;
select is(pdpp_run_event('lc-1', 'run.progress_reported', '{"other": true}', 'ev-1')->'event_seq', '3',
          'the same event id: the first call''s answer');
select is(count(*), 5::bigint, 'and no new event') from pdpp.spine_events where run_id = 'lc-1';
select pg_temp.refused($$select pdpp_run_event('lc-1', 'run.other', '{}', 'ev-1')$$, 'PT400', 'invalid_request',
    'event_id', 'an event id that names another type of event');
select pg_temp.refused($$select pdpp_run_started('lc-1', '{}', 'ev-1')$$, 'PT400', 'invalid_request', 'event_id',
                       'or another kind of call');
select lives_ok($$select pdpp_run_event(pg_temp.admit('lc-2'), 'early', '{}', 'ev-1')$$,
                'event ids are unique within their run only; events may come before the start');
select pg_temp.refused(format('select pdpp_run_event(''lc-1'', %L)', type), 'PT400', 'invalid_request', 'event_type',
    type || ' is refused')
from unnest(array['run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned',
    'run.cancel_requested',
                  'run.late_outcome']) as type;

-- settle
create temporary table ending as select pdpp_run_settle('lc-1', 'completed', '{"records_emitted": 12}',
    'end-1') as body;
select is(body->'settled', 'true', 'settle: this call ended the run') from ending;
select is(body - 'settled', pdpp_run_status('lc-1'), 'the rest is the status body') from ending;
select is(body->>'status', 'completed', 'which is terminal') from ending;
select ok(not pg_temp.in_flight('lc-1'), 'the flight row is gone');
select pg_temp.rows_are($$select event_seq, event_type, event_id, status, data_json from pdpp.spine_events
    where run_id = 'lc-1' and event_seq > 5$$,
                  $$values (6::bigint, 'run.completed', 'end-1', 'completed', '{"records_emitted": 12}'::jsonb)$$,
                  'the terminal event');
select is(pdpp_run_settle('lc-1', 'completed', '{}', 'end-1'), body,
    'the same event id after the end: the first call''s answer')
from ending;
select is(count(*), 6::bigint, 'and no new event') from pdpp.spine_events where run_id = 'lc-1';
select is(pdpp_run_settle(pg_temp.admit('lc-' || outcome), outcome)->>'status', outcome,
    outcome || ': without having started')
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome;
select is(pg_temp.types_of('lc-' || outcome), 'run.admitted run.' || outcome, outcome || ': its event')
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome;

-- too late
select is(pdpp_run_settle('lc-1', 'failed', '{"failure_message": "saw it die", "n": 1.10}', 'late-1'),
    body || '{"settled": false}',
          'a second ending does not raise: the standing status, settled false') from ending;
select pg_temp.rows_are($$select event_seq, event_type, status, data_json::text from pdpp.spine_events
    where event_id = 'late-1' and run_id = 'lc-1'$$,
    $$values (7::bigint, 'run.late_outcome', null,
    '{"outcome": "failed", "evidence": {"n": 1.10, "failure_message": "saw it die"}}')$$,
    'what the caller saw is kept');
select is(pdpp_run_settle('lc-1', 'failed', '{}', 'late-1')->'settled', 'false', 'repeated: the same answer');
select is(count(*), 7::bigint, 'and no second late outcome') from pdpp.spine_events where run_id = 'lc-1';
select is(pdpp_run_settle('lc-1', 'completed')->'settled', 'false',
    'the same outcome again, without an event id: late too');
select is(pg_temp.types_of('lc-1'),
    'run.admitted run.started run.progress_reported anything at all run.progress_reported '
          'run.completed run.late_outcome run.late_outcome', 'kept as well, gap-free');
select is(pdpp_run_status('lc-1'), body - 'settled', 'the status never changed') from ending;
select pg_temp.refused($$select pdpp_run_settle('lc-1', 'failed', '{}', 'ev-1')$$, 'PT400', 'invalid_request',
    'event_id', 'an event id that names another event of the run');
select is(pdpp_run_settle(pg_temp.admit('lc-3'), 'failed', '{}', 'ev-1')->'settled', 'true',
    'an event id of another run is free');
select pg_temp.refused($$select pdpp_run_settle('lc-2', 'failed', '{}', 'ev-1')$$, 'PT400', 'invalid_request',
    'event_id', 'an event id in use, on an active run');
select ok(pg_temp.in_flight('lc-2'), 'which stays active');

select pg_temp.refused($$select pdpp_run_started('lc-1')$$, 'PT409', 'run_already_terminal', 'run_id',
    'a start after the end');
select is(pg_temp.refusal($$select pdpp_run_event('lc-1', 'x')$$)->'detail',
          '{"code": "run_already_terminal", "param": "run_id", "status": "completed"}',
          'an event after the end: DETAIL says how it ended');
select is(pdpp_run_event('lc-1', 'run.progress_reported', '{}', 'ev-1')->'event_seq', '3',
          'but a repeated event is answered also after the end');
select is(pdpp_run_started('lc-1', '{}', 'start-1'), body, 'and so is a repeated start') from answer;

-- started by a boot
select is(pdpp_controller_boot('lc-controller')->'seq', '1', 'this session boots');
select lives_ok($$select pdpp_run_started(pg_temp.admit('lc-boot'), '{"pid": 7}')$$, 'a start by a boot');
select pg_temp.rows_are(
    $$select e.data_json, e.source_kind, e.source_id, f.boot_epoch from pdpp.spine_events as e
    join pdpp.controller_active_runs as f using (run_id)
      where run_id = 'lc-boot' and event_type = 'run.started'$$,
    $$select jsonb_build_object('pid', 7, 'boot_epoch', boot_epoch, 'controller_id', 'lc-controller'), null,
    boot_epoch::text,
             boot_epoch from pdpp.controller_boots where controller_id = 'lc-controller'$$,
    'is stamped with it, and the boot owns the run');

-- launch failed
select is(pg_temp.admit('lc-fail'), 'lc-fail', 'a run that cannot be launched');
create temporary table failure as select pdpp_run_launch_failed('lc-fail', E'spawn:\tno such file') as body;
select is(body, pdpp_run_status('lc-fail'), 'launch_failed returns the status') from failure;
select is(body->'failure', '{"reason": "launch_failed", "message": "spawn:\tno such file", "origin": "controller",
                             "connector_error_message": null}', 'failed, with the message') from failure;
select is(data_json, '{"reason": "launch_failed", "failure_reason": "launch_failed", "failure_origin": "controller",
                       "message": "spawn:\tno such file", "records_emitted": 0}', 'the event''s data')
from pdpp.spine_events where run_id = 'lc-fail' and event_type = 'run.failed';
select ok(not pg_temp.in_flight('lc-fail'), 'the flight row is gone');
select is(pdpp_run_launch_failed('lc-fail', 'again'), body, 'safe to call twice') from failure;
select is(pg_temp.types_of('lc-fail'), 'run.admitted run.failed', 'nothing is added');
select is(pdpp_run_launch_failed('lc-completed', 'too late')->>'status', 'completed',
    'after the runtime''s own terminal, that stands');
select is(pg_temp.types_of('lc-completed'), 'run.admitted run.completed', 'nothing is added there either');
select is(pdpp_run_launch_failed('lc-boot', 'after the start')->>'status', 'failed',
    'a run that had started ends as well');
select is(pdpp_run_settle('lc-fail', 'completed')->'settled', 'false', 'the runtime''s settle comes too late');
select is(pdpp_run_launch_failed(pg_temp.admit('lc-null'), null)#>>'{failure,message}', 'no message',
    'a launcher without a message');

-- the message is bounded to 500 characters, and a character is never split
select is(pdpp_run_launch_failed(pg_temp.admit(format('lc-message-%s-%s', ascii(c), n)),
    repeat(c, n))#>>'{failure,message}',
          left(repeat(c, n), 500) || case when n > 500 then '…' else '' end,
          format('%s characters of %s bytes', n, octet_length(c)))
from unnest(array['a', 'é', '€', '😀']) as c, unnest(array[499, 500, 501, 5000]) as n;

-- an ending that was written to the spine by hand keeps standing
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
select pg_temp.admit('lc-hand-' || n), 2, 'by hand', 'run.cancelled', now(), now(), '{"reason": "by hand"}'
from generate_series(1, 2) as n;
select is(pdpp_run_settle('lc-hand-1', 'completed')->'settled', 'false', 'settle after an ending by hand');
select is(pg_temp.types_of('lc-hand-1'), 'run.admitted run.cancelled run.late_outcome', 'is kept beside it');
select is(pdpp_run_launch_failed('lc-hand-2', 'x')->>'terminal_reason', 'by hand',
    'launch_failed after an ending by hand');
select ok(not pg_temp.in_flight('lc-hand-1') and not pg_temp.in_flight('lc-hand-2'), 'both clear the flight row');

-- unknown runs
select pg_temp.refused(statement, 'PT404', 'not_found', 'run_id', statement)
from unnest(array[$$select pdpp_run_started('lc-unknown')$$, $$select pdpp_run_started('lc-unknown', '{}', 'e')$$,
                  $$select pdpp_run_event('lc-unknown', 'x')$$, $$select pdpp_run_event('lc-unknown', 'x', '{}', 'e')$$,
                  $$select pdpp_run_settle('lc-unknown', 'failed')$$,
                  $$select pdpp_run_settle('lc-unknown', 'failed', '{}', 'e')$$,
                  $$select pdpp_run_launch_failed('lc-unknown', 'm')$$]) as statement;
select is(pg_temp.refusal($$select pdpp_run_started('lc-unknown')$$)->>'message', 'Run not found: lc-unknown',
    'the message names the id');

-- the order of events of one run
select is_empty($$select run_id from pdpp.spine_events where run_id like 'lc-%' group by run_id
                  having min(event_seq) <> 1 or max(event_seq) <> count(*)$$,
                'event_seq is 1, 2, 3… in every run');
select is_empty($$select a.run_id from pdpp.spine_events as a join pdpp.spine_events as b using (run_id)
                  where run_id like 'lc-%' and a.event_seq < b.event_seq and a.recorded_at > b.recorded_at
                  and b.event_id <> 'by hand'$$,
                'and no event is recorded before an earlier one');

select * from finish();
rollback;
