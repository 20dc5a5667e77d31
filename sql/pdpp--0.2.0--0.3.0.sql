\echo Use "ALTER EXTENSION pdpp UPDATE TO '0.3.0'" to load this file. \quit

/*
 * From 0.2.0 to 0.3.0: more is guarded against changes by hand. Nothing is built, so nobody waits for long.
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
 * All tables that writers lock, in their order (docs/design/locking.md), before anything else is done: nobody waits for a build
 * with a lock in hand that we want. A transaction that holds a later table and wants an earlier one has us let go after a moment,
 * so it is never the victim of a deadlock, nor are we. Readers do not wait.
 */
do $$
declare
    given_timeout text := pg_catalog.current_setting('lock_timeout');
    is_first_locked boolean;
begin
    loop
        is_first_locked := false;
        begin
            lock table pdpp.connections in share row exclusive mode;
            is_first_locked := true;
            perform pg_catalog.set_config('lock_timeout', '100ms', true);
            lock table pdpp.controller_boots, pdpp.idempotency_keys, pdpp.controller_active_runs, pdpp.spine_events
                in share row exclusive mode;
            perform pg_catalog.set_config('lock_timeout', given_timeout, true);
            exit;
        exception when lock_not_available then
            if not is_first_locked then
                raise; -- the caller's own lock_timeout
            end if;
        end;
        perform pg_catalog.pg_sleep(0.02);
    end loop;
end
$$;

/* ---- guards --------------------------------------------------------------------------------------------------- */

/*
 * What a run, a connection, a controller's life and a key are known by stays as our functions wrote it. A connection that
 * had runs keeps its row, since generations never restart; a boot that is not dead keeps its own, since an owner that
 * nobody knows counts as dead; a key keeps naming the run that it was used for.
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

create trigger controller_boots_no_delete before delete on pdpp.controller_boots
    for each row when (old.dead_at is null) execute function pdpp.refuse_state_change();
create trigger controller_boots_no_truncate before truncate on pdpp.controller_boots
    for each statement execute function pdpp.refuse_state_change();
create trigger controller_boots_identity before update of controller_id, seq, boot_epoch on pdpp.controller_boots
    for each row execute function pdpp.refuse_state_change();

/* After: an admission's own update has nothing to do for it but to compare two numbers. */
create trigger connections_generation after update of run_generation on pdpp.connections
    for each row when (new.run_generation < old.run_generation)
    execute function pdpp.refuse_state_change('run_generation cannot be lowered');
create trigger idempotency_keys_no_change before update or delete on pdpp.idempotency_keys
    for each row execute function pdpp.refuse_state_change();
create trigger idempotency_keys_no_truncate before truncate on pdpp.idempotency_keys
    for each statement execute function pdpp.refuse_state_change();

revoke all on function pdpp.refuse_state_change() from public;

create trigger controller_boots_verdict after update of dead_at on pdpp.controller_boots
    for each row when (new.dead_at is distinct from old.dead_at)
    execute function pdpp.refuse_state_change('dead_at is written by the guard alone');
/* ---- for operators -------------------------------------------------------------------------------------------- */

/* It compares the tables with what it expects, as the server prints them. */
alter function pdpp_check() set quote_all_identifiers = off;
