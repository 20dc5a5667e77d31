-- What a run costs on disk and in WAL: 20,000 whole lives through the API, each call a transaction of its own, over 100
-- connections, with data of the usual size; then the same for a run's every further event.
--
--   test/in-cluster psql -Xq -f bench/size.sql
\set ON_ERROR_STOP on
set client_min_messages = warning;
create extension pdpp;
create temporary table mark (lsn pg_lsn, bytes bigint);
create function pg_temp.bytes() returns bigint language sql as $$
    select sum(pg_total_relation_size(oid)) from pg_class where relnamespace = 'pdpp'::regnamespace and relkind = 'r' $$;
create function pg_temp.since_mark(number integer, what text) returns text language sql as $$
    select format('%-12s %s bytes on disk, %s bytes of WAL', what, round((pg_temp.bytes() - bytes)::numeric / number),
                  round((pg_current_wal_insert_lsn() - lsn) / number)) from mark $$;
create procedure lives(number integer) language plpgsql as $$
declare
    handle text;
begin
    for i in 1 .. number loop
        handle := pdpp_run_now('fetch-mail', 'mail-' || i % 100, data => '{"since": "2026-11-01"}')->>'run_id'; commit;
        perform pdpp_run_started(handle); commit;
        perform pdpp_run_settle(handle, 'completed', '{"records_emitted": 12}'); commit;
    end loop;
end $$;
create procedure progress(first integer, last integer) language plpgsql as $$
begin
    for i in first .. last loop
        perform pdpp_run_event('run_long', 'run.progress_reported', '{"stream": "messages", "count": 10, "total": 100}'); commit;
    end loop;
end $$;

-- the first of everything is paid by nobody, and each page is written whole once after a checkpoint
call lives(1000);
checkpoint;
insert into mark select pg_current_wal_insert_lsn(), pg_temp.bytes();
call lives(20000);
select pg_temp.since_mark(20000, 'a whole life') \gset
\echo :since_mark
-- of which: what a table or an index takes for each of the runs
select c.relname as object, round(pg_relation_size(c.oid) / 21000.0) as bytes_of_a_life
from pg_class as c where c.relnamespace = 'pdpp'::regnamespace and c.relkind in ('r', 'i') and pg_relation_size(c.oid) > 65536
order by pg_relation_size(c.oid) desc;
select pdpp_run_now('fetch-mail', 'long', 'run_long') \gset
call progress(1, 1000);
truncate mark;
insert into mark select pg_current_wal_insert_lsn(), pg_temp.bytes();
call progress(1001, 21000);
select pg_temp.since_mark(20000, 'one event') \gset
\echo :since_mark
