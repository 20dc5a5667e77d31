-- pdpp_run_endings: counts of endings in windows of time that lose none and count none twice.
\i test/sql/include/prelude.psql
begin;
select plan(32);

-- An ending as it stands on the spine, recorded then.
create function pg_temp.ending(id text, recorded timestamptz, type text, data jsonb default '{}') returns void language sql as $$
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
    values (id, 3, 'e', type, recorded, recorded, data)
$$;

-- where to begin
create temporary table beginning as select pdpp_run_endings() as r;
select is(r - 'until', '{"object": "run_endings", "since": null, "data": [], "detection": [], "has_more": false}', 'without a beginning: nothing but where to begin')
from beginning;
select cmp_ok((r->>'until')::timestamptz, '<=', clock_timestamp() - interval '1 s', 'which is past') from beginning;
select cmp_ok((r->>'until')::timestamptz, '>', now() - interval '1 min', 'but not long') from beginning;
select matches(r->>'until', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00$', 'in UTC, with microseconds') from beginning;
-- this transaction writes, and has for more than a second
select pg_temp.ending('en-0', '2026-01-01 00:00:00Z', 'run.completed') is null as begun \gset
do $$ begin while clock_timestamp() < now() + interval '1.1 s' loop perform pg_sleep(0.02); end loop; end $$;
select is((pdpp_run_endings()->>'until')::timestamptz, now(), 'while somebody writes, to the microsecond: when that began');
set local timezone = 'Asia/Kathmandu';
set local datestyle = 'SQL, DMY';
select is((pdpp_run_endings()->>'until')::timestamptz, now(), 'whatever the session''s time zone and style');
reset timezone;
reset datestyle;

-- reasons, as the status tells them
select pg_temp.ending('en-' || n, '2026-01-02 00:00:00Z', 'run.' || status, data) is null as written
from (values (1, 'completed', '{}'::jsonb), (2, 'completed', '{}'), (3, 'completed', '{"reason": "because"}'),
    (4, 'failed', '{"reason": "launch_failed", "failure_reason": "no"}'), (5, 'failed', '{"failure_reason": "launch_failed"}'),
    (6, 'failed', '{"reason": "", "failure_reason": "launch_failed"}'), (7, 'failed', '{"reason": 7, "failure_reason": ["x"]}'),
    (8, 'failed', '{"reason": "", "failure_reason": ""}'), (9, 'cancelled', '{"reason": "owner_cancelled"}'), (10, 'abandoned', '{"reason": null}'),
    (11, 'failed', jsonb_build_object('reason', 'Grüße "' || chr(7) || '"'))) as e(n, status, data) \g /dev/null
select is(pdpp_run_endings('2026-01-02Z')->'data', '[{"count": 3, "reason": "launch_failed", "status": "failed"},
    {"count": 2, "reason": null, "status": "completed"}, {"count": 2, "reason": null, "status": "failed"},
    {"count": 1, "reason": null, "status": "abandoned"}, {"count": 1, "reason": "owner_cancelled", "status": "cancelled"},
    {"count": 1, "reason": "because", "status": "completed"}, {"count": 1, "reason": "Grüße \"\u0007\"", "status": "failed"}]',
    'by status and reason, the most first; strings only, and empty is none');
select pg_temp.ending('en-admitted', '2026-01-02 00:00:01Z', 'run.admitted') is null,
       pg_temp.ending('en-started', '2026-01-02 00:00:01Z', 'run.started') is null,
       pg_temp.ending('en-late', '2026-01-02 00:00:01Z', 'run.late_outcome') is null as others \g /dev/null
select is(pdpp_run_endings('2026-01-02 00:00:00.000001Z')->'data', '[]', 'nothing else is an ending, and a window begins with its beginning');

-- windows that are put together
create temporary table recorded as
select n, '2026-02-01Z'::timestamptz + n * interval '1 us' * (case when n % 3 = 0 then 1 else 1000003 end) as at from generate_series(1, 300) as n;
select count(pg_temp.ending('en-w-' || n, at, 'run.completed')) from recorded \g /dev/null
select is_empty($$select b.at from recorded as b, pdpp_run_endings(b.at) as r
    where r->'data'->0->>'count' <> (select count(*)::text from recorded as l where l.at >= b.at)$$, 'from each ending on: it and all later ones');
select is(pg_temp.ending('en-last', now() - interval '1 us', 'run.completed') is null, true, 'one just before the end of the window');
select is(pg_temp.ending('en-next', now(), 'run.completed') is null, true, 'one just at its end');
select is(pdpp_run_endings(now() - interval '1 us')->'data'->0->'count', '1', 'the first is in this window, the second in the next');
select is(r->>'since', '2026-02-01T00:00:00.000003+00:00', 'its beginning is said exactly') from pdpp_run_endings('2026-02-01 00:00:00.000003Z') as r;
select is(r - 'since' - 'until', '{"object": "run_endings", "data": [], "detection": [], "has_more": false}', 'from where the last one ended: nothing')
from pdpp_run_endings((pdpp_run_endings('2026-02-01Z')->>'until')::timestamptz) as r;
select is(r, jsonb_build_object('object', 'run_endings', 'since', r->'until', 'until', '2100-01-01T00:00:00+00:00', 'data', '[]'::jsonb,
    'detection', '[]'::jsonb, 'has_more', false), 'from a time to come: nothing, and no step back') from pdpp_run_endings('2100-01-01Z') as r;
