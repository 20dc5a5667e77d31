-- A million events: 199,000 ended runs of five events each, one run of 5,000 and one of three; or as many as the variables
-- runs and long_run say. Written straight into the spine, as a restore would: the API's own speed is measured elsewhere.
\set ON_ERROR_STOP on
\if :{?runs}
\else
\set runs 199000
\endif
\if :{?long_run}
\else
\set long_run 5000
\endif
set client_min_messages = warning;
create extension pdpp;

insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, trace_id,
                               actor_type, actor_id, object_type, object_id, status, connector_instance_id, data_json)
select r.run_id, e.seq, 'evt_' || e.seq, e.type, r.at + e.seq * interval '1 s', r.at + e.seq * interval '1 s',
       case when e.status is not null then r.at end, 'trc_' || md5(r.run_id), 'connector', 'gmail', 'run', r.run_id, e.status,
       'c-' || r.number % 1000,
       case e.type when 'run.completed' then '{"reason": "connector_reported", "records_emitted": 12}'::jsonb
                   when 'run.progress_reported' then '{"stream": "messages", "count": 10, "total": 100}' else '{}' end
from (select i as number, 'run_' || md5(i::text) as run_id, timestamptz '2026-01-01' + i * interval '1 s' as at
      from generate_series(1, :runs) as i) as r,
     (values (1, 'run.admitted', 'active'), (2, 'run.started', 'active'), (3, 'run.progress_reported', null),
             (4, 'run.progress_reported', null), (5, 'run.completed', 'completed')) as e (seq, type, status);

insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, trace_id,
                               actor_type, actor_id, connector_instance_id, status, data_json)
select r.run_id, i, 'evt_' || i,
       case i when 1 then 'run.admitted' when 2 then 'run.started' when r.events then 'run.completed' else 'run.progress_reported' end,
       now(), now(), now(), 'trc_' || md5(r.run_id), 'connector', 'gmail', 'c', 'active', '{"count": 10}'
from (values ('run of ' || :long_run || ' events', :long_run), ('run of 3 events', 3)) as r (run_id, events), generate_series(1, r.events) as i;

-- What a status is compared with: a primary key over as many rows, of the same ids, in a table of the same size, each row
-- the answer that a status gives: as if statuses were kept instead of made.
create table bench_row (run_id text primary key, body jsonb);
insert into bench_row
select run_id || case when event_seq = 1 then '' else event_seq::text end,
       (select pdpp_run_status('run_' || md5('1'))) || jsonb_build_object('run_id', run_id) from pdpp.spine_events;

-- which runs the clients ask for, by number: pgbench has no md5
create function bench_run_id(number integer) returns text language sql immutable as $$ select 'run_' || md5(number::text) $$;

vacuum (analyze) pdpp.spine_events;
vacuum (analyze) bench_row;
