-- A run that repeats another: its own handle, which names the one it repeats; and what that one says from then on.
\i test/sql/include/prelude.psql
begin;
select plan(70);

create function pg_temp.links(run text) returns text language sql as
    $$ select concat_ws(' ', s->>'status', coalesce(s->>'retry_of', '-'), coalesce(s->>'retried_by', '-')) from pdpp_run_status(run) as s $$;
create function pg_temp.of_view(run text) returns text language sql as
    $$ select concat_ws(' ', status, coalesce(retry_of, '-'), coalesce(retried_by, '-')) from pdpp_runs where run_id = run $$;
create function pg_temp.ids(page jsonb) returns text[] language sql as
    $$ select coalesce(array_agg(r->>'run_id' order by n), '{}') from jsonb_array_elements(page->'data') with ordinality as d(r, n) $$;

-- not before the end
select is(pdpp_run_now('re', 're-anna', 're-1', data => '{"since": 1.50}')->>'retry_of', null, 'the acknowledgement of a run that repeats none');
select is(pg_temp.links('re-1'), 'active - -', 'nor does its status name one');
select pg_temp.refused(call, 'PT409', 'run_already_active', 'retry_of', 'one that is active is not repeated: ' || call)
from unnest(array[$$select pdpp_run_now('re', 're-anna', retry_of => 're-1')$$, $$select pdpp_connection_run_now('re-anna', retry_of => 're-1')$$,
                  $$select pdpp_connection_run_now(retry_of => 're-1')$$, $$select pdpp_connection_run_now(null, 're-2', retry_of => 're-1')$$]) as call;
select is(pg_temp.refusal($$select pdpp_connection_run_now(retry_of => 're-1')$$)->'detail'->>'active_run_id', 're-1', 'and the refusal names it');
select is(pdpp_run_settle('re-1', 'failed', '{"reason": "r"}')->'retried_by', 'null', 'it ends');
create temporary table history as select * from pdpp.spine_events where run_id = 're-1';

-- by its connection
select is(pdpp_connection_run_now('re-anna', 're-2', trace_id => 're-trace', retry_of => 're-1') - 'links',
          '{"object": "run_ack", "run_id": "re-2", "status": "started", "retry_of": "re-1", "trace_id": "re-trace"}', 'the acknowledgement names the run that is repeated');
select is(pg_temp.links('re-2'), 'active re-1 -', 'so does the status');
select is(pg_temp.links('re-1'), 'failed - re-2', 'and the first says by what it was repeated');
select results_eq($$select * from pdpp.spine_events where run_id = 're-1' order by event_seq$$, 'select * from history order by event_seq',
                  'without a write to its history');