select is(r->>'since', '-infinity', 'from ever') from pdpp_run_endings('-infinity') as r;
select is(pdpp_run_endings('-infinity')->'data'->0->'count', '304', 'all');
select pg_temp.refused($$select pdpp_run_endings('infinity')$$, 'PT400', 'invalid_request', 'since', 'never');
select pg_temp.refused($$select pdpp_run_endings('294276-12-31 23:59:59Z')$$, 'PT400', 'invalid_request', 'since', 'nor after the end of time');
select is(r->>'since', '0044-03-15T00:00:00+00:00 BC', 'the year of Caesar') from pdpp_run_endings('0044-03-15 00:00:00Z BC') as r;

-- nothing of this transaction: what it records is later than its start
select is(pdpp_run_settle(pdpp_run_now('c', 'en-own', 'en-own')->>'run_id', 'failed')->'settled', 'true', 'an ending of its own');
select is(pdpp_run_endings(now() - interval '1 ms')->'data', '[{"count": 1, "reason": null, "status": "completed"}]',
    'is not counted before it is committed');

-- detection
insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at, lost_at) values
    ('en', 1, '00000000-0000-4000-8000-00000000000a', '2026-03-01Z', '2026-03-02 00:00:00Z'),
    ('en', 2, '00000000-0000-4000-8000-00000000000b', '2026-03-01Z', null),
    ('en', 3, '00000000-0000-4000-8000-00000000000c', '2026-03-01Z', '2026-03-02 00:01:00Z');
select count(pg_temp.ending('en-d-' || n, '2026-03-02 00:00:05Z'::timestamptz + n * interval '250 ms', type, jsonb_build_object('original_boot_epoch', epoch)))
from (values (1, 'run.abandoned', '"00000000-0000-4000-8000-00000000000a"'::jsonb), (2, 'run.abandoned', '"00000000-0000-4000-8000-00000000000b"'),
    (3, 'run.abandoned', '"00000000-0000-4000-8000-00000000000c"'), (4, 'run.failed', '"00000000-0000-4000-8000-00000000000a"'),
    (5, 'run.abandoned', '"00000000-0000-4000-8000-00000000000d"'), (6, 'run.abandoned', '"00000000-0000-4000-8000-00000000000a"'),
    (7, 'run.abandoned', '"nonsense"'), (8, 'run.abandoned', '""'), (9, 'run.abandoned', '{"a": [1]}'), (10, 'run.abandoned', 'null'),
    (11, 'run.abandoned', '"00000000-0000-4000-8000-00000000000a\n"'), (12, 'run.abandoned', '17')) as e(n, type, epoch) \g /dev/null
select is(r->'detection', '[5.250000, 0, 6.500000]', 'seconds from the loss of the controller, where that is known, and not less than none')
from pdpp_run_endings('2026-03-02Z') as r;
select is(pdpp_run_endings('2026-03-02Z')->'data'->0, '{"count": 11, "reason": null, "status": "abandoned"}', 'an epoch that is none is an ending all the same');
select is((select count(*) from jsonb_array_elements(pdpp_run_endings('2026-03-02 00:00:05.25Z')->'detection')), 3::bigint, 'those of the window');
select is((select count(*) from jsonb_array_elements(pdpp_run_endings('2026-03-02 00:00:05.250001Z')->'detection')), 2::bigint, 'alone');

-- more than one call counts: several at each microsecond, also at those where a window ends
select count(pg_temp.ending('en-m-' || n, '2026-04-01Z'::timestamptz + n / 7 * interval '1 us', 'run.cancelled')) from generate_series(1, 25000) as n \g /dev/null
create temporary table windows as
with recursive w(r) as (
    select pdpp_run_endings('-infinity')
    union all
    select pdpp_run_endings((r->>'until')::timestamptz) from w where (r->'has_more')::boolean
) select row_number() over () as n, r, (select sum((c->'count')::bigint) from jsonb_array_elements(r->'data') as c) as count from w;
select is(array_agg(count between 10000 and 10006 order by n), '{t,t,f}', 'one call counts ten thousand, and others of the same microsecond') from windows;
select is(sum(count), (select count(*) from pdpp.spine_events where recorded_at < now()
    and event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned'))::numeric, 'windows put together count each ending once') from windows;
select is(sum(jsonb_array_length(r->'detection')), 3::bigint, 'and each detection') from windows;
select is((r->>'until')::timestamptz, now(), 'the last one ends where a short one does') from windows where n = 3;

-- in whatever transaction it is asked
select is(pdpp_run_status('en-own')->>'status', 'failed', 'the session goes on');
set local transaction_read_only = on;
select lives_ok($$select pdpp_run_endings('-infinity')$$, 'in a transaction that only reads');

select * from finish();
rollback;
