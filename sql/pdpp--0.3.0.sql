\echo Use "CREATE EXTENSION pdpp" to load this file. \quit

/*
 * pdpp 0.3.0: the tables, the guards on them, and the SQL API.
 *
 * The tables live in the schema pdpp; the functions go to the extension's own schema. PUBLIC has no privilege on
 * anything here: a role gets EXECUTE through pdpp_grant(role, kind), and no role needs a table privilege. Writers, the
 * timeline and the list are SECURITY DEFINER with a fixed search_path; the status functions scan the tables themselves
 * and are guarded by EXECUTE alone.
 */

/* Links percent-encode UTF-8, bodies are JSON, and ids are bounded in bytes: one encoding makes all three plain. */
do $$
begin
    if pg_catalog.current_setting('server_encoding') operator(pg_catalog.<>) 'UTF8' then
        raise exception 'pdpp needs a database with encoding UTF8, not %', pg_catalog.current_setting('server_encoding')
            using hint = 'Create one with: create database NAME encoding ''UTF8'' template template0';
    end if;
end
$$;

create schema pdpp;
revoke all on schema pdpp from public;
comment on schema pdpp is 'tables of the extension pdpp; the API is its functions';

/* The library comes with these scripts; one that is older lacks functions that they declare. */
do $$
begin
    create function pdpp.library_version() returns text language c immutable strict parallel safe
        as 'MODULE_PATHNAME', 'pdpp_library_version';
    if pg_catalog.string_to_array(pdpp.library_version(), '.')::integer[] operator(pg_catalog.<) array[0, 3, 0] then
        raise undefined_function;
    end if;
exception when undefined_function then
    raise exception 'the installed library of pdpp is older than version 0.3.0 of the extension'
        using errcode = 'feature_not_supported',
              hint = 'Install the library of this version, and start a new session (where it is preloaded, restart the server).';
end
$$;
comment on function pdpp.library_version() is 'the version of the library that this session has loaded';

/*
 * Ids are compared as bytes (collate "C"): an index over them does not depend on a collation library, whose next version
 * may sort otherwise, and a handle has to resolve for ever.
 */

/* ---- tables --------------------------------------------------------------------------------------------------- */

create table pdpp.spine_events (
    run_id                text collate "C" not null,
    event_seq             bigint           not null check (event_seq > 0),
    event_id              text collate "C" not null,
    event_type            text             not null,
    occurred_at           timestamptz      not null,
    recorded_at           timestamptz      not null,
    admitted_at           timestamptz,
    trace_id              text,
    scenario_id           text,
    actor_type            text,
    actor_id              text,
    subject_type          text,
    subject_id            text,
    object_type           text,
    object_id             text,
    status                text,
    request_id            text,
    grant_id              text,
    source_kind           text,
    source_id             text,
    client_id             text,
    stream_id             text,
    token_id              text,
    interaction_id        text,
    connector_instance_id text collate "C",
    data_json             jsonb            not null default '{}' check (jsonb_typeof(data_json) = 'object'),
    version               text,
    constraint spine_events_pkey primary key (run_id, event_seq)
);

/* Retry keys: most events have none. */
create unique index spine_events_event_id_key on pdpp.spine_events (run_id, event_id) where event_id <> '';

/*
 * The lifecycle index: at most one admission (1), one start (2) and one ending (3) for a run, whatever writes, and the
 * bounded lookup of a status: at most three entries, however long the run and however large the spine. The domain
 * knows the same list of types (extension/run/event.hpp); test/sql/schema.sql holds the two together.
 */
create unique index spine_events_lifecycle on pdpp.spine_events (
    run_id,
    (case event_type when 'run.admitted' then '1'::"char" when 'run.started' then '2' else '3' end)
) where event_type in ('run.admitted', 'run.started',
                       'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');

/*
 * The lists: newest admission first, each filter an equality ahead of the order. The run's admission stands for it among
 * all runs, its terminal event among those that ended like that: neither ever changes, so a run keeps its place. Two
 * letters of the type tell them apart: ad, co, fa, ca, ab. Runs that were admitted at the same microsecond are put in
 * order when they are read.
 */
