-- The status lookup does not depend on the planner's mood: however long the run and however large the spine, it touches
-- the same few pages.
\i test/sql/include/prelude.psql
begin;
select plan(34);

-- How many buffers a statement touches.
create function pg_temp.buffers_once(statement text) returns integer language plpgsql as $$
declare
    plan json;
begin
    execute 'explain (analyze, buffers, format json) ' || statement into plan;
    return (plan->0->'Plan'->>'Shared Hit Blocks')::integer + (plan->0->'Plan'->>'Shared Read Blocks')::integer;
end
$$;
-- The same once the caches are warm.
create function pg_temp.buffers(statement text) returns integer language sql as
    $$ select pg_temp.buffers_once(statement), pg_temp.buffers_once(statement); select pg_temp.buffers_once(statement) $$;

-- 150,000 events: one run of 5,000 spread over the whole table, one of three, the others of 25
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, actor_id, trace_id,
    connector_instance_id)
select case when n % 30 = 0 then 'pl-long' else 'pl-' || n / 25 end,
    case when n % 30 = 0 then n / 30 else n % 25 + 1 end, 'e' || n,
       case when n % 30 = 0 then case n / 30 when 1 then 'run.admitted' when 2 then 'run.started' when 5000 then 'run.completed'
                                 else 'run.progress_reported' end
            else case n % 25 when 0 then 'run.admitted' when 1 then 'run.started' when 24 then 'run.failed' else 'run.progress_reported' end end,
       now(), now(), 'c', 't', 'i'
from generate_series(1, 150000) as n;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, actor_id, trace_id,
    connector_instance_id)
select 'pl-short', n, 'e' || n, (array['run.admitted', 'run.started', 'run.completed'])[n], now(), now(), 'c', 't', 'i'
from generate_series(1, 3) as n;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, actor_id, trace_id,
    connector_instance_id)
select 'pl-active', n, 'e' || n,
    case n when 1 then 'run.admitted' when 2 then 'run.started' else 'run.progress_reported' end,
       now(), now(), 'c', 't', 'i' from generate_series(1, 5000) as n;

select is(count(*), 5000::bigint, 'a run with 5,000 events') from pdpp.spine_events where run_id = 'pl-long';
select is(count(*), 3::bigint, 'a run with three') from pdpp.spine_events where run_id = 'pl-short';

create temporary table touched (mood text, run text, pages integer);
-- before the planner knows anything, when it has been told, and in whatever mood it is
insert into touched select 'not analyzed', run, pg_temp.buffers(format('select pdpp_run_status(%L)', run))
from unnest(array['pl-long', 'pl-short', 'pl-active']) as run;
analyze pdpp.spine_events;
insert into touched select 'analyzed', run, pg_temp.buffers(format('select pdpp_run_status(%L)', run))
from unnest(array['pl-long', 'pl-short', 'pl-active']) as run;
set local enable_indexscan = off;
set local enable_bitmapscan = off;
insert into touched select 'no index scan', run, pg_temp.buffers(format('select pdpp_run_status(%L)', run))
from unnest(array['pl-long', 'pl-short', 'pl-active']) as run;
set local enable_indexscan = on;
set local enable_bitmapscan = on;
set local enable_seqscan = off;
insert into touched select 'no sequential scan', run, pg_temp.buffers(format('select pdpp_run_status(%L)', run))
from unnest(array['pl-long', 'pl-short', 'pl-active']) as run;
reset enable_seqscan;
set local random_page_cost = 1000000;
insert into touched select 'random pages are dear', run, pg_temp.buffers(format('select pdpp_run_status(%L)', run))
from unnest(array['pl-long', 'pl-short', 'pl-active']) as run;
reset random_page_cost;
set local plan_cache_mode = force_generic_plan;
insert into touched select 'generic plans', run, pg_temp.buffers(format('select pdpp_run_status(%L)', run))
from unnest(array['pl-long', 'pl-short', 'pl-active']) as run;
reset plan_cache_mode;

select is(max(pages) - min(pages), 0, 'whatever the mood, the same pages for ' || run) from touched group by run
    order by run;