select is(data_json, '{"since": 1.50}', 'what it is given is what the first was given') from pdpp.spine_events where run_id = 're-2';
select is(pdpp_run_timeline('re-2')#>>'{data,0,source_id}', 're-1', 'the timeline says where it comes from');
select is(run_generation, 2::bigint, 'it is a run of the connection as any other') from pdpp.connections where connector_instance_id = 're-anna';
select is(pg_temp.of_view(run), pg_temp.links(run), 'the view: ' || run) from unnest(array['re-1', 're-2']) as run;
select is(body->>'retried_by', 're-2', 'many at once') from pdpp_run_statuses(array['re-1']);
select is((select array_agg(body->>'retried_by' order by ordinal) from pdpp_run_statuses(array['re-2', 're-1', 'nobody', 're-1'])),
          array[null, 're-2', null, 're-2'], 'each its own');
select is(pdpp_run_list()->'data'->0->>'retry_of', 're-1', 'the list');
select is(pdpp_run_settle('re-1', 'completed')->>'retried_by', 're-2', 'a late settle says so');
select is(pdpp_run_launch_failed('re-1', 'm')->>'retried_by', 're-2', 'and so does a late failure');
select is(pg_temp.links('re-1'), 'failed - re-2', 'an ended handle stays ended');

-- a repeated repetition; the newest counts
select pg_temp.refused($$select pdpp_connection_run_now('re-anna', retry_of => 're-1')$$, 'PT409', 'run_already_active', 'connector_instance_id', 'while one is active, none');
select is(pdpp_run_settle('re-2', 'cancelled')->>'status', 'cancelled', 'it ends too');
select is(pdpp_connection_run_now(run_id => 're-3', data => '{"n": 1}', retry_of => 're-2')->>'retry_of', 're-2', 'without a connection: that of the run');
select is(pg_temp.links('re-1') || ', ' || pg_temp.links('re-2') || ', ' || pg_temp.links('re-3'),
          'failed - re-2, cancelled re-1 re-3, active re-2 -', 'a chain');
select is(data_json, '{"n": 1}', 'data of its own') from pdpp.spine_events where run_id = 're-3';
select is(pdpp_run_settle('re-3', 'completed')->>'status', 'completed', 'it ends as well');
select is(pdpp_run_now('re', 're-anna', 're-4', retry_of => 're-1')->>'retry_of', 're-1', 'the first again');
select is(pg_temp.links('re-1'), 'failed - re-4', 'it names the newest');
select is(pdpp_run_settle('re-4', 'completed')->>'status', 'completed', 'it ends');
select is(pdpp_run_now('re', 're-anna', retry_of => 're-3')->>'retry_of', 're-3', 'one that was completed may be repeated as well');
select is(pg_temp.of_view(run), pg_temp.links(run), 'the view: ' || run) from unnest(array['re-1', 're-2', 're-3', 're-4']) as run;

-- the list of them
select is(pg_temp.ids(pdpp_run_list(retry_of => 're-1')), array['re-4', 're-2'], 'the runs that repeat one, the newest first');
select is(pg_temp.ids(pdpp_run_list(retry_of => 're-1', status => 'cancelled')), array['re-2'], 'with another filter');
select is(pg_temp.ids(pdpp_run_list(retry_of => 're-1', status => 'active')), '{}'::text[], 'and one that lets none pass');
select is(pg_temp.ids(pdpp_run_list(retry_of => 're-1', connector_instance_id => 're-anna')), array['re-4', 're-2'], 'of its connection');
select is(pg_temp.ids(pdpp_run_list(retry_of => 're-1', connector_id => 'other')), '{}'::text[], 'of another connector');
select is(pg_temp.ids(pdpp_run_list(retry_of => 'nobody')), '{}'::text[], 'of no run');
select is(pg_temp.ids(pdpp_run_list(retry_of => 're-1', page_size => 1, cursor => pdpp_run_list(retry_of => 're-1', page_size => 1)->>'next_cursor')),
          array['re-2'], 'page by page');
select pg_temp.refused($$select pdpp_run_list(retry_of => '')$$, 'PT400', 'invalid_request', 'retry_of', 'an id that is none');

-- what is refused
select pg_temp.refused($$select pdpp_connection_run_now(retry_of => 're-nobody')$$, 'PT404', 'not_found', 'retry_of', 'a run that was never handed out');
select pg_temp.refused($$select pdpp_run_now('re', 're-anna', retry_of => 're-nobody')$$, 'PT404', 'not_found', 'retry_of', 'nor with a connection');
select pg_temp.refused($$select pdpp_run_now('re', 're-bert', retry_of => 're-1')$$, 'PT400', 'invalid_request', 'retry_of', 'a run of another connection');
select pg_temp.refused($$select pdpp_connector_run_now('re', retry_of => 're-1')$$, 'PT400', 'invalid_request', 'retry_of', 'by another way');
select is_empty($$select from pdpp.connections where connector_instance_id in ('re-bert', 're')$$, 'which leaves nothing');
select pg_temp.refused(format('select pdpp_connection_run_now(retry_of => %L)', id), 'PT400', 'invalid_request', 'retry_of', 'no id: ' || left(id, 5))
from unnest(array['', '.', repeat('x', 257)]) as id;
select pg_temp.refused($$select pdpp_connection_run_now()$$, 'PT400', 'invalid_request', 'connector_instance_id', 'neither connection nor run');
select pg_temp.refused($$select pdpp_connection_run_now(null, 're-5')$$, 'PT400', 'invalid_request', 'connector_instance_id', 'nor with an id');
select pdpp_run_settle(r->>'run_id', 'failed')->>'status' = 'failed' as ended from jsonb_array_elements(pdpp_run_list('active', connector_instance_id => 're-anna')->'data') as r \gset
select pg_temp.refused($$select pdpp_connection_run_now(null, 're-1', retry_of => 're-1')$$, 'PT409', 'run_id_taken', 'run_id', 'a run does not repeat itself');

-- the same call again
select is(pdpp_connection_run_now(null, 're-6', 're-key', retry_of => 're-1')->>'run_id', 're-6', 'with a key');
select is(pdpp_connection_run_now(null, 're-6', 're-key', retry_of => 're-1')->>'retry_of', 're-1', 'the same acknowledgement');
select pg_temp.refused($$select pdpp_connection_run_now(null, 're-6', 're-key', retry_of => 're-2')$$, 'PT422', 'idempotency_conflict', 'idempotency_key', 'another run');
select pg_temp.refused($$select pdpp_connection_run_now('re-anna', 're-6', 're-key')$$, 'PT422', 'idempotency_conflict', 'idempotency_key', 'or none');

-- what is checked
select is_empty($$select * from pdpp_check() where invariant = 'retries_repeat_ended_runs'$$, 'all is well');

-- whatever became of the index, the truth is told
create function pg_temp.told_without(alteration text) returns text language plpgsql as $$
declare
    told text;
begin
    begin
        execute 'drop index pdpp.spine_events_retries; ' || alteration;
        told := pg_temp.links('re-1') || ', ' || pg_temp.links('re-3');
        raise division_by_zero;
    exception when division_by_zero then
        return told;
    end;
end
$$;
select is(pg_temp.told_without(alteration), pg_temp.links('re-1') || ', ' || pg_temp.links('re-3'), 'the index: ' || coalesce(nullif(alteration, ''), 'dropped'))
from unnest(array['', 'create index spine_events_retries on pdpp.spine_events (source_id)',
    $$create index spine_events_retries on pdpp.spine_events (source_id collate "C", admitted_at, run_id) where source_kind = 'controller'$$,
    $$create index spine_events_retries on pdpp.spine_events (source_id collate "C", admitted_at desc, run_id) where source_kind = 'retried_run'$$,
    $$create index spine_events_retries on pdpp.spine_events (source_id collate "C", run_id) where source_kind = 'retried_run'$$,
    $$create index spine_events_retries on pdpp.spine_events (source_id collate "C", admitted_at, run_id) where source_kind = 'retried_run' and false$$]) as alteration;

-- by hand
select lives_ok($$insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, source_kind, source_id,
                  connector_instance_id) select 're-hand-' || n, 1, 'e', 'run.admitted', now(), now(), 'infinity', 'retried_run', run, 're-bert'
                  from (values (1, 're-1'), (2, 're-gone')) as hand(n, run)$$, 'links that are none');
select set_eq($$select run_id, left(detail, 18) from pdpp_check() where invariant = 'retries_repeat_ended_runs'$$,
    $$values ('re-hand-1', 'repeats run re-1 o'), ('re-hand-2', 'said to repeat run')$$, 'are found');
select is(pg_temp.links('re-1'), 'failed - re-hand-1', 'and told as they are written');

select * from finish();
rollback;
