-- Events are inserted without a statement where the spine is as the extension made it (test/sql/session.sql sees that they are). Whatever
-- somebody adds to a table still counts: its triggers run, its constraints hold, its defaults are filled in, its indexes are kept.
\i test/sql/include/prelude.psql
begin;
select plan(31);

create function pg_temp.live(run text) returns text language sql as $$
    select pdpp_run_now('c', run, run);
    select pdpp_run_started(run, '{"n": 1}', 'start of ' || run);
    select pdpp_run_event(run, 'run.note', '{"text": "x"}');
    select pdpp_run_settle(run, 'failed', '{"reason": "r"}');
    select string_agg(event_seq || ' ' || event_type, ', ' order by event_seq) from pdpp.spine_events where run_id = run
$$;
create function pg_temp.as_told() returns text immutable language sql as
    $$ select '1 run.admitted, 2 run.started, 3 run.note, 4 run.failed' $$;

-- as it is
select is(pg_temp.live('di-plain'), pg_temp.as_told(), 'a whole life in one transaction');
select pg_temp.rows_are(
    $$select event_type, occurred_at = recorded_at, admitted_at is not null, trace_id like 'trc_%', scenario_id, actor_type,
          actor_id, object_type, object_id, status, source_kind, source_id, connector_instance_id, data_json::text, version
    from pdpp.spine_events where run_id = 'di-plain' order by event_seq$$,
    $$values
    ('run.admitted', true, true, true, null::text, null::text, 'c', null::text, null::text, 'active', null::text, null::text, 'di-plain', '{}', null::text),
    ('run.started', true, false, null, null, null, null, null, null, null, null, null, null, '{"n": 1}', null),
    ('run.note', true, false, null, null, null, null, null, null, null, null, null, null, '{"text": "x"}', null),
    ('run.failed', true, true, null, null, null, 'c', null, null, 'failed', null, null, 'di-plain', '{"reason": "r"}', null)$$,
    'each column: what the admission says is not repeated, but for what lists look for');
select is((select string_agg(event_id, ',' order by event_seq) from pdpp.spine_events where run_id = 'di-plain'),
    ',start of di-plain,,', 'event ids are kept where they were given');
select is((select count(*) from pdpp.controller_active_runs where run_id = 'di-plain'), 0::bigint, 'no flight row is left');

-- the stamp of a boot
select lives_ok($$select pdpp_controller_boot('di')$$, 'a boot');
select is(pg_temp.live('di-booted'), pg_temp.as_told(), 'events of a boot');
select is((select string_agg(event_seq || ' ' || (source_id = (select boot_epoch::text from pdpp.controller_boots where controller_id = 'di'))::text, ', ')
           from pdpp.spine_events where run_id = 'di-booted' and source_id is not null),
    '2 true, 3 true, 4 true', 'name it');

-- savepoints: what was rolled back leaves its number and its phase free
do $$ begin perform pdpp_run_now('c', 'di-back', 'di-back'); end $$;
savepoint a;
do $$ begin perform pdpp_run_started('di-back'); end $$;
do $$ begin perform pdpp_run_settle('di-back', 'completed'); end $$;
rollback to a;
select is((pdpp_run_started('di-back')->>'event_seq')::integer, 2, 'the number is taken again');
select is(pdpp_run_settle('di-back', 'cancelled')->>'status', 'cancelled', 'and the ending');

-- large data goes to the table's toast
set local pdpp.max_event_bytes = '10MB';
do $$ begin perform pdpp_run_now('c', 'di-large', 'di-large'); end $$;
do $$ begin perform pdpp_run_event('di-large', 'run.note', jsonb_build_object('text', (select string_agg(md5(n::text), '') from generate_series(1, 20000) as n))); end $$;
select is((select md5(data_json->>'text') from pdpp.spine_events where run_id = 'di-large' and event_seq = 2),
    (select md5(string_agg(md5(n::text), '')) from generate_series(1, 20000) as n), 'large data');

-- what stands in the way of a row is seen by the statement that comes next
select throws_like($$select pdpp_run_now('c', 'di-large', 'di-other')$$, '%has an active run: di-large%', 'a connection with a run');
select throws_like($$select pdpp_run_now('c', 'di-new', 'di-large')$$, '%belongs to another run: di-large%', 'a run id in flight');
select throws_like($$select pdpp_run_now('c', 'di-new', 'di-plain')$$, '%belongs to another run: di-plain%', 'a run id of long ago');
do $$ begin perform pdpp_run_started('di-large'); end $$;
select throws_like($$select pdpp_run_started('di-large')$$, '%has already started%', 'a second start');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
values ('di-large', 9, 'by hand', 'run.note', now(), now());
select is((pdpp_run_event('di-large', 'run.note')->>'event_seq')::integer, 10, 'a row that was written by hand');