select cmp_ok(pages, '<=', 12, format('a handful of pages for %s', run)) from touched where mood = 'analyzed'
    order by run;
select cmp_ok(long.pages - short.pages, '<=', 2,
    '5,000 events cost what three do, but for the pages that the three phases lie on')
from touched as long, touched as short where long.run = 'pl-long' and short.run = 'pl-short' and long.mood = 'analyzed'
    and short.mood = 'analyzed';
select cmp_ok(pg_temp.buffers($$select * from pdpp.spine_events where run_id = 'pl-long' and event_seq = 4000$$), '>=',
    3, 'the measure counts: a primary-key select touches pages too');
select is(pdpp_run_status('pl-long')->>'status', 'completed', 'and the answers are right: pl-long');
select is(pdpp_run_status('pl-short')->>'status', 'completed', 'pl-short');
select is(pdpp_run_status('pl-active')->>'status', 'active', 'pl-active');
select is(pdpp_run_status('pl-77')->>'status', 'failed', 'pl-77');

-- many at once: each its own few pages
select cmp_ok(pg_temp.buffers($$select * from pdpp_run_statuses(array['pl-long', 'pl-short', 'pl-active', 'pl-unknown'])$$), '<=', 48, 'four at once');
-- a page of a timeline reads its own events, not the whole run: with the first plan as with the kept one
select is(pdpp_run_timeline('pl-short')->'event_count', '3', 'a short timeline');
insert into touched select 'call ' || n, 'a page of ten',
    pg_temp.buffers_once($$select pdpp_run_timeline('pl-active', 10)$$) from generate_series(1, 8) as n;
select cmp_ok(max(pages), '<=', 60, 'ten events of 5,000') from touched where run = 'a page of ten';

-- a claim takes the oldest, and does not look at the rest of the queue, nor at what others offer
select is(pdpp_controller_boot('pl-claims')->>'controller_id', 'pl-claims', 'a controller');
do $$ begin
    perform pdpp_controller_offer(jsonb_agg(jsonb_build_object('connector_instance_id', 'pl-claim-' || n, 'connector_id', 'claims')))
        from generate_series(1, 1000) as n;
    for n in 1..1000 loop perform pdpp_run_now('claims', 'pl-claim-' || n, run_id => 'pl-claim-' || n); end loop;
end $$;
insert into touched select 'call ' || n, 'a claim', pg_temp.buffers_once('select pdpp_run_claim()') from generate_series(1, 8) as n;
analyze pdpp.controller_active_runs;
insert into touched select 'analyzed, call ' || n, 'a claim', pg_temp.buffers_once('select pdpp_run_claim()') from generate_series(1, 8) as n;
-- the first calls read catalogs, and plan anew
select cmp_ok(max(pages), '<=', 12, 'one claim of a thousand') from touched where run = 'a claim' and mood like '%call 8';
select is(pdpp_run_claim()->>'run_id', 'pl-claim-17', 'and they came in their order');

-- A list goes by the index of its filters, whatever page of it and however many runs there are, and looks each run up by
-- the lifecycle index. Which indexes a statement scanned, and which tables it walked:
create function pg_temp.scanned(statement text) returns text[] language plpgsql as $$
declare
    before jsonb;
begin
    select jsonb_object_agg(oid::text, pg_stat_get_xact_numscans(oid)) into before from pg_class
    where relnamespace = 'pdpp'::regnamespace;
    execute statement;
    return (select array_agg(relname::text order by relname) from pg_class
            where relnamespace = 'pdpp'::regnamespace and pg_stat_get_xact_numscans(oid) > (before->>(oid::text))::bigint);
end
$$;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, actor_id, trace_id,
    connector_instance_id)
select 'pl-list-' || n, seq, 'e' || seq, type, at, at, at, case when n % 1000 = 0 then 'rare' else 'common' end, 't',
    'pl-connection-' || case when n % 1000 = 0 then 'rare' else (n % 10)::text end
