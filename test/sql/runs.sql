-- pdpp_run_list and the view pdpp_runs: what they say of a run is what its handle says; the order, the filters, paging.
\i test/sql/include/prelude.psql
begin;
select plan(65);

create function pg_temp.ids(page jsonb) returns text[] language sql as
    $$ select coalesce(array_agg(r->>'run_id' order by n), '{}') from jsonb_array_elements(page->'data') with ordinality as d(r, n) $$;
-- The body of a status made of a row of the view.
create function pg_temp.instant(at timestamptz) returns text language sql as
    $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;
create function pg_temp.body(r pdpp_runs) returns jsonb language sql as $$
    select jsonb_build_object('object', 'run_status', 'run_id', r.run_id, 'status', r.status, 'connector_id', r.connector_id,
        'connector_instance_id', r.connector_instance_id, 'trace_id', r.trace_id, 'admitted_at', pg_temp.instant(r.admitted_at),
        'started_at', pg_temp.instant(r.started_at), 'completed_at', pg_temp.instant(r.completed_at),
        'cancel_requested_at', pg_temp.instant(r.cancel_requested_at), 'deadline_at', pg_temp.instant(r.deadline_at), 'retry_of', r.retry_of, 'retried_by', r.retried_by, 'terminal_reason', r.terminal_reason,
        'failure', case when r.status in ('failed', 'abandoned') then jsonb_build_object('reason', r.terminal_reason,
            'message', r.failure_message, 'origin', r.failure_origin, 'connector_error_message', r.connector_error_message) end,
        'links', pdpp_run_status(r.run_id)->'links')
        || case when r.known_gaps is null then '{}' else jsonb_build_object('known_gaps', r.known_gaps) end
        || case when r.known_gaps_summary is null then '{}' else jsonb_build_object('known_gaps_summary', r.known_gaps_summary) end
$$;

select is(pdpp_run_list(connector_id => 'li-nobody'), '{"object": "list", "data": [], "has_more": false, "next_cursor": null}',
    'nothing: the body of an empty list');

-- every ending, with every kind of evidence, started and not; and every way of being active
create temporary table evidence as
select n, data from unnest(array['{}', '{"reason": "r"}', '{"failure_reason": "fr"}', '{"reason": "", "failure_reason": "fr"}',
    '{"reason": 1, "failure_reason": null}', '{"reason": ["r"], "failure_message": {"a": 1}, "message": "m"}',
    '{"reason": "r", "failure_message": "fm", "message": "m", "failure_origin": "o", "connector_error_message": "c"}',
    '{"failure_message": "", "message": "m", "failure_origin": "", "connector_error_message": false}',
    '{"known_gaps": [{"stream": "a", "from": 1.50}], "known_gaps_summary": "some"}', '{"known_gaps": null}']::jsonb[])
    with ordinality as e(data, n);
create temporary table words as select unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as word;
create temporary table ended as
select format('li-%s-%s-%s', word, started, n) as id, word, started, data from words, evidence, unnest(array[true, false]) as started;
do $$
declare e record;
begin
    for e in select * from ended order by id loop
        perform pdpp_run_now('li-c' || length(e.word) % 2, 'li-conn-' || e.word, e.id);
        if e.started then perform pdpp_run_started(e.id, '{"reason": "not yet"}'); end if;
        perform pdpp_run_settle(e.id, e.word, e.data);
    end loop;
    perform pdpp_run_settle('li-failed-t-1', 'completed');
    perform pdpp_run_now('li-c0', 'li-admitted', 'li-admitted');
    perform pdpp_run_now('li-c0', 'li-started', 'li-started');
    perform pdpp_run_started('li-started');
    perform pdpp_controller_boot('li');
    perform pdpp_run_now('li-c1', 'li-asked', 'li-asked');
    perform pdpp_run_started('li-asked');
    perform pdpp_run_cancel('li-asked');
    perform pdpp_run_cancel(pdpp_run_now('li-c1', 'li-cancelled', 'li-cancelled')->>'run_id');
    perform pdpp_run_launch_failed(pdpp_run_now('li-c1', 'li-launch', 'li-launch')->>'run_id', 'no such file');