-- the clock was set back: in a run, no event is recorded before the one it follows
do $$ begin perform pdpp_run_now('c', 'di-' || n, 'di-' || n) from generate_series(1, 2) as n; end $$;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
select 'di-' || n, 2, 'by hand', 'run.note', '2100-01-01Z', '2100-01-01Z' from generate_series(1, 2) as n;
select is(pdpp_run_started('di-1')->>'recorded_at', '2100-01-01T00:00:00.000Z', 'an event has the time of the one before at least');
savepoint altered;
alter table pdpp.spine_events alter version set default '2';
select is(pdpp_run_started('di-2')->>'recorded_at', '2100-01-01T00:00:00.000Z', 'also one that a statement inserts');
select is(pdpp_run_settle('di-2', 'completed')->>'completed_at', '2100-01-01T00:00:00.000Z', 'so nothing ends before it began');
rollback to altered;

-- in a read-only transaction
savepoint b;
set local transaction_read_only = on;
select throws_ok($$select pdpp_run_event('di-large', 'run.note')$$, '25006', null, 'nothing is written in a read-only transaction');
rollback to b;

-- somebody's index, and somebody's constraint
savepoint c;
create index on pdpp.spine_events (upper(event_type)) where data_json ? 'text';
alter table pdpp.spine_events add check (event_type <> 'run.forbidden');
select is(pg_temp.live('di-indexed'), pg_temp.as_told(), 'another index and another constraint');
set local enable_seqscan = off;
select is((select count(*) from pdpp.spine_events where upper(event_type) = 'RUN.NOTE' and data_json ? 'text' and run_id = 'di-indexed'),
    1::bigint, 'the index has the row');
select throws_ok($$select pdpp_run_event('di-large', 'run.forbidden')$$, '23514', null, 'the constraint holds');
rollback to c;

-- somebody's indexes that take few rows, and are only opened for those
savepoint d;
create index notes on pdpp.spine_events (run_id) where event_type = 'run.note';
create index seconds on pdpp.spine_events (event_seq) where event_seq = 2;
create index same on pdpp.spine_events (event_seq, run_id) where event_seq = 2;
do $$ begin perform pg_temp.live('di-few-' || i) from generate_series(1, 3) as i; end $$;
set local enable_seqscan = off;
select is((select count(*) from pdpp.spine_events where event_type = 'run.note' and run_id like 'di-few-%'), 3::bigint,
    'an index of few rows has those');
drop index pdpp.seconds;
select is((select string_agg(event_type, ', ') from pdpp.spine_events where event_seq = 2 and run_id like 'di-few-%'),
    'run.started, run.started, run.started', 'so has another');
create index wrong on pdpp.spine_events (run_id) where 1 / (length(event_type) - 9) is not null;
select throws_ok($$select pdpp_run_event('di-large', 'run.wrong')$$, '22012', null, 'what a predicate raises');
select lives_ok($$select pdpp_run_event('di-large', 'run.note')$$, 'is over with its event');
rollback to d;

-- somebody's column
alter table pdpp.spine_events add column region text not null default 'eu';
alter table pdpp.controller_active_runs add column region text not null default 'us';
do $$ begin perform pdpp_run_now('c', 'di-column', 'di-column'); end $$;
select is((select region from pdpp.spine_events where run_id = 'di-column'), 'eu', 'another column has its default');
select is((select region from pdpp.controller_active_runs where run_id = 'di-column'), 'us', 'in flight state as well');
alter table pdpp.spine_events drop column region;
alter table pdpp.controller_active_runs drop column region;
select is(pg_temp.live('di-dropped'), pg_temp.as_told(), 'also once it has been dropped again');

-- somebody's triggers
create temporary table seen (what text, connector_instance_id text);
create function pg_temp.see() returns trigger language plpgsql as $$
begin
    insert into seen values (tg_table_name || ', ' || tg_op, coalesce(to_jsonb(coalesce(new, old))->>'connector_instance_id', 'di-triggered'));
    return null;
end
$$;
create trigger see after insert on pdpp.spine_events for each row execute function pg_temp.see();
create trigger see after insert or update or delete on pdpp.controller_active_runs for each row execute function pg_temp.see();
create trigger see after insert or update or delete on pdpp.connections for each row execute function pg_temp.see();
select is(pg_temp.live('di-triggered'), pg_temp.as_told(), 'triggers');
do $$ begin perform pdpp_run_now('c', 'di-triggered'); end $$;
select set_eq($$select what, connector_instance_id, count(*) from seen group by 1, 2$$,
    $$values ('connections, INSERT', 'di-triggered', 1::bigint), ('connections, UPDATE', 'di-triggered', 1),
    ('controller_active_runs, INSERT', 'di-triggered', 2), ('controller_active_runs, UPDATE', 'di-triggered', 1),
    ('controller_active_runs, DELETE', 'di-triggered', 1), ('spine_events, INSERT', 'di-triggered', 5)$$, 'run for each row');

select * from finish();
rollback;