from generate_series(1, 30000) as n, lateral (select '2026-01-01Z'::timestamptz + n * interval '1 s' as at) as a,
    lateral (values (1, 'run.admitted'), (2, case when n % 1500 = 0 then 'run.abandoned' else 'run.completed' end)) as e(seq, type);
create temporary table lists (what text, statement text, expected text);
insert into lists select format('status %s, connector %s, connection %s%s', coalesce(status, 'any'), coalesce(connector, 'any'),
        coalesce(connection, 'any'), case when cursor is not null then ', deep' else '' end),
    format('select pdpp_run_list(%L, %L, %L, null, null, 10, %L)', status, connector, connection, cursor),
    case when status = 'active' then case when connection is null then 'controller_active_runs_list' else 'controller_active_runs_pkey' end
         when connection is not null then 'spine_events_list_by_connection'
         when connector is not null then 'spine_events_list_by_connector' else 'spine_events_list' end
from unnest(array[null, 'active', 'completed', 'abandoned']) as status, unnest(array[null, 'rare']) as connector,
    unnest(array[null, 'pl-connection-rare']) as connection,
    unnest(array[null, pdpp_run_list(until => '2026-01-01 00:50:00Z', page_size => 1)->>'next_cursor']) as cursor;
create temporary table list_scans (mood text, n integer, what text, expected text, scanned text[], pages integer);
insert into list_scans select 'not analyzed', n, what, expected, pg_temp.scanned(statement), pg_temp.buffers_once(statement)
from lists, generate_series(1, 2) as n;
analyze pdpp.spine_events, pdpp.controller_active_runs;
insert into list_scans select 'analyzed', n, what, expected, pg_temp.scanned(statement), pg_temp.buffers_once(statement)
from lists, generate_series(1, 2) as n;
set local plan_cache_mode = force_generic_plan;
insert into list_scans select 'generic', n, what, expected, pg_temp.scanned(statement), pg_temp.buffers_once(statement)
from lists, generate_series(1, 2) as n;
reset plan_cache_mode;
-- what a session says of sorting is not for ours
set local enable_incremental_sort = off;
discard plans;
insert into list_scans select 'without sorting', n, what, expected, pg_temp.scanned(statement), pg_temp.buffers_once(statement)
from lists, generate_series(1, 2) as n;
reset enable_incremental_sort;
-- planning may look at the ends of an index, so only a kept plan shows its own scan alone; the lookup of each run, and of
-- its cancel request, comes with it
select is_empty($$select what, scanned from list_scans where mood = 'generic' and n = 2
    and array_remove(array_remove(scanned, 'spine_events_lifecycle'), 'controller_active_runs_run_id_key') <> array[expected]$$,
    'each list is one range of its index');
select is_empty($$select mood, what, scanned from list_scans
    where not expected = any (scanned) or scanned && array['spine_events', 'controller_active_runs']$$,
    'in any mood, and no table is walked');
-- (a connector's active runs are found among all active runs)
select is_empty($$select mood, what, pages from list_scans where n = 2 and pages > 200 and what not like 'status active, connector rare%'$$,
    'ten runs of 30,000: a few pages each, at any depth');
-- So does a page of connections, whatever it is filtered by: few that match among many that do not are found by an index, and so are the
-- boot and the run of each. Among 100,000, one in ten thousand is offered, and as many are not; ten times as many have a run in flight.
insert into pdpp.connections (connector_instance_id, connector_id, boot_epoch)
select 'pk-many-' || n, case when n % 10000 = 0 then 'rare' else 'common' end,
    case when n > 50000 then (select boot_epoch from pdpp.controller_boots where controller_id = 'pl-claims')
         when n % 5000 = 0 then '00000000-0000-4000-8000-000000000001'::uuid end
from generate_series(1, 100000) as n;
insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at, lost_at, dead_at)
select 'pl-dead', n, format('00000000-0000-4000-8000-%s', to_char(n, 'FM000000000000'))::uuid, now(), now(), now() from generate_series(1, 5000) as n;
insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation)
select 'pk-many-' || n, 'common', 'pk-many-' || n, 't', now(), 1 from generate_series(1000, 100000, 1000) as n;
create temporary table connection_scans (mood text, n integer, what text, scanned text[], pages integer);
create temporary table connection_lists as
select format('connector %s, offered %s, active %s%s', coalesce(connector, 'any'), coalesce(offered::text, 'or not'), coalesce(active::text, 'or not'), case when cursor is not null then ', deep' else '' end) as what,
    format('select pdpp_connection_list(%L, null, %L, %L, 10, %L)', connector, offered, active, cursor) as statement
