-- pdpp_connection_list: what it says of a connection, the order, the filters, paging, and what it refuses.
\i test/sql/include/prelude.psql
begin;
select plan(48);

create function pg_temp.ids(page jsonb) returns text[] language sql as
    $$ select coalesce(array_agg(c->>'connector_instance_id' order by n), '{}') from jsonb_array_elements(page->'data') with ordinality as d(c, n) $$;

select is(pdpp_connection_list(), '{"object": "list", "data": [], "has_more": false, "next_cursor": null}', 'nothing: the body of an empty list');

-- offered by a boot that lives, by one that is lost, by one that is dead, and by none; with a run in flight and without;
-- three connectors
create temporary table boots as select pdpp_controller_boot(id)->>'boot_epoch' as epoch, id from unnest(array['cl-lost', 'cl-dead', 'cl-living']) as id;
create temporary table made as
select format('cl-%s-%s-%s', offer, connector, run) as id, offer, 'clc-' || connector as connector, run
from unnest(array['living', 'lost', 'dead', 'never']) as offer, generate_series(1, 3) as connector, unnest(array['active', 'idle']) as run;
insert into pdpp.connections (connector_instance_id, connector_id, boot_epoch)
select m.id, m.connector, b.epoch::uuid from made as m left join boots as b on b.id = 'cl-' || m.offer;
do $$ begin perform pdpp_connection_run_now(id, 'run ' || id) from made where run = 'active'; end $$;
update pdpp.controller_boots set lost_at = now() where controller_id = 'cl-lost';
set local session_replication_role = replica; -- the guard of the guard's verdict sleeps
update pdpp.controller_boots set lost_at = now(), dead_at = now() where controller_id = 'cl-dead';
set local session_replication_role = origin;

-- one of them, to the last key
select is(pdpp_connection_list(connector_instance_id => 'cl-living-1-idle')->'data',
    '[{"object": "connection", "connector_instance_id": "cl-living-1-idle", "connector_id": "clc-1", "offered": true, "controller_id": "cl-living",
       "active_run": null, "run_generation": 0, "timeout_seconds": null,
       "links": {"run": "/_ref/connections/cl-living-1-idle/run", "runs": "/_ref/runs?connector_instance_id=cl-living-1-idle"}}]', 'one that is offered and has no run');
select is(pdpp_connection_list(connector_instance_id => 'cl-never-2-active')#>'{data,0}',
    jsonb_build_object('object', 'connection', 'connector_instance_id', 'cl-never-2-active', 'connector_id', 'clc-2', 'offered', false, 'controller_id', null,
       'active_run', pdpp_run_status('run cl-never-2-active'), 'run_generation', 1, 'timeout_seconds', null,
       'links', '{"run": "/_ref/connections/cl-never-2-active/run", "runs": "/_ref/runs?connector_instance_id=cl-never-2-active"}'::jsonb),
    'one that is not offered and has: the run as its handle says it');
select is_empty($$select c->>'connector_instance_id' from jsonb_array_elements(pdpp_connection_list(page_size => 500)->'data') as c join made as m on m.id = c->>'connector_instance_id'
    where (c->>'offered')::boolean <> (m.offer = 'living') or (c->>'controller_id' = 'cl-living') is distinct from case when m.offer = 'living' then true end
       or (c->'active_run' <> 'null') <> (m.run = 'active') or c->>'connector_id' <> m.connector$$, 'offered by a living boot alone, neither a lost nor a dead one');

-- what an offer says of the time of its runs
do $$ begin perform pdpp_controller_offer('[{"connector_instance_id": "cl-timed", "connector_id": "clc-t", "timeout_seconds": 3600}, {"connector_instance_id": "cl-timed-2", "connector_id": "clc-t", "timeout_seconds": 0.25},
    {"connector_instance_id": "cl-untimed", "connector_id": "clc-t"}]'); end $$;
select is(array_agg(c->>'timeout_seconds'), array['3600', '0.25', null], 'timeout_seconds, as it was offered') from jsonb_array_elements(pdpp_connection_list('clc-t')->'data') as c;
do $$ begin perform pdpp_controller_offer('[]'); end $$;
select is(array_agg(c->>'timeout_seconds'), array[null, null, null], 'withdrawn with the offer') from jsonb_array_elements(pdpp_connection_list('clc-t')->'data') as c;
select is(pg_temp.ids(pdpp_connection_list('clc-t', offered => true)), '{}'::text[], 'and nobody offers them');
-- what this boot of ours offered before the offer of nothing
update pdpp.connections as c set boot_epoch = b.epoch::uuid from boots as b where b.id = 'cl-living' and c.connector_instance_id like 'cl-living-%';

