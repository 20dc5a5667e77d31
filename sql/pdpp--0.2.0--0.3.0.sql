\echo Use "ALTER EXTENSION pdpp UPDATE TO '0.3.0'" to load this file. \quit

/*
 * From 0.2.0 to 0.3.0: a run takes half as many bytes, may have a deadline, and may be repeated, and more is guarded against changes by
 * hand. Builds six indexes, which keeps writers waiting for as long. Readers wait at the end alone, for what takes milliseconds.
 */

/* The library comes with these scripts; one that is older lacks functions that they declare. */
do $$
begin
    if pg_catalog.string_to_array(pdpp.library_version(), '.')::integer[] operator(pg_catalog.<) array[0, 3, 0] then
        raise exception 'the installed library of pdpp is older than version 0.3.0 of the extension'
            using errcode = 'feature_not_supported',
                  hint = 'Install the library of this version, and start a new session (where it is preloaded, restart the server).';
    end if;
end
$$;

/*
 * Before anything else is done: all tables that writers lock, in their order (docs/design/locking.md), so that what is done then
 * waits for no writer. None of the locks is waited for for more than a moment: a transaction that holds a later table and wants an
 * earlier one has us let go, and so has one that keeps the first for long, behind which everybody else would wait for us. Then we
 * begin again, ever more seldom, for as long as the caller's lock_timeout allows. Within the moment we look for deadlocks, since it
 * is then that an autovacuum in the way is told to give way; we may be what a deadlock is broken by, which is the same to us.
 *
 * Readers go on, but for the end: columns are added there and indexes dropped, which waits for them, and they for it. So the first
 * time we see that nobody reads for long before we keep any writer waiting, by locks that are given back at once.
 */
create procedure pdpp.lock_tables(at_the_end boolean) language plpgsql as $$
declare
    given_timeout text := pg_catalog.current_setting('lock_timeout');
    given_deadlock_timeout text := pg_catalog.current_setting('deadlock_timeout');
    /* in milliseconds; 0 is for ever */
    patience double precision := (select s.setting::double precision from pg_catalog.pg_settings as s
                                  where s.name operator(pg_catalog.=) 'lock_timeout');
    began timestamptz := pg_catalog.clock_timestamp();
    pause double precision := 0.02;
    deadlocks integer := 0;
begin
    loop
        begin
            perform pg_catalog.set_config('lock_timeout', '100ms', true);
            perform pg_catalog.set_config('deadlock_timeout', '50ms', true);
            lock table pdpp.connections, pdpp.controller_boots, pdpp.idempotency_keys, pdpp.controller_active_runs, pdpp.spine_events
                in share row exclusive mode;
            begin
                lock table pdpp.connections, pdpp.controller_active_runs, pdpp.spine_events in access exclusive mode;
                alter view pdpp_runs reset (security_barrier); /* it has none: this locks the view, and not what it is made of */
                if not at_the_end then
                    raise exception sqlstate 'PDPP0'; /* gives them back */
                end if;
            exception when sqlstate 'PDPP0' then
                null;
            end;
            perform pg_catalog.set_config('lock_timeout', given_timeout, true);
            perform pg_catalog.set_config('deadlock_timeout', given_deadlock_timeout, true);
            exit;
        exception when lock_not_available or deadlock_detected then
            /*
             * At the end, somebody who has read may wait to write, for what we keep: then no attempt succeeds, and one of us has to
             * give up. We do. A reader alone is let go by what an attempt gives back.
             */
            if sqlstate operator(pg_catalog.=) '40P01' then
                deadlocks := deadlocks operator(pg_catalog.+) 1;
            end if;
            if at_the_end and deadlocks operator(pg_catalog.>) 5 then
                raise;
            end if;
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
call pdpp.lock_tables(at_the_end => false);

/* Our functions write version 1 alone. What somebody wrote by hand is kept for the end, where the column is another. */
do $$
begin
    perform pg_catalog.set_config('pdpp_upgrade.versions', (
        select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('run_id', e.run_id, 'event_seq', e.event_seq, 'version', e.version)),
                        '[]')::text
        from pdpp.spine_events as e where e.version operator(pg_catalog.<>) 1), true);