create index spine_events_list on pdpp.spine_events ((substr(event_type, 5, 2) collate "C"), admitted_at)
    where event_type in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');
create index spine_events_list_by_connection
    on pdpp.spine_events (connector_instance_id, (substr(event_type, 5, 2) collate "C"), admitted_at)
    where event_type in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');
create index spine_events_list_by_connector
    on pdpp.spine_events (actor_id collate "C", (substr(event_type, 5, 2) collate "C"), admitted_at)
    where event_type in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');

/* What retention may remove, oldest first: neither the lifecycle nor what came after the ending. */
create index spine_events_prunable on pdpp.spine_events (recorded_at)
    where event_type not in ('run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled',
                             'run.abandoned', 'run.late_outcome');

/* How runs ended lately: what is counted again and again. */
create index spine_events_endings on pdpp.spine_events (recorded_at)
    where event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');

/* The runs that repeat another, by that one; a run that does not is none of its business. */
create index spine_events_retries on pdpp.spine_events (source_id collate "C", admitted_at, run_id)
    where source_kind = 'retried_run';

comment on table pdpp.spine_events is 'the append-only log of everything that happened to runs: the only truth about what happened';
comment on column pdpp.spine_events.event_seq is '1, 2, 3… within a run, gap-free, in commit order';
comment on column pdpp.spine_events.event_id is
    'unique within its run: the writer''s retry key; empty if it brought none, and then known as evt_ run_id _ event_seq';
comment on column pdpp.spine_events.trace_id is 'null: as the run''s admission has it; the same of scenario_id, actor_id, connector_instance_id';
comment on column pdpp.spine_events.actor_type is 'null: runtime of a start, else connector';
comment on column pdpp.spine_events.object_type is 'null: run';
comment on column pdpp.spine_events.object_id is 'null with its type: the run''s';
comment on column pdpp.spine_events.source_kind is 'null with a source_id, a boot: controller; of an admission that repeats a run: retried_run, with that run';
comment on column pdpp.spine_events.version is 'null: 1; another word is that of the server which the event was imported from';
comment on column pdpp.spine_events.admitted_at is 'on lifecycle events: when the run was admitted';
comment on column pdpp.spine_events.status is 'on lifecycle events: the run''s status from this event on';
comment on index pdpp.spine_events_lifecycle is 'one event for each phase of a run, and the lookup of its status';

create table pdpp.connections (
    connector_instance_id text collate "C" not null,
    connector_id          text collate "C" not null,
    run_generation        bigint           not null default 0,
    boot_epoch            uuid,
    run_timeout           interval,
    constraint connections_pkey primary key (connector_instance_id)
) with (fillfactor = 90); /* room for the next version of a row; with more, each update would prune its page */
/* What a connector's run takes its connection from. */
create index connections_offered on pdpp.connections (connector_id, connector_instance_id) where boot_epoch is not null;
/* The lists of a connector's connections, and of those that a boot offers. An admission changes none of these columns. */
create index connections_by_connector on pdpp.connections (connector_id, connector_instance_id);
create index connections_by_boot on pdpp.connections (boot_epoch, connector_instance_id);

comment on table pdpp.connections is 'one row for each connection; its row lock serialises admissions';
comment on column pdpp.connections.run_generation is 'rises with each admission, never restarts';
comment on column pdpp.connections.boot_epoch is 'the boot that offers to launch it; null if none ever did';
comment on column pdpp.connections.run_timeout is 'how long its runs may take; null if whoever offers it has not said';

