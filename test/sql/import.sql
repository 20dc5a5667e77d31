-- pdpp_run_import: what another server recorded of runs, in its order and in its words; once, and no more.
\i test/sql/include/prelude.psql
begin;
select plan(124);

-- an event as the program gives it: its number makes its id and its times
create function pg_temp.event(n integer, type text, data jsonb default '{}', more jsonb default '{}') returns jsonb language sql as $$
    select jsonb_build_object('event_id', 'e' || n, 'event_type', type, 'occurred_at', '2026-08-01T10:00:00Z'::timestamptz + n * interval '1 s',
        'recorded_at', '2026-08-01T10:00:00Z'::timestamptz + n * interval '1 s', 'trace_id', 't', 'scenario_id', 'sc', 'actor_type', 'runtime',
        'actor_id', 'gmail', 'object_type', 'run', 'object_id', 'im-1', 'status', 'theirs', 'version', 'reference.spine.v1', 'data', data) || more $$;
create function pg_temp.given(id text, events jsonb, more jsonb default '{}') returns jsonb language sql as $$
    select jsonb_build_object('run_id', id, 'connector_id', 'gmail', 'connector_instance_id', 'cin_' || id, 'trace_id', 't', 'scenario_id', 'sc',
        'admitted_at', '2026-08-01T10:00:00Z', 'data', '{"imported": true}'::jsonb, 'events', events) || more $$;
create function pg_temp.import(variadic given jsonb[]) returns jsonb language sql as $$ select pdpp_run_import(to_jsonb(given))->'runs' $$;
create function pg_temp.told(id text) returns text language sql as $$
    select string_agg(event_seq || ' ' || event_type, ', ' order by event_seq) from pdpp.spine_events where run_id = id $$;

-- a run, whole
create temporary table whole as select pg_temp.given('im-1', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.note'),
    pg_temp.event(3, 'run.failed', '{"reason": "token_expired", "known_gaps": 1.50}'), pg_temp.event(4, 'run.browser_surface_released'),
    pg_temp.event(5, 'run.started'), pg_temp.event(6, 'run.completed', '{"records": 1}'))) as run;
select is(pg_temp.import(run), '[{"run_id": "im-1", "result": "imported", "events": 6, "status": "failed"}]', 'it is told what became of it') from whole;
select is(pg_temp.told('im-1'), '1 run.admitted, 2 run.started, 3 run.note, 4 run.failed, 5 run.browser_surface_released, 6 run.late_outcome, 7 run.late_outcome',
    'one start and one ending stand, the first; what follows stays, and what comes again is evidence');
select is(pdpp_run_status('im-1') - 'links' - 'object', '{"run_id": "im-1", "status": "failed", "connector_id": "gmail", "connector_instance_id": "cin_im-1", "trace_id": "t",
    "admitted_at": "2026-08-01T10:00:00.000Z", "started_at": "2026-08-01T10:00:01.000Z", "completed_at": "2026-08-01T10:00:03.000Z", "cancel_requested_at": null,
    "deadline_at": null, "retry_of": null, "retried_by": null, "terminal_reason": "token_expired", "known_gaps": 1.50,
    "failure": {"reason": "token_expired", "message": null, "origin": null, "connector_error_message": null}}', 'its status');
