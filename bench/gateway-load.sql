-- Ended runs for the gateway to read, as a restore would write them, and connections for it to start runs on.
\set ON_ERROR_STOP on
set client_min_messages = warning;
create extension pdpp;

-- which runs the clients ask for, by number: pgbench has no md5
create function bench_run_id(number integer) returns text language sql immutable as $$ select 'run_' || md5(number::text) $$;

insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, trace_id,
                               actor_type, actor_id, object_type, object_id, status, connector_instance_id, data_json)
select bench_run_id(i), e.seq, 'evt_' || e.seq, e.type, r.at + e.seq * interval '1 s', r.at + e.seq * interval '1 s', r.at,
       'trc_' || md5(i::text), 'connector', 'gmail', 'run', bench_run_id(i), e.status, 'c-' || i % 1000,
       case e.type when 'run.completed' then '{"reason": "connector_reported", "records_emitted": 12}'::jsonb else '{}' end
from (select i, timestamptz '2026-01-01' + i * interval '1 s' as at from generate_series(1, :runs) as i) as r,
     (values (1, 'run.admitted', 'active'), (2, 'run.started', 'active'), (3, 'run.completed', 'completed')) as e (seq, type, status);

insert into pdpp.connections (connector_instance_id, connector_id)
select 'bench-' || i, 'bench' from generate_series(1, 200000) as i;

-- what a status is compared with: a primary key over as many rows, of the same ids
create table bench_row (run_id text primary key, body jsonb);
insert into bench_row select bench_run_id(i) || e.suffix, '{"status": "completed"}'
from generate_series(1, :runs) as i, (values (''), ('2'), ('3')) as e (suffix);

vacuum (analyze);