create table pdpp.controller_active_runs (
    connector_instance_id text collate "C" not null,
    connector_id          text collate "C" not null,
    run_id                text collate "C" not null,
    trace_id              text             not null,
    scenario_id           text,
    started_at            timestamptz      not null,
    run_generation        bigint           not null,
    boot_epoch            uuid,
    launch_deadline       timestamptz,
    cancel_requested_at   timestamptz,
    cancel_requested_by   text,
    deadline_at           timestamptz,
    deadline_set_at       timestamptz,
    offered_by            uuid,
    constraint controller_active_runs_pkey primary key (connector_instance_id),
    constraint controller_active_runs_run_id_key unique (run_id)
) with (fillfactor = 30); /* room for the versions of an offer, a claim and a start */
/* What a claim takes from, oldest first. A run that is claimed stays in it, so that a claim need not write into any index. */
create index controller_active_runs_offered on pdpp.controller_active_runs (offered_by, started_at)
    where offered_by is not null;
/* The list of active runs; one connection has at most one. */
create index controller_active_runs_list on pdpp.controller_active_runs (started_at);

comment on table pdpp.controller_active_runs is 'flight state: one row for each run that has not settled';
comment on column pdpp.controller_active_runs.started_at is 'when the run was admitted';
comment on column pdpp.controller_active_runs.boot_epoch is 'the boot that owns the run; null until claimed or started by a boot';
comment on column pdpp.controller_active_runs.offered_by is
    'the boot that offers its connection, as of the admission or, while it waits, the last offer; what a claim looks by';
comment on column pdpp.controller_active_runs.launch_deadline is 'run.started must stand by then; null once it does';
comment on column pdpp.controller_active_runs.deadline_at is 'the run must have ended by then; null if it may take as long as it takes';
comment on column pdpp.controller_active_runs.deadline_set_at is 'when it was given the time until then: what counts is how much of that has passed';

create table pdpp.controller_boots (
    controller_id text collate "C" not null,
    seq           bigint           not null,
    boot_epoch    uuid             not null,
    booted_at     timestamptz      not null,
    lost_at       timestamptz,
    dead_at       timestamptz,
    constraint controller_boots_pkey primary key (controller_id, seq),
    constraint controller_boots_boot_epoch_key unique (boot_epoch)
);
/* What a pass of the guard probes: every life leaves a row, and few of them live. */
create index controller_boots_not_dead on pdpp.controller_boots (controller_id, seq) where dead_at is null;

comment on table pdpp.controller_boots is 'each life of a controller; alive while its session holds its lock';
comment on column pdpp.controller_boots.lost_at is 'when its session was first seen gone; null again once it is back';
comment on column pdpp.controller_boots.dead_at is 'when its grace was over: it cannot be rejoined, and its runs are ended';

create table pdpp.idempotency_keys (
    key        text collate "C" not null,
    run_id     text collate "C" not null,
    digest     bytea            not null,
    created_at timestamptz      not null,
    constraint idempotency_keys_pkey primary key (key)
);
comment on table pdpp.idempotency_keys is 'admissions that may be repeated: the key, the run it was given, and what was asked';
comment on column pdpp.idempotency_keys.digest is 'SHA-256 of the caller''s own arguments';

revoke all on all tables in schema pdpp from public;

/* All data is part of a dump. */
select pg_catalog.pg_extension_config_dump('pdpp.spine_events', '');
select pg_catalog.pg_extension_config_dump('pdpp.connections', '');
select pg_catalog.pg_extension_config_dump('pdpp.controller_active_runs', '');
select pg_catalog.pg_extension_config_dump('pdpp.controller_boots', '');
select pg_catalog.pg_extension_config_dump('pdpp.idempotency_keys', '');

/* ---- guards: against mistakes, superusers' too ---------------------------------------------------------------- */

create function pdpp.refuse_history_change() returns trigger
    language c as 'MODULE_PATHNAME', 'pdpp_refuse_history_change';
comment on function pdpp.refuse_history_change() is
    'trigger: history is append-only; raises append_only';

create function pdpp.refuse_unsettled_removal() returns trigger
    language c as 'MODULE_PATHNAME', 'pdpp_refuse_unsettled_removal';
comment on function pdpp.refuse_unsettled_removal() is
    'trigger: flight state goes only with the terminal event of its run; raises run_not_settled';

create trigger spine_events_no_update before update on pdpp.spine_events
    for each row execute function pdpp.refuse_history_change();