end
$$;

/* ---- tables --------------------------------------------------------------------------------------------------- */

/*
 * The lists: newest admission first, each filter an equality ahead of the order. The run's admission stands for it among
 * all runs, its terminal event among those that ended like that: neither ever changes, so a run keeps its place. Two
 * letters of the type tell them apart: ad, co, fa, ca, ab. Runs that were admitted at the same microsecond are put in
 * order when they are read.
 */
create index spine_events_list_new on pdpp.spine_events ((substr(event_type, 5, 2) collate "C"), admitted_at)
    where event_type in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');
create index spine_events_list_by_connection_new
    on pdpp.spine_events (connector_instance_id, (substr(event_type, 5, 2) collate "C"), admitted_at)
    where event_type in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');
create index spine_events_list_by_connector_new
    on pdpp.spine_events (actor_id collate "C", (substr(event_type, 5, 2) collate "C"), admitted_at)
    where event_type in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');

create unique index spine_events_lifecycle_new on pdpp.spine_events (
    run_id,
    (case event_type when 'run.admitted' then '1'::"char" when 'run.started' then '2' else '3' end)
) where event_type in ('run.admitted', 'run.started',
                       'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');

/* The runs that repeat another, by that one; a run that does not is none of its business. */
create index spine_events_retries on pdpp.spine_events (source_id collate "C", admitted_at, run_id)
    where source_kind = 'retried_run';

/* Retry keys: most events have none. */
create unique index spine_events_event_id_key_new on pdpp.spine_events (run_id, event_id) where event_id <> '';

comment on column pdpp.spine_events.event_id is
    'unique within its run: the writer''s retry key; empty if it brought none, and then known as evt_ run_id _ event_seq';
comment on column pdpp.spine_events.trace_id is 'null: as the run''s admission has it; the same of scenario_id, actor_id, connector_instance_id';
comment on column pdpp.spine_events.actor_type is 'null: runtime of a start, else connector';
comment on column pdpp.spine_events.object_type is 'null: run';
comment on column pdpp.spine_events.object_id is 'null with its type: the run''s';
comment on column pdpp.spine_events.source_kind is 'null with a source_id, a boot: controller; of an admission that repeats a run: retried_run, with that run';

/* ---- guards --------------------------------------------------------------------------------------------------- */

/*
 * What a run, a connection, a controller's life and a key are known by stays as our functions wrote it. A connection that
 * had runs keeps its row, and its generation is not lowered, since generations never restart; a boot that is not dead keeps
 * its row, since an owner that nobody knows counts as dead, and only the guard's verdict makes it so, once and for all; a key
 * keeps naming the run that it was used for. The other columns may be mended by hand, and rows may be written by hand: a
 * restore does that.
 */
create function pdpp.refuse_state_change() returns trigger
    language c as 'MODULE_PATHNAME', 'pdpp_refuse_state_change';
comment on function pdpp.refuse_state_change() is
    'trigger: what runs, connections, boots and keys are known by stays as the functions wrote it; raises guarded_state';

/* After: a trigger before an update has the server lock the row first, whatever it is an update of. */
create trigger controller_active_runs_identity
    after update of connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation
    on pdpp.controller_active_runs
    for each row execute function pdpp.refuse_state_change();

create trigger connections_no_delete before delete on pdpp.connections
    for each row when (old.run_generation > 0) execute function pdpp.refuse_state_change();
create trigger connections_no_truncate before truncate on pdpp.connections
    for each statement execute function pdpp.refuse_state_change();
create trigger connections_identity after update of connector_instance_id on pdpp.connections
    for each row execute function pdpp.refuse_state_change();
/* After: an admission's own update has nothing to do for it but to compare two numbers. */
create trigger connections_generation after update of run_generation on pdpp.connections
    for each row when (new.run_generation < old.run_generation)
    execute function pdpp.refuse_state_change('run_generation cannot be lowered');

create trigger controller_boots_no_delete before delete on pdpp.controller_boots
    for each row when (old.dead_at is null) execute function pdpp.refuse_state_change();
create trigger controller_boots_no_truncate before truncate on pdpp.controller_boots
    for each statement execute function pdpp.refuse_state_change();
