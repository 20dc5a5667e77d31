-- A trigger of somebody's that keeps a row of ours from being written: what should have written it is refused, and acknowledges nothing.
\i test/sql/include/prelude.psql
begin;
select plan(22);

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

select is(pdpp_run_status('un-new')#>>'{error,code}', 'not_found', 'nothing of all that is on record');
select is(array(select pdpp_run_status(id)->>'status' from unnest(array['un-active', 'un-started']) as id), '{active,active}', 'and nothing has ended');
select lives_ok($$select pdpp_run_settle(id, 'completed') from unnest(array['un-active', 'un-started']) as id$$, 'without the triggers all is as ever');
select is_empty($$select * from pdpp_check() where detail::text ~ 'un-'$$, 'and the check finds nothing of it');

select * from finish();
rollback;
