-- A trigger of somebody's that keeps a row of ours from being written: what should have written it is refused, and acknowledges nothing.
\i test/sql/include/prelude.psql
begin;
select plan(27);

create function pg_temp.swallow() returns trigger language plpgsql as 'begin return null; end';
-- What a call is refused with while rows of this table are swallowed, and what is on record of the run afterwards.
create function pg_temp.swallowed(event text, of_table text, call text) returns text language plpgsql as $$
declare
    said jsonb;
begin
    execute format('create trigger swallow before %s on pdpp.%I for each row execute function pg_temp.swallow()', event, of_table);
    said := pg_temp.refusal(call);
    execute format('drop trigger swallow on pdpp.%I', of_table);
    return is(concat_ws(': ', said->>'sqlstate', said->>'message'), format('09000: a row of pdpp.%s was not written', of_table),
              format('%s of %s: %s', event, of_table, call));
end
$$;

select pdpp_run_now('c', 'un-1', 'un-active');
select pdpp_run_now('c', 'un-2', 'un-started');
select pdpp_run_started('un-started');

select pg_temp.swallowed('insert', 'controller_boots', $$select pdpp_controller_boot('un')$$);
select pg_temp.swallowed('insert', 'connections', $$select pdpp_run_now('c', 'un-new', 'un-new')$$);
select pg_temp.swallowed('update', 'connections', $$select pdpp_run_now('c', 'un-1', 'un-new')$$);
select pg_temp.swallowed('update', 'connections', $$select pdpp_connection_run_now('un-1')$$);
select pg_temp.swallowed('insert', 'idempotency_keys', $$select pdpp_run_now('c', 'un-new', idempotency_key => 'un')$$);
select pg_temp.swallowed('insert', 'controller_active_runs', $$select pdpp_run_now('c', 'un-new', 'un-new')$$);
select pg_temp.swallowed('insert', 'controller_active_runs', $$select pdpp_run_now('c', 'un-new')$$);
select pg_temp.swallowed('insert', 'spine_events', $$select pdpp_run_now('c', 'un-new', 'un-new')$$);
select pg_temp.swallowed('insert', 'spine_events', $$select pdpp_run_now('c', 'un-new')$$);
select pg_temp.swallowed('insert', 'spine_events', $$select pdpp_run_started('un-active')$$);
select pg_temp.swallowed('insert', 'spine_events', $$select pdpp_run_event('un-started', 'note')$$);
select pg_temp.swallowed('insert', 'spine_events', $$select pdpp_run_settle('un-started', 'completed')$$);
select pg_temp.swallowed('insert', 'spine_events', $$select pdpp_run_launch_failed('un-active', 'no')$$);
select pg_temp.swallowed('update', 'controller_active_runs', $$select pdpp_run_started('un-active')$$);
select pg_temp.swallowed('update', 'controller_active_runs', $$select pdpp_run_cancel('un-started')$$);
select pg_temp.swallowed('delete', 'controller_active_runs', $$select pdpp_run_settle('un-started', 'completed')$$);
select pg_temp.swallowed('delete', 'controller_active_runs', $$select pdpp_run_cancel('un-active')$$);
select pg_temp.swallowed('insert', 'spine_events', $$select pdpp_run_import('[{"run_id": "un-new", "connector_id": "c", "connector_instance_id": "un-new",
    "trace_id": "t", "admitted_at": "2026-08-01T10:00:00Z", "events": []}]')$$);

-- one that is in flight there, its ending, and an event of it
create function pg_temp.given(in_flight boolean, events jsonb) returns text language sql as $$
    select format('select pdpp_run_import(%L)', jsonb_build_array(jsonb_build_object('run_id', 'un-theirs', 'connector_id', 'c', 'connector_instance_id', 'un-theirs',
        'trace_id', 't', 'admitted_at', '2026-08-01T10:00:00Z', 'in_flight', in_flight, 'events', events)))
$$;
select pg_temp.swallowed('insert', 'controller_active_runs', pg_temp.given(true, '[]'));
select pdpp_run_import('[{"run_id": "un-theirs", "connector_id": "c", "connector_instance_id": "un-theirs", "trace_id": "t", "admitted_at": "2026-08-01T10:00:00Z",
    "in_flight": true, "events": []}]');
select pg_temp.swallowed('delete', 'controller_active_runs', pg_temp.given(false, '[{"event_id": "un", "event_type": "run.completed", "occurred_at": "2026-08-01T10:00:01Z"}]'));
select pg_temp.swallowed('insert', 'spine_events', pg_temp.given(true, '[{"event_id": "un", "event_type": "note", "occurred_at": "2026-08-01T10:00:01Z"}]'));
-- a boot that was lost and comes back, and what it offers
select pdpp_controller_boot('un')->>'boot_epoch' as epoch \gset
select pg_temp.swallowed('insert', 'connections', $$select pdpp_controller_offer('[{"connector_instance_id": "un-o", "connector_id": "c"}]')$$);
update pdpp.controller_boots set lost_at = now() where boot_epoch = :'epoch';
select pg_temp.swallowed('update', 'controller_boots', format('select pdpp_controller_rejoin(%L)', :'epoch'));

select is(pdpp_run_status('un-new')#>>'{error,code}', 'not_found', 'nothing of all that is on record');
select is(array(select pdpp_run_status(id)->>'status' from unnest(array['un-active', 'un-started']) as id), '{active,active}', 'and nothing has ended');
select lives_ok($$select pdpp_run_settle(id, 'completed') from unnest(array['un-active', 'un-started']) as id$$, 'without the triggers all is as ever');
select is_empty($$select * from pdpp_check() where detail::text ~ 'un-'$$, 'and the check finds nothing of it');

select * from finish();
rollback;