create trigger controller_boots_identity after update of controller_id, seq, boot_epoch on pdpp.controller_boots
    for each row execute function pdpp.refuse_state_change();
create trigger controller_boots_verdict after update of dead_at on pdpp.controller_boots
    for each row when (new.dead_at is distinct from old.dead_at)
    execute function pdpp.refuse_state_change('dead_at is written by the guard alone');

create trigger idempotency_keys_no_change before update or delete on pdpp.idempotency_keys
    for each row execute function pdpp.refuse_state_change();
create trigger idempotency_keys_no_truncate before truncate on pdpp.idempotency_keys
    for each statement execute function pdpp.refuse_state_change();

revoke all on function pdpp.refuse_state_change() from public;

/* ---- deadlines ------------------------------------------------------------------------------------------------ */

/*
 * With more arguments they are other functions. Who may call the old ones may call the new ones: without that running
 * controllers would be refused until somebody calls pdpp_grant().
 */
do $$
begin
    perform pg_catalog.set_config('pdpp_upgrade.grants', (
        select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(g)), '[]')::text
        from (select p.proname, a.grantee, a.is_grantable
              from pg_catalog.pg_proc as p cross join pg_catalog.aclexplode(p.proacl) as a
              where p.oid operator(pg_catalog.=) any (array[
                        'pdpp_run_now(text, text, text, text, text, jsonb)'::regprocedure,
                        'pdpp_connection_run_now(text, text, text, text, jsonb)'::regprocedure,
                        'pdpp_connector_run_now(text, text, text, text, jsonb)'::regprocedure,
                        'pdpp_run_started(text, jsonb, text)'::regprocedure,
                        'pdpp_run_timeline(text, integer, text)'::regprocedure,
                        'pdpp_run_claim(text)'::regprocedure,
                        'pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text)'::regprocedure]::oid[])
                    and a.grantee operator(pg_catalog.<>) p.proowner) as g), true);
end
$$;

drop function pdpp_run_now(text, text, text, text, text, jsonb);
create function pdpp_run_now(
    connector_id text,
    connector_instance_id text default null,
    run_id text default null,
    idempotency_key text default null,
    trace_id text default null,
    data jsonb default '{}',
    timeout interval default null,
    retry_of text default null
) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_now(text, text, text, text, text, jsonb, interval, text) is
    'admits a run and hands its handle out: run.admitted and a flight row, in the caller''s transaction; returns the run_ack';

drop function pdpp_connection_run_now(text, text, text, text, jsonb);
create function pdpp_connection_run_now(
    connector_instance_id text default null,
    run_id text default null,
    idempotency_key text default null,
    trace_id text default null,
    data jsonb default '{}',
    timeout interval default null,
    retry_of text default null
) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_connection_run_now(text, text, text, text, jsonb, interval, text) is
    'pdpp_run_now for a connection on record, with its connector; connector_instance_not_found if there is none';

drop function pdpp_connector_run_now(text, text, text, text, jsonb);
create function pdpp_connector_run_now(
    connector_id text,
    run_id text default null,
    idempotency_key text default null,
    trace_id text default null,
    data jsonb default '{}',
    timeout interval default null,
    retry_of text default null
) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_connector_run_now(text, text, text, text, jsonb, interval, text) is
    'pdpp_run_now on the connector''s only offered connection, or the one named like it; ambiguous_connection if several are';

drop function pdpp_run_started(text, jsonb, text);
create function pdpp_run_started(
    run_id text,
    data jsonb default '{}',
    event_id text default null,
    timeout interval default null
) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_started(text, jsonb, text, interval) is
    'writes run.started, stamped with the session''s boot; returns the run_event';

drop function pdpp_run_timeline(text, integer, text);
create function pdpp_run_timeline(
    run_id text,
    page_size integer default 2000,
    cursor text default null,
    event_type text default null,
    newest_first boolean default false
) returns jsonb
    language c stable parallel safe security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_timeline(text, integer, text, text, boolean) is
    'one page of a run''s events in order, oldest or newest first; next_cursor resumes without a gap or a repeat';

