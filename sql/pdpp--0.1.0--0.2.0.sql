\echo Use "ALTER EXTENSION pdpp UPDATE TO '0.2.0'" to load this file. \quit

/*
 * From 0.1.0 to 0.2.0: lists of runs, retention, counts of endings. Builds six indexes, which keeps
 * writers waiting for as long; readers go on.
 */

/* The library comes with these scripts; one that is older lacks functions that they declare. */
do $$
begin
    create function pdpp.library_version() returns text language c immutable strict parallel safe
        as 'MODULE_PATHNAME', 'pdpp_library_version';
exception when undefined_function then
    raise exception 'the installed library of pdpp is older than version 0.2.0 of the extension'
        using errcode = 'feature_not_supported',
              hint = 'Install the library of this version, and start a new session (where it is preloaded, restart the server).';
end
$$;
comment on function pdpp.library_version() is 'the version of the library that this session has loaded';

/*
 * All tables that writers lock, in their order (docs/design/locking.md), before anything else is done: what is done then waits for
 * nobody. None of the locks is waited for for more than a moment: a transaction that holds a later table and wants an earlier
 * one has us let go, and so has one that keeps the first for long, behind which everybody else would wait for us. Then we begin
 * again, ever more seldom, for as long as the caller's lock_timeout allows. Within the moment we look for deadlocks, since it is
 * then that an autovacuum in the way is told to give way; we may be what a deadlock is broken by, which is the same to us.
 *
 * Readers go on, but for upgrades that come after this in the same transaction, which wait for them at their end: so first we see that
 * nobody reads for long, by a lock that is given back at once. On PostgreSQL 13, which cannot replace a trigger, it is kept.
 */
do $$
declare
    given_timeout text := pg_catalog.current_setting('lock_timeout');
    given_deadlock_timeout text := pg_catalog.current_setting('deadlock_timeout');
    /* in milliseconds; 0 is for ever */
    patience double precision := (select s.setting::double precision from pg_catalog.pg_settings as s
                                  where s.name operator(pg_catalog.=) 'lock_timeout');
    began timestamptz := pg_catalog.clock_timestamp();
    pause double precision := 0.02;
begin
    loop
        begin
            perform pg_catalog.set_config('lock_timeout', '100ms', true);
            perform pg_catalog.set_config('deadlock_timeout', '50ms', true);
            lock table pdpp.connections, pdpp.controller_boots, pdpp.idempotency_keys, pdpp.controller_active_runs, pdpp.spine_events
                in share row exclusive mode;
            if pg_catalog.current_setting('server_version_num')::integer operator(pg_catalog.<) 140000 then
                drop trigger spine_events_no_delete on pdpp.spine_events; /* made anew below; waits for readers too */
            end if;
            begin
                lock table pdpp.spine_events in access exclusive mode;
                raise exception sqlstate 'PDPP0'; /* gives it back */
            exception when sqlstate 'PDPP0' then
                null;
            end;
            perform pg_catalog.set_config('lock_timeout', given_timeout, true);
            perform pg_catalog.set_config('deadlock_timeout', given_deadlock_timeout, true);
            exit;
        exception when lock_not_available or deadlock_detected then
            if patience operator(pg_catalog.>) 0
               and extract(epoch from pg_catalog.clock_timestamp() operator(pg_catalog.-) began)
                   operator(pg_catalog.*) 1000 operator(pg_catalog.>) patience then
                raise;
            end if;
        end;
        perform pg_catalog.pg_sleep(pause);
        pause := least(pause operator(pg_catalog.*) 2, 1);
    end loop;
end
$$;

/* ---- tables --------------------------------------------------------------------------------------------------- */

/*
 * The lists: newest admission first, each filter an equality ahead of the order. The run's admission stands for it among
 * all runs, its terminal event among those that ended like that: neither ever changes, so a run keeps its place.
 */
create index spine_events_list on pdpp.spine_events (event_type collate "C", admitted_at, run_id)
    where event_type collate "C" in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');
create index spine_events_list_by_connection
    on pdpp.spine_events (connector_instance_id, event_type collate "C", admitted_at, run_id)
    where event_type collate "C" in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');
create index spine_events_list_by_connector
    on pdpp.spine_events (actor_id collate "C", event_type collate "C", admitted_at, run_id)
    where event_type collate "C" in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');

/* What retention may remove, oldest first: neither the lifecycle nor what came after the ending. */
create index spine_events_prunable on pdpp.spine_events (recorded_at)
    where event_type not in ('run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled',
                             'run.abandoned', 'run.late_outcome');

/* How runs ended lately: what is counted again and again. */
create index spine_events_endings on pdpp.spine_events (recorded_at)
    where event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');

/* The list of active runs; one connection has at most one. */
create index controller_active_runs_list on pdpp.controller_active_runs (started_at, run_id);