select is((pdpp_run_timeline('im-1')#>'{data,3}') - 'data', '{"run_id": "im-1", "event_seq": 4, "event_id": "e3", "event_type": "run.failed", "version": "reference.spine.v1",
    "occurred_at": "2026-08-01T10:00:03.000Z", "recorded_at": "2026-08-01T10:00:03.000Z", "admitted_at": "2026-08-01T10:00:00.000Z", "trace_id": "t", "scenario_id": "sc",
    "actor_type": "runtime", "actor_id": "gmail", "subject_type": null, "subject_id": null, "object_type": "run", "object_id": "im-1", "status": "theirs",
    "request_id": null, "grant_id": null, "source_kind": null, "source_id": null, "client_id": null, "stream_id": null, "interaction_id": null,
    "connector_instance_id": "cin_im-1"}', 'its words: status and version as they were');
select is(pdpp_run_timeline('im-1')#>'{data,6,data}', '{"imported": true, "outcome": "completed", "event_type": "run.completed", "evidence": {"records": 1}}',
    'a later ending says what it was');
select is(pdpp_run_timeline('im-1')#>'{data,5,data}', '{"imported": true, "outcome": null, "event_type": "run.started", "evidence": {}}', 'a later start as well');
select is((pdpp_run_timeline('im-1')#>'{data,0}') @> '{"event_type": "run.admitted", "source_kind": "import", "data": {"imported": true}}', true, 'its admission says so');
select pg_temp.rows_are($$select trace_id, scenario_id, actor_id, object_type, connector_instance_id from pdpp.spine_events where run_id = 'im-1' and event_seq = 3$$,
    $$values (null::text, null::text, null::text, null::text, null::text)$$, 'what the admission says is not repeated');
select is(pdpp_run_list('failed', 'gmail')#>>'{data,0,run_id}', 'im-1', 'it is in the lists');

-- again
select is(pg_temp.import(run), '[{"run_id": "im-1", "result": "unchanged", "events": 0, "status": "failed"}]', 'a second time writes nothing') from whole;
select is(pg_temp.import(pg_temp.given('im-1', jsonb_build_array(pg_temp.event(0, 'run.cancelled'), pg_temp.event(7, 'run.note', more => '{"recorded_at": "2026-01-01T00:00:00Z"}')))),
    '[{"run_id": "im-1", "result": "extended", "events": 2, "status": "failed"}]', 'what comes later is added');
select is(pdpp_run_timeline('im-1')#>>'{data,7,event_type}', 'run.late_outcome', 'an ending that comes late is evidence, whatever its time');
select is(pdpp_run_timeline('im-1')#>>'{data,8,recorded_at}', '2026-08-01T10:00:06.000Z', 'nothing is recorded before what it follows');

select is(pg_temp.import(pg_temp.given('im-1', jsonb_build_array(pg_temp.event(8, 'run.note') - 'trace_id' - 'scenario_id' - 'actor_id' - 'actor_type' - 'object_type' - 'object_id'), '{"trace_id": "t2"}'))#>>'{0,events}', '1',
    'an event that leaves out what its run says');
select pg_temp.rows_are($$select trace_id, scenario_id, actor_id, connector_instance_id, actor_type, object_type, object_id from pdpp.spine_events where run_id = 'im-1' and event_id = 'e8'$$,
    $$values ('t2'::text, null::text, null::text, null::text, null::text, null::text, null::text)$$, 'is of what was said of its run then');
select is((e - 'data') @> '{"trace_id": "t2", "actor_id": "gmail", "actor_type": "connector", "object_type": "run", "object_id": "im-1", "connector_instance_id": "cin_im-1"}', true, 'which it says')
from jsonb_array_elements(pdpp_run_timeline('im-1')->'data') as e where e->>'event_id' = 'e8';

-- its server alone may end it
select is(pg_temp.import(pg_temp.given('im-11', '[]', '{"in_flight": true}'), pg_temp.given('im-12', '[]'))#>>'{1,status}', 'active', 'one in flight there, and one that is stranded');
select pg_temp.refused(format('select pdpp_run_cancel(%L)', id), 'PT400', 'invalid_request', 'run_id', 'not to be cancelled here: ' || id) from unnest(array['im-11', 'im-12']) as id;
select pg_temp.refused(format('select pdpp_run_settle(%L, %L)', id, 'failed'), 'PT400', 'invalid_request', 'run_id', 'nor settled: ' || id) from unnest(array['im-11', 'im-12']) as id;
select pg_temp.refused(format('select pdpp_run_event(%L, %L)', id, 'note'), 'PT400', 'invalid_request', 'run_id', 'nor written to: ' || id) from unnest(array['im-11', 'im-12']) as id;
select pg_temp.refused(format('select pdpp_run_%s', call), 'PT400', 'invalid_request', 'run_id', 'nor ' || call)
from unnest(array['started(''im-11'')', 'launch_failed(''im-11'', ''no'')', 'extend(''im-11'', ''1 h'')', 'fence(''im-11'')', 'fence(''im-12'')']) as call;
select is(pdpp_run_status('im-11')->>'status', 'active', 'it goes on');

-- in flight
select is(pg_temp.import(pg_temp.given('im-2', '[]', '{"in_flight": true, "run_generation": 7}')), '[{"run_id": "im-2", "result": "imported", "events": 0, "status": "active"}]', 'a handle without events');
select pg_temp.rows_are($$select f.run_id, f.run_generation, f.boot_epoch, f.launch_deadline, f.deadline_at, c.run_generation from pdpp.controller_active_runs as f
    join pdpp.connections as c using (connector_instance_id) where f.run_id = 'im-2'$$,
    $$values ('im-2', 7::bigint, null::uuid, null::timestamptz, null::timestamptz, 7::bigint)$$, 'in flight, with neither boot nor deadline, of the generation that it had');
select is(pdpp_reconcile() - 'object' - 'lost_boots', '{"launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}', 'the guard leaves it alone');
select is(pdpp_run_status('im-2')->>'status', 'active', 'it goes on');
select pg_temp.refused($$select pdpp_run_now('gmail', 'cin_im-2')$$, 'PT409', 'run_already_active', 'connector_instance_id', 'nobody starts another beside it');
select is(pg_temp.import(pg_temp.given('im-2', jsonb_build_array(pg_temp.event(1, 'run.started')), '{"in_flight": true}'))#>>'{0,result}', 'extended', 'it starts');
select is(pg_temp.import(pg_temp.given('im-2', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.completed'))))#>>'{0,status}', 'completed', 'it ends');
select is_empty($$select from pdpp.controller_active_runs where run_id = 'im-2'$$, 'and is not in flight any more');
select lives_ok($$select pdpp_run_now('gmail', 'cin_im-2', 'im-after')$$, 'the connection is free');
select is((select run_generation from pdpp.controller_active_runs where run_id = 'im-after'), 8::bigint, 'its generations go on above the highest');
select is(pg_temp.import(pg_temp.given('im-3', '[]', '{"in_flight": true, "connector_instance_id": "cin_im-2"}'))#>>'{0,status}', 'active', 'one in flight where we have one');
select is_empty($$select from pdpp.controller_active_runs where run_id = 'im-3'$$, 'is known, and ours stays in flight');

select pg_temp.import(pg_temp.given('im-left', '[]', '{"in_flight": true, "connector_instance_id": "cin_left"}'));
select is(pg_temp.import(pg_temp.given('im-left', '[]', '{"connector_instance_id": "cin_left"}'))#>>'{0,status}', 'active', 'one that its server has left goes on');
select pg_temp.import(pg_temp.given('im-next', '[]', '{"in_flight": true, "connector_instance_id": "cin_left"}'));
select is((select run_id from pdpp.controller_active_runs where connector_instance_id = 'cin_left'), 'im-next', 'and leaves its connection to the next one');
select pg_temp.import(pg_temp.given('im-after-next', '[]', '{"in_flight": true, "connector_instance_id": "cin_left"}'));
select is((select run_id from pdpp.controller_active_runs where connector_instance_id = 'cin_left'), 'im-after-next', 'which leaves it also where its ending comes later than the one after it');
select is(pdpp_run_status('im-next')->>'status', 'active', 'until then it is active');

-- ours is ours
create temporary table own as select pdpp_run_timeline('im-after') as timeline;
select is(pg_temp.import(pg_temp.given('im-after', jsonb_build_array(pg_temp.event(1, 'run.failed')))), '[{"run_id": "im-after", "result": "ours", "events": 0, "status": null}]',
    'a run of ours is left alone');
select is(pdpp_run_timeline('im-after'), timeline, 'all of it') from own;

-- what the import concludes has no id
select is(pg_temp.import(pg_temp.given('im-4', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.abandoned', '{"imported": true}') - 'event_id')))#>>'{0,status}',
    'abandoned', 'an ending that is concluded');
select is(pg_temp.import(pg_temp.given('im-4', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.abandoned', '{"imported": true}') - 'event_id')))#>>'{0,result}',
    'unchanged', 'once');
select is(pg_temp.import(pg_temp.given('im-4', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(3, 'run.completed'), pg_temp.event(2, 'run.abandoned') - 'event_id')))#>>'{0,status}',
    'abandoned', 'what its server says afterwards is evidence');
select is(pg_temp.told('im-4'), '1 run.admitted, 2 run.started, 3 run.abandoned, 4 run.late_outcome', 'and nothing is concluded twice');
select is(pg_temp.import(pg_temp.given('im-5', jsonb_build_array(pg_temp.event(1, 'run.failed'), pg_temp.event(2, 'run.abandoned') - 'event_id')))#>>'{0,events}', '1',
    'nor where an ending stands');

-- a start after the ending is none
select is(pg_temp.import(pg_temp.given('im-6', jsonb_build_array(pg_temp.event(1, 'run.cancelled'), pg_temp.event(2, 'run.started'))))#>>'{0,status}', 'cancelled', 'ended before it started');
select is(pdpp_run_status('im-6')->'started_at', 'null', 'and so it never started');
select is(pg_temp.import(pg_temp.given('im-7', jsonb_build_array(pg_temp.event(1, 'run.admitted'), pg_temp.event(2, 'run.started'))))#>>'{0,events}', '2', 'an admission of theirs');
select is(pg_temp.told('im-7'), '1 run.admitted, 2 run.late_outcome, 3 run.started', 'stands beside ours');

-- whoever acted is told, whatever our own events leave out
select is(pg_temp.import(pg_temp.given('im-10', jsonb_build_array(pg_temp.event(1, 'run.started', more => '{"actor_type": "connector"}'),
    pg_temp.event(2, 'run.started', more => '{"actor_type": "connector"}'), pg_temp.event(3, 'run.note', more => '{"actor_type": "connector"}'))))#>>'{0,events}', '3', 'a connector that starts itself');
select is((select string_agg(e->>'actor_type', ' ' order by (e->>'event_seq')::integer) from jsonb_array_elements(pdpp_run_timeline('im-10')->'data') as e where e->>'event_seq' <> '1'),
    'connector connector connector', 'says so');
select is((select string_agg(e->>'actor_type', ' ' order by (e->>'event_seq')::integer) from jsonb_array_elements(pdpp_run_timeline('im-1')->'data') as e where e->>'event_seq' <> '1'),
    'runtime runtime runtime runtime runtime runtime runtime runtime connector', 'and a runtime as well');

-- stranded
select is_empty($$select from pdpp.controller_active_runs where run_id = 'im-7'$$, 'neither ended nor in flight');
select is(pdpp_run_status('im-7')->>'status', 'active', 'it is active');

-- ids of any character
select is(pg_temp.import(pg_temp.given(E'im\n8', '[]'))#>>'{0,result}', 'imported', 'an id with a line end');
select is(pdpp_run_status(E'im\n8')->>'status', 'active', 'resolves');
select is(pdpp_run_timeline(E'im\n8')->>'run_id', E'im\n8', 'its timeline as well');
select is((select http_status from pdpp_run_statuses(array[E'im\n8'])), 200, 'among others');

-- an ending whose actor is another
select is(pg_temp.import(pg_temp.given('im-9', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.abandoned', more => '{"actor_id": "controller"}'))))#>>'{0,status}', 'abandoned', 'ended by its controller');
select is(pdpp_run_list('abandoned', 'gmail', 'cin_im-9')#>>'{data,0,run_id}', 'im-9', 'is in the list of its connector');
select is(pdpp_run_timeline('im-9')#>>'{data,2,data,imported_actor_id}', 'controller', 'and says who ended it');

-- the trace of a run is that of its start, whatever trace the repair of a boot is in
select pg_temp.import(pg_temp.given('im-24', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.abandoned', more => '{"trace_id": "boot", "source_id": "disk"}'))),
    pg_temp.given('im-25', jsonb_build_array(pg_temp.event(1, 'run.abandoned', more => '{"trace_id": "boot"}'))));
select pg_temp.rows_are($$select r.run_id, pdpp_run_status(r.run_id)->>'trace_id', pdpp_run_timeline(r.run_id)->>'trace_id', r.trace_id,
    pdpp_run_list('abandoned', 'gmail', r.connector_instance_id)#>>'{data,0,trace_id}' from pdpp_runs as r where r.run_id in ('im-24', 'im-25')$$,
    $$values ('im-24', 't', 't', 't', 't'), ('im-25', 'boot', 'boot', 'boot', 'boot')$$, 'in every read');
select is(pdpp_run_timeline('im-24')#>>'{data,2,trace_id}', 'boot', 'the ending says its own');
select is((pdpp_run_timeline('im-24')#>'{data,2}') @> '{"source_id": "disk", "source_kind": null}', true, 'a source of theirs is no controller of ours');

-- runs that share an id
select pg_temp.import(pg_temp.given('im-16~b', '[]', '{"data": {"imported": true, "shared_run_id": "im-16"}}'), pg_temp.given('im-16', '[]', '{"data": {"shared_run_id": "im-16"}}'),
    pg_temp.given('im-16~a', jsonb_build_array(pg_temp.event(1, 'run.started')), '{"data": {"imported": true, "shared_run_id": "im-16"}}'),
    pg_temp.given('im-16~of-its-own', '[]'), pg_temp.given('im-16~b~c', '[]', '{"data": {"shared_run_id": "im-16~b"}}'), pg_temp.given('im-160', '[]', '{"data": {"shared_run_id": "im-16"}}'));
select pg_temp.rows_are($$select * from pdpp_runs_beside('im-16') with ordinality$$, $$values ('im-16~a', 1::bigint), ('im-16~b', 2)$$, 'those that were given one beside it');
select is_empty($$select pdpp_runs_beside(id) from unnest(array['im-1', 'im-16~a', 'im', '', null]) as id$$, 'where nobody shares one there is none');

-- what retention took away stays away
select pg_temp.import(pg_temp.given('im-13', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.note'), pg_temp.event(3, 'run.failed'), pg_temp.event(4, 'run.note'))));
select is((pdpp_prune('2026-08-01T11:00:00Z')->>'events')::integer >= 1, true, 'events go');
select is(pg_temp.import(pg_temp.given('im-13', jsonb_build_array(pg_temp.event(1, 'run.started'), pg_temp.event(2, 'run.note'), pg_temp.event(3, 'run.failed'), pg_temp.event(4, 'run.note'),
    pg_temp.event(5, 'run.completed'), pg_temp.event(6, 'run.note'))))#>>'{0,events}', '2', 'and do not come back');
select is(pg_temp.told('im-13'), '1 run.admitted, 2 run.started, 4 run.failed, 5 run.note, 6 run.late_outcome, 7 run.note', 'what came after the ending stays, and what is new comes');
select is(pdpp_run_timeline('im-13')->>'pruned', 'true', 'which it says');

-- data of many levels, as many as can be told
select is(pg_temp.import(pg_temp.given('im-14', jsonb_build_array(pg_temp.event(1, 'run.note', (repeat('{"a":', 2499) || '{}' || repeat('}', 2499))::jsonb))))#>>'{0,events}', '1', '2,500 levels');

-- refusals
create function pg_temp.bad(name text, events jsonb, more jsonb default '{}') returns text language sql as $$ select jsonb_build_array(pg_temp.given(name, events, more))::text $$;
create function pg_temp.bad_event(more jsonb) returns text language sql as $$ select pg_temp.bad('ev', jsonb_build_array(pg_temp.event(1, 'run.note'), pg_temp.event(2, 'run.note', more => more))) $$;
select pg_temp.refused(format('select pdpp_run_import(%L)', bad), 'PT400', 'invalid_request', 'runs', left(bad, 200)) from unnest(array[
    '{}', '"x"', '[1]', '[[]]', '[{"run_id": "x"}]', '[{"run_id": 1}]', pg_temp.bad('', '[]'), pg_temp.bad(repeat('x', 257), '[]'),
    (jsonb_build_array(pg_temp.given('twice', '[]'), pg_temp.given('other', '[]'), pg_temp.given('twice', '[]')))::text,
    pg_temp.bad('connector', '[]', '{"connector_id": ""}'), pg_temp.bad('connection', '[]', '{"connector_instance_id": null}'), pg_temp.bad('trace', '[]', '{"trace_id": 1}'),
    pg_temp.bad('no-time', '[]', '{"admitted_at": null}'), pg_temp.bad('endless', '[]', '{"admitted_at": "infinity"}'), pg_temp.bad('when', '[]', '{"admitted_at": "now"}'),
    pg_temp.bad('where', '[]', '{"admitted_at": "2026-08-01T10:00:00"}'), pg_temp.bad('of-old', '[]', '{"admitted_at": "2026-08-01T10:00:00Z BC"}'),
    pg_temp.bad('no-events', '{}'), pg_temp.bad('no-event', '[null]'), pg_temp.bad('array', '[[]]'), pg_temp.bad('untimed', '[{"event_type": "run.note"}]'),
    pg_temp.bad('no-data', '[]', '{"data": 1}'), pg_temp.bad('deep', '[]', format('{"data": %s{}%s}', repeat('{"a":', 2500), repeat('}', 2500))::jsonb),
    pg_temp.bad('flying', '[]', '{"in_flight": "yes"}'), pg_temp.bad('much', '[]', '{"run_generation": 1e30}'), pg_temp.bad('half', '[]', '{"run_generation": 0.5}'),
    pg_temp.bad('less', '[]', '{"run_generation": -1}'), pg_temp.bad('word', '[]', '{"run_generation": "1"}'),
    pg_temp.bad_event('{"event_type": ""}'), pg_temp.bad_event('{"event_type": null}'), pg_temp.bad_event('{"event_id": 1}'), pg_temp.bad_event('{"event_id": "e1"}'),
    pg_temp.bad_event(jsonb_build_object('event_id', repeat('x', 257))), pg_temp.bad_event('{"event_id": "evt_ev_1"}'), pg_temp.bad_event('{"occurred_at": "-infinity"}'),
    pg_temp.bad_event('{"recorded_at": "infinity"}'), pg_temp.bad_event('{"recorded_at": 1}'), pg_temp.bad_event(jsonb_build_object('actor_id', repeat('x', 257))),
    pg_temp.bad_event('{"source_kind": "retried_run"}'), pg_temp.bad_event('{"source_kind": "import"}'), pg_temp.bad_event('{"data": []}'),
    pg_temp.bad_event(format('{"data": %s{}%s}', repeat('{"a":', 2500), repeat('}', 2500))::jsonb)]) as bad;
select throws_ok(format('select pdpp_run_import(%L)', pg_temp.bad_event('{"data": []}')), 'PT400', 'run ev, event 2: data must be an object', 'which one it is');
select throws_ok(format('select pdpp_run_import(%L)', pg_temp.bad('day', '[]', '{"admitted_at": "2026-02-30T10:00:00Z"}')), '22008', null, 'a day that there is not');
select is(pdpp_run_import('[]'), '{"object": "run_import", "runs": []}', 'of nothing');

select is_empty($$select * from pdpp_check() where run_id like 'im%' or detail like '%cin_im%'$$, 'the check finds nothing');
select * from finish();
rollback;