drop function pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text);
create function pdpp_run_list(
    status text default null,
    connector_id text default null,
    connector_instance_id text default null,
    since timestamptz default null,
    until timestamptz default null,
    page_size integer default 50,
    cursor text default null,
    retry_of text default null
) returns jsonb
    language c stable parallel safe security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set enable_incremental_sort = on set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text, text) is
    'one page of runs, newest admission first: each as pdpp_run_status prints it; next_cursor leads to the next page';

create function pdpp_run_extend(run_id text, timeout interval) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_extend(text, interval) is
    'gives a run that has a deadline at least so much time from now on; returns the run_status';

comment on function pdpp_controller_offer(jsonb) is
    'says what this boot can launch: an array of {connector_instance_id, connector_id, timeout_seconds}';

revoke all on function
    pdpp_run_now(text, text, text, text, text, jsonb, interval, text),
    pdpp_connection_run_now(text, text, text, text, jsonb, interval, text),
    pdpp_connector_run_now(text, text, text, text, jsonb, interval, text),
    pdpp_run_started(text, jsonb, text, interval),
    pdpp_run_timeline(text, integer, text, text, boolean),
    pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text, text),
    pdpp_run_extend(text, interval)
from public;

/* Beside the one that was: it is granted to whoever has that. */
create function pdpp_run_claim(max integer) returns setof jsonb
    language c volatile security definer rows 10 set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_sort = off
    as 'MODULE_PATHNAME', 'pdpp_run_claim_several';
comment on function pdpp_run_claim(integer) is
    'takes up to so many admitted, unclaimed runs of connections this boot offers, oldest first: a row for each';
revoke all on function pdpp_run_claim(integer) from public;

/*
 * What is granted here would count as something that the extension brings along, which no dump holds: after a restore it
 * would be gone. So what the server notes of that is taken back.
 */
do $$
declare
    replaced oid[] := array['pdpp_run_now(text, text, text, text, text, jsonb, interval, text)'::regprocedure,
                            'pdpp_connection_run_now(text, text, text, text, jsonb, interval, text)'::regprocedure,
                            'pdpp_connector_run_now(text, text, text, text, jsonb, interval, text)'::regprocedure,
                            'pdpp_run_started(text, jsonb, text, interval)'::regprocedure,
                            'pdpp_run_timeline(text, integer, text, text, boolean)'::regprocedure,
                            'pdpp_run_claim(integer)'::regprocedure,
                            'pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text, text)'::regprocedure]::oid[];
    granted record;
begin
    for granted in
        select p.oid::regprocedure as function, g.grantee, g.is_grantable
        from pg_catalog.jsonb_to_recordset(pg_catalog.current_setting('pdpp_upgrade.grants')::jsonb)
                 as g(proname name, grantee oid, is_grantable boolean)
        join pg_catalog.pg_proc as p on p.proname operator(pg_catalog.=) g.proname
        where p.oid operator(pg_catalog.=) any (replaced)
    loop
        execute pg_catalog.format('grant execute on function %s to %s', granted.function,
                                  case when granted.grantee operator(pg_catalog.=) 0 then 'public'
                                       else granted.grantee::regrole::text end)
                operator(pg_catalog.||) case when granted.is_grantable then ' with grant option' else '' end;
    end loop;
    update pg_catalog.pg_init_privs as i
    set initprivs = array(select each
                          from pg_catalog.unnest(i.initprivs) as each cross join pg_catalog.aclexplode(array[each]) as a
                          where a.grantee operator(pg_catalog.=) p.proowner)
    from pg_catalog.pg_proc as p
    where i.classoid operator(pg_catalog.=) 'pg_catalog.pg_proc'::regclass and i.objoid operator(pg_catalog.=) p.oid
          and p.oid operator(pg_catalog.=) any (replaced);
    delete from pg_catalog.pg_shdepend as d
    where d.dbid operator(pg_catalog.=) (select b.oid from pg_catalog.pg_database as b
                                         where b.datname operator(pg_catalog.=) pg_catalog.current_database())
          and d.classid operator(pg_catalog.=) 'pg_catalog.pg_proc'::regclass and d.objid operator(pg_catalog.=) any (replaced)
          and d.deptype operator(pg_catalog.=) 'i';