end $$;
create temporary table all_runs as select run_id from pdpp_runs where run_id like 'li-%';
select is(count(*), 85::bigint, 'the view has them all, each once') from all_runs;
select is(cardinality(pg_temp.ids(pdpp_run_list(page_size => 500))), (select count(*)::integer from pdpp_runs), 'so has the list');
select is_empty($$select r->>'run_id' from jsonb_array_elements(pdpp_run_list(page_size => 500)->'data') as r
    where r::text <> pdpp_run_status(r->>'run_id')::text$$, 'the list prints each as pdpp_run_status does, to the byte');
select is_empty($$select run_id, pg_temp.body(r), pdpp_run_status(run_id) from pdpp_runs as r
    where run_id like 'li-%' and pg_temp.body(r) <> pdpp_run_status(run_id)$$, 'the view says of each what pdpp_run_status says');
select is_empty($$select run_id from pdpp_runs
    where run_id like 'li-%' and pdpp_run_timeline(run_id)->>'terminal_status' is distinct from nullif(status, 'active')$$,
    'and the timeline has the same ending');
select set_eq($$select status from pdpp_runs where run_id like 'li-%'$$, array['active', 'completed', 'failed', 'cancelled', 'abandoned'],
    'there were runs of every status');
select is(duration, completed_at - started_at, 'duration: from the start to the end') from pdpp_runs where run_id = 'li-failed-t-1';
select ok(duration is null, 'duration: none of a run that never started, or has not ended: ' || run_id)
from pdpp_runs where run_id in ('li-failed-f-1', 'li-started') order by run_id;
select is(run_generation, 1::bigint, 'run_generation: of a run in flight') from pdpp_runs where run_id = 'li-asked';
select is(run_generation, null, 'run_generation: null once it has ended') from pdpp_runs where run_id = 'li-launch';

-- the order: newest admission first, the same instant by id
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, actor_id, trace_id,
    connector_instance_id)
select 'li-tie-' || to_char(n, 'FM000'), seq, 'e' || seq, type, at, at, at, 'li-tied', 't', 'li-tied-' || n % 2
from generate_series(1, 90) as n, (values (1, 'run.admitted'), (2, 'run.completed')) as e(seq, type),
    lateral (select '2020-01-01Z'::timestamptz + n / 30 * interval '1 us' as at) as a;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, actor_id, trace_id,
    connector_instance_id)
select 'li-tie-Z', seq, 'e' || seq, type, at, at, at, 'li-tied', 't', 'li-tied-0'
from (values (1, 'run.admitted'), (2, 'run.failed')) as e(seq, type), (values ('2020-01-01Z'::timestamptz)) as a(at);
create function pg_temp.expected(status text, connector text, connection text, since timestamptz, until timestamptz) returns text[]
    language sql as $$
    select coalesce(array_agg(r.run_id::text order by r.admitted_at desc, r.run_id desc), '{}') from pdpp_runs as r
    where (r.status = $1 or $1 is null) and (r.connector_id = $2 or $2 is null) and (r.connector_instance_id = $3 or $3 is null)
      and (r.admitted_at >= $4 or $4 is null) and (r.admitted_at < $5 or $5 is null) $$;
select is(pg_temp.ids(pdpp_run_list(page_size => 500)), pg_temp.expected(null, null, null, null, null),
    'newest admission first; of one instant the greater id');

-- every filter and combination, in whole and, some of them, in small pages: what the whole history says, without a gap or a
-- repeat
create temporary table filters as
select row_number() over () as f, status, connector, connection, since, until
from unnest(array[null, 'active', 'completed', 'failed', 'cancelled', 'abandoned']) as status,
     unnest(array[null, 'li-c0', 'li-c1', 'li-tied', 'li-none']) as connector,
     unnest(array[null, 'li-conn-failed', 'li-asked', 'li-tied-0', 'li-none']) as connection,
     (values (null::timestamptz, null::timestamptz), ('2020-01-01 00:00:00.000001Z', null), (null, '2020-01-01 00:00:00.000002Z'),
             ('2020-01-01 00:00:00.000001Z', '2020-01-01 00:00:00.000002Z'), ('-infinity', 'infinity'), ('infinity', null),
             (null, '-infinity')) as v(since, until);