/* ---- guards --------------------------------------------------------------------------------------------------- */

/* All but what pdpp_prune() takes. Replaced, not dropped, where the server can do it: dropping would have readers wait. */
do $$
begin
    if pg_catalog.current_setting('server_version_num')::integer operator(pg_catalog.>=) 140000 then
        execute 'create or replace trigger spine_events_no_delete before delete on pdpp.spine_events'
                ' for each row execute function pdpp.refuse_history_change()'; -- a syntax error before 14
    else
        create trigger spine_events_no_delete before delete on pdpp.spine_events
            for each row execute function pdpp.refuse_history_change();
    end if;
end
$$;

/* ---- reads ---------------------------------------------------------------------------------------------------- */

create function pdpp_run_list(
    status text default null,
    connector_id text default null,
    connector_instance_id text default null,
    since timestamptz default null,
    until timestamptz default null,
    page_size integer default 50,
    cursor text default null
) returns jsonb
    language c stable parallel safe security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text) is
    'one page of runs, newest admission first: each as pdpp_run_status prints it; next_cursor leads to the next page';

/*
 * The same as typed columns, for joins: the projection of extension/run/status.cpp in SQL, where the planner can see
 * through it. test/sql/runs.sql holds the two together. A role reads it with SELECT, and needs none on the tables.
 */
create view pdpp_runs as
select a.run_id,
       case e.event_type when 'run.completed' then 'completed' when 'run.failed' then 'failed'
                         when 'run.cancelled' then 'cancelled' when 'run.abandoned' then 'abandoned'
                         else 'active' end as status,
       coalesce(s.actor_id, e.actor_id, a.actor_id) as connector_id,
       coalesce(s.connector_instance_id, e.connector_instance_id, a.connector_instance_id) as connector_instance_id,
       coalesce(s.trace_id, e.trace_id, a.trace_id) as trace_id,
       a.admitted_at,
       case when s.run_id is not null then s.occurred_at when e.run_id is null then a.admitted_at end as started_at,
       e.occurred_at as completed_at,
       e.occurred_at - s.occurred_at as duration,
       case when e.run_id is null then f.cancel_requested_at end as cancel_requested_at,
       coalesce(case jsonb_typeof(e.data_json -> 'reason') when 'string' then nullif(e.data_json ->> 'reason', '') end,
                case jsonb_typeof(e.data_json -> 'failure_reason') when 'string'
                     then nullif(e.data_json ->> 'failure_reason', '') end) as terminal_reason,
       case when e.event_type in ('run.failed', 'run.abandoned') then
           coalesce(case jsonb_typeof(e.data_json -> 'failure_message') when 'string'
                         then nullif(e.data_json ->> 'failure_message', '') end,
                    case jsonb_typeof(e.data_json -> 'message') when 'string'
                         then nullif(e.data_json ->> 'message', '') end) end as failure_message,
       case when e.event_type in ('run.failed', 'run.abandoned')
                 and jsonb_typeof(e.data_json -> 'failure_origin') = 'string'
            then nullif(e.data_json ->> 'failure_origin', '') end as failure_origin,
       case when e.event_type in ('run.failed', 'run.abandoned')
                 and jsonb_typeof(e.data_json -> 'connector_error_message') = 'string'
            then nullif(e.data_json ->> 'connector_error_message', '') end as connector_error_message,
       e.data_json -> 'known_gaps' as known_gaps,
       e.data_json -> 'known_gaps_summary' as known_gaps_summary,
       f.run_generation
from pdpp.spine_events as a
left join pdpp.spine_events as s on s.run_id = a.run_id and s.event_type = 'run.started'
left join pdpp.spine_events as e on e.run_id = a.run_id
      and e.event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')
left join pdpp.controller_active_runs as f on f.run_id = a.run_id
where a.event_type collate "C" = 'run.admitted'; /* as spine_events_list has it */
comment on view pdpp_runs is 'every run, one row each, with the status that pdpp_run_status prints, as typed columns';
comment on column pdpp_runs.duration is 'from run.started to the ending; null while it is active, or if it never started';
comment on column pdpp_runs.run_generation is 'the generation of its connection; null once it has ended';

/* Volatile: it looks at the sessions that write, and then takes a snapshot that is later. */
create function pdpp_run_endings(since timestamptz default null) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_endings(timestamptz) is
    'how many runs ended how since then, and until when that is final: windows put together count each ending once';

/* ---- for operators -------------------------------------------------------------------------------------------- */

create function pdpp_prune(before timestamptz, batch_size integer default 1000) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_prune(timestamptz, integer) is
    'removes one batch of what runs that ended before then said between their lifecycle events; returns what is left';

revoke all on function
    pdpp.library_version(),
    pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text),
    pdpp_run_endings(timestamptz),
    pdpp_prune(timestamptz, integer)
from public;