end
$$;

/* ---- reads ---------------------------------------------------------------------------------------------------- */

create function pdpp_run_key(run_id text) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME';
comment on function pdpp_run_key(text) is
    'what NOTIFY pdpp_run carries for a run: the first 16 hex digits of the SHA-256 of its id';

/* Neither SECURITY DEFINER nor with settings of its own: a procedure that is could not end its transaction. */
create procedure pdpp_run_wait(run_id text, timeout interval default '30s', inout status jsonb default null)
    language c
    as 'MODULE_PATHNAME';
comment on procedure pdpp_run_wait(text, interval, jsonb) is
    'waits for the end of a run, with no snapshot and no lock meanwhile; gives the run_status at its end, or at the timeout';

create function pdpp_connection_list(
    connector_id text default null,
    connector_instance_id text default null,
    offered boolean default null,
    active boolean default null,
    page_size integer default 50,
    cursor text default null
) returns jsonb
    language c stable parallel safe security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_connection_list(text, text, boolean, boolean, integer, text) is
    'one page of the connections on record, by id: who offers to launch each, and its active run; next_cursor leads to the next page';

revoke all on function pdpp_run_key(text), pdpp_connection_list(text, text, boolean, boolean, integer, text) from public;
revoke all on procedure pdpp_run_wait(text, interval, jsonb) from public;

/* ---- moving in ------------------------------------------------------------------------------------------------ */

create function pdpp_run_import(runs jsonb) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_import(jsonb) is
    'writes down what another server recorded of runs, as much of it as is not here yet; returns what became of each';

/* Those are few, and lie beside one another in the index: their ids begin with it. */
create function pdpp_runs_beside(run_id text) returns setof text
    language sql stable strict parallel safe security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set jit = off
    as $$
    select a.run_id from pdpp.spine_events as a
    where a.run_id > $1 || '~' and a.run_id < $1 || chr(127) and a.event_type = 'run.admitted'
    and a.source_kind = 'import' and a.data_json ->> 'shared_run_id' = $1
    order by a.run_id $$;
comment on function pdpp_runs_beside(text) is
    'the ids of imported runs that were given one beside another run, which has the id that they shared';

revoke all on function pdpp_run_import(jsonb), pdpp_runs_beside(text) from public;

/* ---- for operators -------------------------------------------------------------------------------------------- */

comment on function pdpp_grant(regrole, text) is
    'grants a role EXECUTE on what an owner (read, start, cancel), a controller (and launch, append, settle) or an importer (read, import) calls';

/* It compares the tables with what it expects, as the server prints them. */
alter function pdpp_check() set quote_all_identifiers = off;

/* ---- tables, at the end --------------------------------------------------------------------------------------- */

call pdpp.lock_tables(at_the_end => true);
drop procedure pdpp.lock_tables(boolean);
alter table pdpp.connections add column run_timeout interval;
comment on column pdpp.connections.run_timeout is 'how long its runs may take; null if whoever offers it has not said';
alter table pdpp.controller_active_runs add column deadline_at timestamptz, add column deadline_set_at timestamptz,
    add column offered_by uuid;
comment on column pdpp.controller_active_runs.deadline_at is 'the run must have ended by then; null if it may take as long as it takes';
comment on column pdpp.controller_active_runs.deadline_set_at is 'when it was given the time until then: what counts is how much of that has passed';