create temporary table walks as
with recursive pages as (
    select f, size, 1 as n, pdpp_run_list(status, connector, connection, since, until, size) as page
    from filters, unnest(array[1, 7, 500]) as size where f % case size when 1 then 40 when 7 then 4 else 1 end = 0
    union all
    select p.f, size, n + 1, pdpp_run_list(status, connector, connection, since, until, size, page->>'next_cursor')
    from pages as p join filters using (f) where page->>'next_cursor' is not null)
select f, size, n, page from pages;
create temporary table walked as
select f, size, coalesce(array_agg(id order by n, position) filter (where id is not null), '{}') as ids, max(n) as pages
from walks left join lateral unnest(pg_temp.ids(page)) with ordinality as i(id, position) on true group by f, size;
select cmp_ok(count(*), '>', 1300::bigint, 'walks') from walked;
select is_empty($$select * from walked join filters using (f) where ids <> pg_temp.expected(status, connector, connection, since, until)$$,
    'each walk finds what its filters let pass, in order, each once');
select is_empty($$select f, size from walked where pages <> greatest(1, ceil(cardinality(ids) / size::numeric))$$,
    'pages are full: every filter is applied before the page is cut');
select is_empty($$select f, size, n from walks where (page->'has_more')::boolean <> (page->>'next_cursor' is not null)
    or (select array_agg(k order by k) from jsonb_object_keys(page) as k) <> '{data,has_more,next_cursor,object}'$$,
    'has_more: exactly where a cursor leads on');
select is(cardinality(pg_temp.ids(pdpp_run_list())), 50, 'the default page has 50');
select is(pdpp_run_list(null, null, null, null, null, null, null), pdpp_run_list(), 'so has null');

-- cursors
create temporary table kept as select pdpp_run_list('completed', page_size => 3)->>'next_cursor' as cursor;
select matches(cursor, '^rl_[0-9a-f]+$', 'a cursor is fit for a URL') from kept;
select is(pdpp_run_list('completed', page_size => 3, cursor => ''), pdpp_run_list('completed', page_size => 3),
    'an empty cursor is none');
select is(pdpp_run_list('completed', page_size => 3, cursor => cursor), pdpp_run_list('completed', page_size => 3, cursor => cursor),
    'a cursor may be used again') from kept;
select is((pg_temp.ids(pdpp_run_list('completed', page_size => 100, cursor => cursor)))[1:3],
    (pg_temp.expected('completed', null, null, null, null))[4:6], 'with another page size') from kept;
select is(pg_temp.ids(pdpp_run_list('completed', page_size => 500, until => '2020-01-01Z', cursor => cursor)), '{}'::text[],
    'until counts with a cursor too') from kept;
select pg_temp.refused(format('select pdpp_run_list(cursor => %L)', bad), 'PT400', 'invalid_cursor', 'cursor', 'a cursor: ' || what)
from kept, lateral (values ('nonsense', 'x'), ('cut', left(cursor, -1)), ('cut by a byte', left(cursor, -2)),
    ('longer', cursor || '00'), ('upper case', upper(cursor)), ('changed', left(cursor, 18) || translate(substr(cursor, 19, 1), '0123456789abcdef', '123456789abcdef0') || substr(cursor, 20)),
    ('another run', regexp_replace(cursor, '..$', 'ff')), ('of a timeline', pdpp_run_timeline('li-started')->>'next_cursor'),
    ('of a time before all', 'rl_ffffffffffffffff' || repeat('0', 16)), ('a megabyte', 'rl_' || repeat('0', 1000000))) as v(what, bad);