-- ids of any script and punctuation, and their links
do $$ begin perform pdpp_run_now('clc-x', 'cl x/é?&#%+'); end $$;
select is(pdpp_connection_list(connector_instance_id => 'cl x/é?&#%+')#>'{data,0,links}',
    '{"run": "/_ref/connections/cl%20x%2F%C3%A9%3F%26%23%25%2B/run", "runs": "/_ref/runs?connector_instance_id=cl%20x%2F%C3%A9%3F%26%23%25%2B"}', 'links are percent-encoded');
insert into pdpp.connections (connector_instance_id, connector_id) values (repeat(U&'\+01F600', 64), 'clc-x');
select is(length(pdpp_connection_list(connector_instance_id => repeat(U&'\+01F600', 64))#>>'{data,0,links,runs}'), 33 + 256 * 3, 'the longest of them whole');

-- every combination of filters, in pages of every size, is what the tables say
create function pg_temp.expected(wanted_connector text, wanted text, is_offered boolean, is_active boolean) returns text[] language sql as $$
    select coalesce(array_agg(c.connector_instance_id order by c.connector_instance_id), '{}') from pdpp.connections as c
    where (wanted_connector is null or c.connector_id = wanted_connector) and (wanted is null or c.connector_instance_id = wanted)
      and (is_offered is null or is_offered = exists (select from pdpp.controller_boots as b where b.boot_epoch = c.boot_epoch and b.controller_id = 'cl-living'))
      and (is_active is null or is_active = exists (select from pdpp.controller_active_runs as f where f.connector_instance_id = c.connector_instance_id)) $$;
create temporary table filters as
select row_number() over () as f, * from unnest(array[null, 'clc-1', 'clc-3', 'clc-nobody']) as connector, unnest(array[null, 'cl-living-1-active', 'cl-never-3-idle', 'cl-nobody']) as connection,
    unnest(array[null, true, false]) as offered, unnest(array[null, true, false]) as active;
create temporary table walks as
with recursive pages as (
    select f, size, 1 as n, pdpp_connection_list(connector, connection, offered, active, size) as page from filters, unnest(array[1, 2, 5, 500]) as size
    union all
    select p.f, size, n + 1, pdpp_connection_list(connector, connection, offered, active, size, page->>'next_cursor')
    from pages as p join filters as w on w.f = p.f where (page->>'has_more')::boolean and n < 100
)
select * from pages;
select is(count(*), 144::bigint, 'ways of filtering') from filters;
select is_empty($$select w.f, size, array_agg(c->>'connector_instance_id' order by n, o) from walks as w join filters as x on x.f = w.f
    left join lateral jsonb_array_elements(page->'data') with ordinality as d(c, o) on true
    group by w.f, size, connector, connection, offered, active
    having array_remove(array_agg(c->>'connector_instance_id' order by n, o), null) <> pg_temp.expected(connector, connection, offered, active)$$,
    'each walk shows all of them once, in the order of their bytes');
select is_empty($$select f, size, n from walks where jsonb_array_length(page->'data') > size or (page->>'has_more')::boolean <> (page->>'next_cursor' is not null)
    or ((page->>'has_more')::boolean and jsonb_array_length(page->'data') < size) or (page->'data' = '[]' and n > 1)$$, 'no page is too long, none but the last is short, none is empty but the first');
select cmp_ok(count(*), '>', 300::bigint, 'pages were walked') from walks;
select is(pdpp_connection_list(null, null, null, null, null, null), pdpp_connection_list(), 'null is not to filter, and 50 of them');

-- what comes and goes during a walk: what was there is shown once
create temporary table kept as select pdpp_connection_list('clc-1', page_size => 3)->>'next_cursor' as cursor;
insert into pdpp.connections (connector_instance_id, connector_id) values ('cl-aaa', 'clc-1'), ('cl-zzz', 'clc-1');
do $$ begin perform pdpp_run_settle('run cl-lost-1-active', 'completed'); perform pdpp_connection_run_now('cl-living-1-idle'); end $$;
select is(pg_temp.ids(pdpp_connection_list('clc-1', cursor => cursor)), array['cl-living-1-idle', 'cl-lost-1-active', 'cl-lost-1-idle', 'cl-never-1-active', 'cl-never-1-idle', 'cl-zzz'],
    'the rest of it, and what is new behind') from kept;
select is(pdpp_connection_list(connector_instance_id => 'cl-lost-1-active')#>'{data,0,active_run}', 'null', 'a run that has ended is active no more');
select is(pg_temp.ids(pdpp_connection_list(active => true, cursor => cursor)), pg_temp.ids(pdpp_connection_list(active => true, page_size => 500, cursor => cursor)), 'a cursor goes with other filters') from kept;

-- rows written by hand: a run in flight that has an ending is in flight for nobody else either; an id that is none
do $$ begin perform pdpp_run_now('clc-h', 'cl-hand', 'cl-hand'); end $$;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at) values ('cl-hand', 2, 'e', 'run.abandoned', now(), now(), now());
select is(pdpp_run_status('cl-hand')->>'status', 'abandoned', 'flight state whose run has ended');
select is(pdpp_connection_list('clc-h')#>'{data,0,active_run}', 'null', 'has no active run');
select is(pg_temp.ids(pdpp_connection_list('clc-h', active => true)), '{}'::text[], 'nor is it one that has');
insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation) values ('cl-untimed', 'clc-t', 'cl-unknown', 't', now(), 1);
select is(pdpp_connection_list(connector_instance_id => 'cl-untimed')#>'{data,0,active_run}', 'null', 'nor has flight state of a run that was never admitted');
insert into pdpp.connections (connector_instance_id, connector_id) values (repeat('cl', 200), 'clc-l'), ('', 'clc-l');
select is(pg_temp.ids(pdpp_connection_list('clc-l')), '{}'::text[], 'no id, and one that is too long');
update pdpp.connections set run_timeout = '-1 s', boot_epoch = gen_random_uuid() where connector_instance_id = 'cl-aaa';
select is((pdpp_connection_list(connector_instance_id => 'cl-aaa')#>'{data,0}') - '{links,active_run}'::text[],
    '{"object": "connection", "connector_instance_id": "cl-aaa", "connector_id": "clc-1", "offered": false, "controller_id": null, "run_generation": 0, "timeout_seconds": null}', 'a time that is none, a boot that nobody knows');

select is(pdpp_connection_list('clc-1', cursor => ''), pdpp_connection_list('clc-1'), 'an empty cursor is none');

-- what is refused
select pg_temp.refused(format('select pdpp_connection_list(cursor => %L)', bad), 'PT400', 'invalid_cursor', 'cursor', 'a cursor: ' || what)
from kept, lateral (values ('nonsense', 'x'), ('of a list of runs', 'rl_' || repeat('0', 32)), ('of no tag', 'cl_' || repeat('0', 16)), ('cut', left(cursor, -2)),
    ('longer', cursor || '61'), ('upper case', upper(cursor)), ('of another place', overlay(cursor placing '62' from 20)), ('too long', 'cl_' || repeat('0', 16 + 2 * 257))) as b(what, bad);
do $$ begin perform pdpp_run_now('clc-c', 'clc-c'), pdpp_run_now('clc-d', 'clc-d'); end $$;
select pg_temp.refused(format('select pdpp_run_list(cursor => %L)', cursor), 'PT400', 'invalid_cursor', 'cursor', 'nor is ours one of a list of runs') from kept;
select pg_temp.refused(format('select pdpp_connection_list(page_size => %s)', bad), 'PT400', 'invalid_request', 'page_size', 'page_size ' || bad) from unnest(array['0', '-1', '501', '2147483647']) as bad;
select pg_temp.refused(format('select pdpp_connection_list(%s => %L)', param, bad), 'PT400', 'invalid_request', param, param || ' ' || what)
from unnest(array['connector_id', 'connector_instance_id']) as param, (values ('empty', ''), ('..', '..'), ('with a control character', E'a\n'), ('too long', repeat('x', 257))) as b(what, bad);
select is(pg_temp.refusal('select pdpp_connection_list(page_size => 0)')->>'message', 'page_size must be between 1 and 500', 'the message says what would do');

-- a standby, and whoever reads: nothing is written, and nothing locked
select is(concat(provolatile, proparallel, prosecdef), 'sst', 'stable, parallel safe, with the rights of its owner') from pg_proc where proname = 'pdpp_connection_list';
set local transaction_read_only = on;
select isnt(pdpp_connection_list()->'data', '[]', 'a transaction that is read-only');

select * from finish();
rollback;
