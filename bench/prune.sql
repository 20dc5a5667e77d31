-- How long one batch of retention holds its locks, and which: pruned to the end, a transaction each, in a database that load.sql
-- has filled.
-- The locks are held from before the DELETE to after the COMMIT; `left` is counted before.
--
--   test/in-cluster psql -Xq -v runs=20000 -f bench/load.sql -f bench/prune.sql
\pset footer off
begin;
select pdpp_prune('2026-06-01') \gset
select relation::regclass, mode, count(*) from pg_locks
where pid = pg_backend_pid() and relation::regclass::text ~ '^pdpp\.' group by 1, 2 order by 1, 2;
rollback;

-- before the statement that locks and deletes takes its first row
create function note_time() returns trigger language plpgsql as $$
begin
    perform set_config('bench.deletes_at', clock_timestamp()::text, false);
    return null;
end $$;
create trigger note_time before delete on pdpp.spine_events for each statement execute function note_time();
create temporary table batch (events integer, call interval, locks interval);
create procedure prune_all() language plpgsql as $$
declare
    called timestamptz;
    ended timestamptz;
    pruned integer;
begin
    loop
        called := clock_timestamp();
        pruned := pdpp_prune('2026-06-01')->'events';
        commit;
        ended := clock_timestamp();
        exit when pruned = 0;
        insert into batch values (pruned, ended - called, ended - current_setting('bench.deletes_at')::timestamptz);
        commit;
    end loop;
end $$;
call prune_all();
select what, count(*) as batches, sum(events) as events, min(took), percentile_disc(0.5) within group (order by took) as median, max(took)
from batch, lateral (values ('call and COMMIT', call), ('its locks', locks)) as t (what, took) group by 1;
