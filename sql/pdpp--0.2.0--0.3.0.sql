\echo Use "ALTER EXTENSION pdpp UPDATE TO '0.3.0'" to load this file. \quit

/*
 * From 0.2.0 to 0.3.0: more is guarded against changes by hand. Nothing is built: once it has its locks it takes milliseconds, and
 * until its transaction ends writers wait.
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
 * All tables that writers lock, in their order (docs/design/locking.md), before anything else is done: what is done then waits for
 * nobody. None of the locks is waited for for more than a moment: a transaction that holds a later table and wants an earlier
 * one has us let go, and so has one that keeps the first for long, behind which everybody else would wait for us. Then we begin
 * again, ever more seldom, for as long as the caller's lock_timeout allows. Within the moment we look for deadlocks, since it is
 * then that an autovacuum in the way is told to give way; we may be what a deadlock is broken by, which is the same to us. Readers go on meanwhile.
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

create trigger controller_active_runs_identity
    before update of connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation
    on pdpp.controller_active_runs
    for each row execute function pdpp.refuse_state_change();

create trigger connections_no_delete before delete on pdpp.connections
    for each row when (old.run_generation > 0) execute function pdpp.refuse_state_change();
create trigger connections_no_truncate before truncate on pdpp.connections
    for each statement execute function pdpp.refuse_state_change();
create trigger connections_identity before update of connector_instance_id on pdpp.connections
    for each row execute function pdpp.refuse_state_change();
/* After: an admission's own update has nothing to do for it but to compare two numbers. */
create trigger connections_generation after update of run_generation on pdpp.connections
    for each row when (new.run_generation < old.run_generation)
    execute function pdpp.refuse_state_change('run_generation cannot be lowered');

create trigger controller_boots_no_delete before delete on pdpp.controller_boots
    for each row when (old.dead_at is null) execute function pdpp.refuse_state_change();
create trigger controller_boots_no_truncate before truncate on pdpp.controller_boots
    for each statement execute function pdpp.refuse_state_change();
create trigger controller_boots_identity before update of controller_id, seq, boot_epoch on pdpp.controller_boots
    for each row execute function pdpp.refuse_state_change();
create trigger controller_boots_verdict after update of dead_at on pdpp.controller_boots
    for each row when (new.dead_at is distinct from old.dead_at)
    execute function pdpp.refuse_state_change('dead_at is written by the guard alone');

create trigger idempotency_keys_no_change before update or delete on pdpp.idempotency_keys
    for each row execute function pdpp.refuse_state_change();
create trigger idempotency_keys_no_truncate before truncate on pdpp.idempotency_keys
    for each statement execute function pdpp.refuse_state_change();

revoke all on function pdpp.refuse_state_change() from public;

/* ---- for operators -------------------------------------------------------------------------------------------- */

/* It compares the tables with what it expects, as the server prints them. */
alter function pdpp_check() set quote_all_identifiers = off;