-- what is refused
select pg_temp.refused(format('select pdpp_run_list(status => %L)', bad), 'PT400', 'invalid_request', 'status', format('status %s', to_jsonb(bad)))
from unnest(array['', 'Active', 'started', 'done', 'run.failed', 'failed ', E'failed\n']) as bad;
select pg_temp.refused(format('select pdpp_run_list(page_size => %s)', bad), 'PT400', 'invalid_request', 'page_size', 'page_size ' || bad)
from unnest(array[0, -1, 501, 2147483647, -2147483648]) as bad;
select pg_temp.refused(format('select pdpp_run_list(%s => %L)', param, bad), 'PT400', 'invalid_request', param, param || ' ' || what)
from unnest(array['connector_id', 'connector_instance_id']) as param,
    (values ('empty', ''), ('too long', repeat('x', 257)), ('with a control character', E'a\x01')) as v(what, bad);
select is(pg_temp.refusal($$select pdpp_run_list('done')$$)->>'message', 'status must be active, completed, failed, cancelled or abandoned',
    'says what it can be');

-- what runs are not: flight state without its run, a run that ended while flight state stands, ids that no handle has
insert into pdpp.connections values ('li-phantom', 'li-odd', 1, null), ('li-standing', 'li-odd', 1, null);
insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation)
values ('li-phantom', 'li-odd', 'li-phantom', 't', now(), 1), ('li-standing', 'li-odd', 'li-standing', 't', now(), 1);
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, actor_id, trace_id,
    connector_instance_id)
select id, seq, 'e' || seq, type, now(), now(), now(), 'li-odd', 't', 'li-standing'
from unnest(array['li-standing', 'li-' || repeat('x', 300)]) as id, (values (1, 'run.admitted'), (2, 'run.abandoned')) as e(seq, type);
select is(pg_temp.ids(pdpp_run_list('active', 'li-odd')), '{}'::text[], 'active: neither of them');
select is(pg_temp.ids(pdpp_run_list('abandoned', 'li-odd')), array['li-standing'], 'abandoned: as its handle says');
select is(pg_temp.ids(pdpp_run_list(connector_id => 'li-odd')), array['li-standing'], 'all: what has a handle');
select is(status, 'abandoned', 'the view: as its handle says') from pdpp_runs where run_id = 'li-standing';

-- a page ends at 4 MiB, and goes on behind it
do $$ begin
    for n in 1..80 loop
        perform pdpp_run_settle(pdpp_run_now('li-large', 'li-large', 'li-large-' || to_char(n, 'FM000'))->>'run_id', 'failed',
            jsonb_build_object('known_gaps', repeat(chr(64 + n % 26), 65000)));
    end loop;
end $$;
create temporary table large as
with recursive pages as (
    select 1 as n, pdpp_run_list(connector_id => 'li-large', page_size => 500) as page
    union all
    select n + 1, pdpp_run_list(connector_id => 'li-large', page_size => 500, cursor => page->>'next_cursor')
    from pages where page->>'next_cursor' is not null)
select n, page from pages;
select is(count(*), 2::bigint, '5 MB of runs are two pages') from large;
select cmp_ok(max(length(page::text)), '<', 4400000, 'neither much above 4 MiB') from large;
select is(array_agg(id order by n, position), pg_temp.expected(null, 'li-large', null, null, null), 'and hold each once')
from large, unnest(pg_temp.ids(page)) with ordinality as i(id, position);

-- from the instant of the acknowledgement, and of the ending
select is(pdpp_run_now('li-last', run_id => 'li-last')->>'run_id', 'li-last', 'one more run');
select is((pg_temp.ids(pdpp_run_list('active', page_size => 1)))[1], 'li-last', 'the newest admission comes first at once');
select is(pdpp_run_settle('li-last', 'completed')->>'status', 'completed', 'it ends');
select is((pg_temp.ids(pdpp_run_list('completed', page_size => 1)))[1], 'li-last', 'and is listed as such at once');
select is(pg_temp.ids(pdpp_run_list('active', connector_instance_id => 'li-last')), '{}'::text[], 'no longer as active');

select * from finish();
rollback;
