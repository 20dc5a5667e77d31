-- pdpp_run_fence: a writer asserts that its run is still the active one.
\i test/sql/include/prelude.psql
begin;
select plan(14);

select lives_ok($$select pdpp_run_now('fc', 'fe-conn', 'fe-1')$$, 'a run');
select is(pdpp_run_fence('fe-1'), '{"object": "run_fence", "run_id": "fe-1", "run_generation": 1, "connector_instance_id": "fe-conn"}',
    'admitted: active');
select lives_ok($$select pdpp_run_started('fe-1')$$, 'started under a fence');
select is(pdpp_run_event('fe-1', 'note')->'event_seq', '3', 'events go on under it');
select is(pdpp_run_fence('fe-1')->>'run_id', 'fe-1', 'started: active; fenced twice is fenced once');
select is(pdpp_run_settle('fe-1', 'completed')->'settled', 'true', 'its own transaction may settle it');
select pg_temp.refused($$select pdpp_run_fence('fe-1')$$, 'PT409', 'run_superseded', 'run_id', 'ended: superseded');
select is(pg_temp.refusal($$select pdpp_run_fence('fe-1')$$)->'detail'->>'status', 'completed', 'and how it ended');
select lives_ok($$select pdpp_run_now('fc', 'fe-conn', 'fe-2')$$, 'the connection runs again');
select is(pdpp_run_fence('fe-2')->'run_generation', '2', 'with a higher generation');
select pg_temp.refused($$select pdpp_run_fence('fe-1')$$, 'PT409', 'run_superseded', 'run_id', 'which does not revive the earlier run');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
values ('fe-2', 2, 'hand', 'run.failed', now(), now());
select pg_temp.refused($$select pdpp_run_fence('fe-2')$$, 'PT409', 'run_superseded', 'run_id', 'an ending written by hand counts');
select pg_temp.refused($$select pdpp_run_fence('fe-unknown')$$, 'PT404', 'not_found', 'run_id', 'an unknown run');
select pg_temp.refused('select pdpp_run_fence(null)', 'PT400', 'invalid_request', 'run_id', 'no run');

select * from finish();
rollback;