from (values (null, null, null), ('rare', null, null), ('rare', true, null), ('rare', false, null), (null, true, null), (null, false, null), (null, null, true),
             (null, null, false), (null, true, false), (null, false, false), ('rare', true, true), (null, false, true)) as v(connector, offered, active),
    unnest(array[null, (select pdpp_connection_list(page_size => 500)->>'next_cursor')]) as cursor;
insert into connection_scans select 'not analyzed', n, what, pg_temp.scanned(statement), pg_temp.buffers_once(statement) from connection_lists, generate_series(1, 2) as n;
analyze pdpp.connections, pdpp.controller_boots, pdpp.controller_active_runs;
discard plans;
insert into connection_scans select 'analyzed', n, what, pg_temp.scanned(statement), pg_temp.buffers_once(statement) from connection_lists, generate_series(1, 2) as n;
set local plan_cache_mode = force_generic_plan;
insert into connection_scans select 'generic', n, what, pg_temp.scanned(statement), pg_temp.buffers_once(statement) from connection_lists, generate_series(1, 2) as n;
reset plan_cache_mode;
select is(count(*), 24::bigint, 'lists of connections') from connection_lists;
select is_empty($$select mood, what, scanned from connection_scans where scanned && array['connections', 'controller_boots', 'controller_active_runs', 'spine_events']$$, 'no table is walked');
-- (each of the ten has its boot looked up, and its run, which is read)
select is_empty($$select mood, what, pages from connection_scans where n = 2 and pages > 300 and what not like '%active true%'$$, 'ten of 100,000: a few pages each, at any depth');
select is_empty($$select mood, what, pages from connection_scans where n = 2 and pages > 10 * (select count(*) from pdpp.controller_active_runs)$$, 'where they are few of the runs in flight, those are passed over, not the connections');
-- endings of a window are one range of their index, however many there were before
create temporary table ending_scans (n integer, scanned text[], pages integer);
insert into ending_scans select n, pg_temp.scanned(statement), pg_temp.buffers_once(statement)
from generate_series(1, 8) as n, (values ($$select pdpp_run_endings('2026-01-01 08:00:00Z')$$)) as s(statement);
select is_empty($$select n, scanned from ending_scans where not 'spine_events_endings' = any (scanned) or 'spine_events' = any (scanned)$$,
    'endings go by their index, with the first plan as with the kept one');
-- (where no ending has a boot, as here, not every version looks)
select ok(scanned <@ array['controller_boots_boot_epoch_key', 'spine_events_endings'], 'and their boots by theirs, if at all') from ending_scans where n = 8;
select cmp_ok(pages, '<=', 150, '1,201 of 36,000 endings: their own pages') from ending_scans where n = 8;
select is(pdpp_run_endings('2026-01-01 08:00:00Z')->'data',
    '[{"count": 1200, "reason": null, "status": "completed"}, {"count": 1, "reason": null, "status": "abandoned"}]', 'and they are counted');
-- so does the view: the newest runs come from the same index, and their events from the lifecycle's
create function pg_temp.plan(statement text) returns text language plpgsql as $$
declare
    plan json;
begin
    execute 'explain (format json) ' || statement into plan;
    return plan::text;
end
$$;
select alike(pg_temp.plan('select * from pdpp_runs order by admitted_at desc limit 10'), '%"spine_events_list"%', 'the view by time');
select unalike(pg_temp.plan($$select * from pdpp_runs where run_id = 'pl-list-7'$$), '%Seq Scan%', 'the view by run');
select is(jsonb_array_length(pdpp_run_list('abandoned', 'rare', page_size => 500)->'data'), 10, 'and the answers are right');

select * from finish();
rollback;