/* All but what pdpp_prune() takes. */
create trigger spine_events_no_delete before delete on pdpp.spine_events
    for each row execute function pdpp.refuse_history_change();

create trigger spine_events_no_truncate before truncate on pdpp.spine_events
    for each statement execute function pdpp.refuse_history_change();

/* After the statement, so that one statement may write the terminal event and remove the row. */
create trigger controller_active_runs_settled after delete on pdpp.controller_active_runs
    for each row execute function pdpp.refuse_unsettled_removal();

create trigger controller_active_runs_no_truncate before truncate on pdpp.controller_active_runs
    for each statement execute function pdpp.refuse_unsettled_removal();

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

/*
 * Writers and the timeline plan with enable_seqscan off: a plan that a session made and kept while a table was small must
 * not walk it once it is large. All of their statements have an index to go by. A page of the timeline must not read and
 * sort its whole run either, nor a claim the whole queue, nor a list all runs (whose estimated number would also have its
 * plan compiled).
 */

/* ---- admission ------------------------------------------------------------------------------------------------ */

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

create function pdpp_run_cancel(run_id text, requested_by text default null) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_cancel(text, text) is
    'asks for the end of a run; one that no live boot owns ends as cancelled at once; returns the run_cancel_ack';

/* ---- controllers ---------------------------------------------------------------------------------------------- */

create function pdpp_controller_boot(controller_id text) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_controller_boot(text) is
    'begins a new life of a controller, alive for as long as this session; settles what its dead boots left';

create function pdpp_controller_rejoin(boot_epoch uuid) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_controller_rejoin(uuid) is
    'takes up a boot whose session was lost: from now on this session is its proof of life';

create function pdpp_controller_offer(connections jsonb) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_controller_offer(jsonb) is
    'says what this boot can launch: an array of {connector_instance_id, connector_id, timeout_seconds}';

create function pdpp_run_claim(run_id text default null) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_claim(text) is
    'takes one admitted, unclaimed run of a connection this boot offers, or the one named; null if there is none';

create function pdpp_run_claim(max integer) returns setof jsonb
    language c volatile security definer rows 10 set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_sort = off
    as 'MODULE_PATHNAME', 'pdpp_run_claim_several';
comment on function pdpp_run_claim(integer) is
    'takes up to so many admitted, unclaimed runs of connections this boot offers, oldest first: a row for each';

/* ---- the life of a run ---------------------------------------------------------------------------------------- */

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

create function pdpp_run_event(run_id text, event_type text, data jsonb default '{}', event_id text default null)
    returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_event(text, text, jsonb, text) is
    'appends any event but the lifecycle''s; returns the run_event';

create function pdpp_run_extend(run_id text, timeout interval) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_extend(text, interval) is
    'gives a run that has a deadline at least so much time from now on; returns the run_status';

create function pdpp_run_settle(run_id text, outcome text, data jsonb default '{}', event_id text default null)
    returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_settle(text, text, jsonb, text) is
    'ends a run as completed, failed, cancelled or abandoned; returns the standing run_status with "settled"';

create function pdpp_run_launch_failed(run_id text, message text) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_launch_failed(text, text) is
    'the catch path of a launcher: ends a run as launch_failed unless it has ended; returns the standing run_status';

create function pdpp_run_fence(run_id text) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_fence(text) is
    'asserts that a run is active, and keeps it so until the caller''s transaction ends; raises run_superseded';

create function pdpp_reconcile() returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as 'MODULE_PATHNAME';
comment on function pdpp_reconcile() is
    'one pass of the launch guard over every run in flight; returns counts by kind';

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

/* ---- reads ---------------------------------------------------------------------------------------------------- */

create function pdpp_run_status(run_id text) returns jsonb
    language c stable strict parallel safe
    as 'MODULE_PATHNAME';
comment on function pdpp_run_status(text) is
    'the run_status of a handle, or the not_found envelope; never raises for an unknown id';

create function pdpp_run_statuses(run_ids text[])
    returns table(ordinal integer, run_id text, http_status integer, body jsonb)
    language c stable strict parallel safe rows 100
    as 'MODULE_PATHNAME';