/* The projection of extension/run/status.cpp, with more columns at its end. */
create or replace view pdpp_runs as
select a.run_id,
       case e.event_type when 'run.completed' then 'completed' when 'run.failed' then 'failed'
                         when 'run.cancelled' then 'cancelled' when 'run.abandoned' then 'abandoned'
                         else 'active' end as status,
       coalesce(s.actor_id, e.actor_id, a.actor_id,
                (select d.data_json #>> '{source,id}'
                 from (values (1, s.data_json), (2, e.data_json), (3, a.data_json)) as d(place, data_json)
                 where jsonb_typeof(d.data_json #> '{source,id}') = 'string' and d.data_json #>> '{source,id}' <> ''
                 order by d.place limit 1)) as connector_id,
       coalesce(s.connector_instance_id, e.connector_instance_id, a.connector_instance_id) as connector_instance_id,
       coalesce(s.trace_id, case when s.run_id is not null then a.trace_id end, e.trace_id, a.trace_id) as trace_id,
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
       f.run_generation,
       case when e.run_id is null then f.deadline_at end as deadline_at,
       case when a.source_kind = 'retried_run' then a.source_id end as retry_of,
       case when e.run_id is not null then
           (select r.run_id from pdpp.spine_events as r
            where r.source_kind = 'retried_run' and r.source_id collate "C" = a.run_id and r.event_type = 'run.admitted'
            order by r.admitted_at desc, r.run_id desc limit 1) end as retried_by
from pdpp.spine_events as a
left join pdpp.spine_events as s on s.run_id = a.run_id and s.event_type = 'run.started'
left join pdpp.spine_events as e on e.run_id = a.run_id
      and e.event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')
left join pdpp.controller_active_runs as f on f.run_id = a.run_id
where a.event_type = 'run.admitted' and substr(a.event_type, 5, 2) collate "C" = 'ad'; /* as spine_events_list has it */
comment on column pdpp_runs.deadline_at is 'when it has to have ended; null once it has, or if it may take as long as it takes';
comment on column pdpp_runs.retry_of is 'the run that it repeats';
comment on column pdpp_runs.retried_by is 'the newest of the runs that repeat it';

/* Another column and not another type, which would have every row written anew. */
alter table pdpp.spine_events drop column version, add column version text;
comment on column pdpp.spine_events.version is 'null: 1; another word is that of the server which the event was imported from';
do $$
begin
    if pg_catalog.current_setting('pdpp_upgrade.versions') operator(pg_catalog.<>) '[]' then
        alter table pdpp.spine_events disable trigger spine_events_no_update;
        update pdpp.spine_events as e set version = v.version
        from pg_catalog.jsonb_to_recordset(pg_catalog.current_setting('pdpp_upgrade.versions')::jsonb)
                 as v(run_id text, event_seq bigint, version text)
        where e.run_id operator(pg_catalog.=) v.run_id and e.event_seq operator(pg_catalog.=) v.event_seq;
        alter table pdpp.spine_events enable trigger spine_events_no_update;
    end if;
end
$$;

alter table pdpp.spine_events drop constraint spine_events_event_id_key;
alter index pdpp.spine_events_event_id_key_new rename to spine_events_event_id_key;
drop index pdpp.spine_events_lifecycle, pdpp.spine_events_list, pdpp.spine_events_list_by_connection,
    pdpp.spine_events_list_by_connector, pdpp.controller_active_runs_unclaimed, pdpp.controller_active_runs_list;
alter index pdpp.spine_events_lifecycle_new rename to spine_events_lifecycle;
comment on index pdpp.spine_events_lifecycle is 'one event for each phase of a run, and the lookup of its status';
alter index pdpp.spine_events_list_new rename to spine_events_list;
alter index pdpp.spine_events_list_by_connection_new rename to spine_events_list_by_connection;
alter index pdpp.spine_events_list_by_connector_new rename to spine_events_list_by_connector;

/* Few rows: those of runs in flight. */
comment on column pdpp.controller_active_runs.offered_by is
    'the boot that offers its connection, as of the admission or, while it waits, the last offer; what a claim looks by';
update pdpp.controller_active_runs as f set offered_by = c.boot_epoch from pdpp.connections as c
where c.connector_instance_id = f.connector_instance_id and f.boot_epoch is null and c.boot_epoch is not null;
create index controller_active_runs_offered on pdpp.controller_active_runs (offered_by, started_at)
    where offered_by is not null;
alter table pdpp.controller_active_runs set (fillfactor = 30);
create index controller_active_runs_list on pdpp.controller_active_runs (started_at);

/* Room for the next version of a row; with more, each update would prune its page. */
alter table pdpp.connections set (fillfactor = 90);

/* The lists of connections: as many rows as there are of those. */
create index connections_by_connector on pdpp.connections (connector_id, connector_instance_id);
create index connections_by_boot on pdpp.connections (boot_epoch, connector_instance_id);