comment on function pdpp_run_statuses(text[]) is
    'the status of many handles: one row for each array element, in order';

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

/*
 * The same as typed columns, for joins: the projection of extension/run/status.cpp in SQL, where the planner can see
 * through it. test/sql/runs.sql holds the two together. A role reads it with SELECT, and needs none on the tables.
 */
create view pdpp_runs as
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
comment on view pdpp_runs is 'every run, one row each, with the status that pdpp_run_status prints, as typed columns';
comment on column pdpp_runs.duration is 'from run.started to the ending; null while it is active, or if it never started';
comment on column pdpp_runs.run_generation is 'the generation of its connection; null once it has ended';
comment on column pdpp_runs.deadline_at is 'when it has to have ended; null once it has, or if it may take as long as it takes';
comment on column pdpp_runs.retry_of is 'the run that it repeats';
comment on column pdpp_runs.retried_by is 'the newest of the runs that repeat it';

/* Volatile: it looks at the sessions that write, and then takes a snapshot that is later. */
create function pdpp_run_endings(since timestamptz default null) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_run_endings(timestamptz) is
    'how many runs ended how since then, and until when that is final: windows put together count each ending once';

/* ---- for operators -------------------------------------------------------------------------------------------- */

/* It reads the tables whole, so it plans as it likes. */
create function pdpp_check() returns table(invariant text, run_id text, detail text)
    language c stable security definer rows 10 set search_path = pg_catalog, pg_temp set quote_all_identifiers = off
    as 'MODULE_PATHNAME';
comment on function pdpp_check() is
    'what must hold for every run and does not: a row for each violation, none when all is well; reads the whole history';

create function pdpp_prune(before timestamptz, batch_size integer default 1000) returns jsonb
    language c volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    set enable_bitmapscan = off set enable_sort = off set jit = off
    as 'MODULE_PATHNAME';
comment on function pdpp_prune(timestamptz, integer) is
    'removes one batch of what runs that ended before then said between their lifecycle events; returns what is left';

/* ---- privileges ----------------------------------------------------------------------------------------------- */

create function pdpp_grant(role regrole, kind text) returns void
    language c volatile set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME';
comment on function pdpp_grant(regrole, text) is
    'grants a role EXECUTE on what an owner (read, start, cancel), a controller (and launch, append, settle) or an importer (read, import) calls';

revoke all on function
    pdpp.library_version(),
    pdpp.refuse_history_change(),
    pdpp.refuse_unsettled_removal(),
    pdpp.refuse_state_change(),
    pdpp_run_now(text, text, text, text, text, jsonb, interval, text),
    pdpp_connection_run_now(text, text, text, text, jsonb, interval, text),
    pdpp_connector_run_now(text, text, text, text, jsonb, interval, text),
    pdpp_run_cancel(text, text),
    pdpp_controller_boot(text),
    pdpp_controller_rejoin(uuid),
    pdpp_controller_offer(jsonb),
    pdpp_run_claim(text),
    pdpp_run_claim(integer),
    pdpp_run_started(text, jsonb, text, interval),
    pdpp_run_event(text, text, jsonb, text),
    pdpp_run_extend(text, interval),
    pdpp_run_settle(text, text, jsonb, text),
    pdpp_run_launch_failed(text, text),
    pdpp_run_fence(text),
    pdpp_reconcile(),
    pdpp_run_import(jsonb),
    pdpp_runs_beside(text),
    pdpp_check(),
    pdpp_prune(timestamptz, integer),
    pdpp_run_status(text),
    pdpp_run_statuses(text[]),
    pdpp_run_key(text),
    pdpp_run_timeline(text, integer, text, text, boolean),
    pdpp_run_list(text, text, text, timestamptz, timestamptz, integer, text, text),
    pdpp_connection_list(text, text, boolean, boolean, integer, text),
    pdpp_run_endings(timestamptz),
    pdpp_grant(regrole, text)
from public;
revoke all on procedure pdpp_run_wait(text, interval, jsonb) from public;
