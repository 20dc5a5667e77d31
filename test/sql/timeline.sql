-- pdpp_run_timeline: the page, paging without a gap or a repeat, the end at 4 MiB, cursors, what is never served.
\i test/sql/include/prelude.psql
begin;
select plan(135);

create function pg_temp.admit(id text) returns text language sql as
    $$ select pdpp_run_now('tc', 'conn-' || id, id, null, 'trace-' || id)->>'run_id' $$;
-- The sequence numbers on a page, as they stand on it.
create function pg_temp.seqs(page jsonb) returns bigint[] language sql as
    $$ select coalesce(array_agg((e->>'event_seq')::bigint order by n), '{}') from jsonb_array_elements(page->'data') with ordinality as d(e, n) $$;

-- the page
select is(pg_temp.admit('tl-1'), 'tl-1', 'a run');
select is(pdpp_run_timeline('tl-1') - 'data' - 'next_cursor',
    '{"object": "run_timeline", "run_id": "tl-1", "trace_id": "trace-tl-1",
    "terminal_status": null, "event_count": 1, "limit": 2000, "truncated": false}',
    'from the instant of the acknowledgement: the page');
select isnt(pdpp_run_timeline('tl-1')->>'next_cursor', null, 'with a cursor for what is yet to come');
select is((select array_agg(k order by k) from jsonb_object_keys(pdpp_run_timeline('tl-1')#>'{data,0}') as k),
          (select array_agg(k order by k) from (select case attname when 'data_json' then 'data' else attname::text end as k from pg_attribute
           where attrelid = 'pdpp.spine_events'::regclass and attnum > 0 and attname <> 'token_id') as columns),
          'an event is its columns, data_json as data, and no token_id');
select is((pdpp_run_timeline('tl-1')#>'{data,0}') - 'event_id' - 'occurred_at' - 'recorded_at' - 'admitted_at',
    '{"run_id": "tl-1", "event_seq": 1, "event_type": "run.admitted", "trace_id": "trace-tl-1", "scenario_id": null,
      "actor_type": "connector", "actor_id": "tc", "subject_type": null, "subject_id": null, "object_type": "run", "object_id": "tl-1",
      "status": "active", "request_id": null, "grant_id": null, "source_kind": null, "source_id": null, "client_id": null,
      "stream_id": null, "interaction_id": null, "connector_instance_id": "conn-tl-1", "data": {}, "version": 1}',
      'the admission');
select is_empty($$select k, v from jsonb_each_text(pdpp_run_timeline('tl-1')#>'{data,0}') as e(k, v)
                  where k like '%\_at' and v !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$'$$,
                  'times are RFC 3339 in UTC');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, trace_id, scenario_id,
    actor_type, actor_id,
    subject_type, subject_id, object_type, object_id, status, request_id, grant_id, source_kind, source_id, client_id,
    stream_id, token_id,
    interaction_id, connector_instance_id, data_json, version)
values ('tl-1', 2, 'e2', 'run.note', '2026-01-31 08:09:10.0459 UTC', '2026-01-31 08:09:11 UTC', 't', 'sc', 'at', 'ai',
    'st', 'si', 'ot', 'oi', 's',
        'r', 'g', 'sk', 'so', 'cl', 'str', 'secret-token', 'int', 'ci',
        '{"n": 1.50, "big": 123456789012345678901234567890.10, "list": [1.0, null, true, [], {}], "text": "😀\n"}', 7);
select is(pdpp_run_timeline('tl-1')#>'{data,1}',
    '{"run_id": "tl-1", "event_seq": 2, "event_id": "e2", "event_type": "run.note",
    "occurred_at": "2026-01-31T08:09:10.045Z", "recorded_at": "2026-01-31T08:09:11.000Z", "admitted_at": null, "trace_id": "t",
    "scenario_id": "sc", "actor_type": "at", "actor_id": "ai", "subject_type": "st", "subject_id": "si", "object_type": "ot",
    "object_id": "oi", "status": "s", "request_id": "r", "grant_id": "g", "source_kind": "sk", "source_id": "so", "client_id": "cl",
    "stream_id": "str", "interaction_id": "int", "connector_instance_id": "ci", "version": 7, "data": {"n": 1.50,
    "big": 123456789012345678901234567890.10, "list": [1.0, null, true, [], {}], "text": "😀\n"}}', 'every column');
select is(pdpp_run_timeline('tl-1')#>>'{data,1,data}', '{"n": 1.50, "big": 123456789012345678901234567890.10, '
          '"list": [1.0, null, true, [], {}], "text": "😀\n"}', 'numbers keep every digit');
select unalike(pdpp_run_timeline('tl-1')::text, '%secret-token%', 'token_id is never served');

-- who an event is by, and the stream that a controller's progress is of
select is(pg_temp.admit('tl-words'), 'tl-words', 'a run that reports');
select is(pdpp_run_started('tl-words')->>'event_seq', '2', 'its start');
select is(pdpp_run_event('tl-words', 'run.progress_reported', data)->>'event_type', 'run.progress_reported', 'progress: ' || data::text)
from unnest(array['{"stream": "inbox", "count": 1}', '{"stream": null}', '{"stream": ""}', '{"stream": 7}', '{}']::jsonb[]) as data;
select is(pdpp_run_event('tl-words', 'run.note', '{"stream": "inbox"}')->>'event_seq', '8', 'something else that says stream');
select is((select array_agg(event->>'actor_type' order by n) from jsonb_array_elements(pdpp_run_timeline('tl-words')->'data')
           with ordinality as e(event, n)),
          array['connector', 'runtime', 'connector', 'connector', 'connector', 'connector', 'connector', 'connector'], 'a start is by the runtime');
select is((select array_agg(event->>'stream_id' order by n) from jsonb_array_elements(pdpp_run_timeline('tl-words')->'data')
           with ordinality as e(event, n)),
          array[null, null, 'inbox', null, null, null, null, null], 'progress is of the stream that it names');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, actor_type, stream_id, data_json)
values ('tl-words', 9, 'e9', 'run.progress_reported', now(), now(), 'at', 'own', '{"stream": "inbox"}');
select is(pdpp_run_timeline('tl-words')#>>'{data,8,stream_id}', 'own', 'a row that has a stream says its own');
select is(pdpp_run_timeline('tl-words')#>>'{data,8,actor_type}', 'at', 'and whom it is by');

-- terminal_status, trace_id: of the run, whatever the page
select is(pdpp_run_settle(pg_temp.admit('tl-' || outcome), outcome)->'settled', 'true', 'a run that ended: ' || outcome)
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome;
select is(pdpp_run_timeline('tl-' || outcome, 1)->>'terminal_status', outcome, outcome || ': on the first page')
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, trace_id)
values ('tl-1', 3, 'e3', 'run.started', now(), now(), 'trace of the start');
select is(pdpp_run_timeline('tl-1')->>'trace_id', 'trace of the start', 'trace_id is that of the status');
select is(pdpp_run_settle('tl-completed', 'failed')->'settled', 'false', 'a late outcome');
select is(pdpp_run_timeline('tl-completed')->>'terminal_status', 'completed', 'changes no terminal_status');
select is(pdpp_run_timeline('tl-completed')#>>'{data,2,event_type}', 'run.late_outcome', 'and is served');

-- paging: a run that goes on and one that has ended
select is(pg_temp.admit('tl-' || what), 'tl-' || what, 'a long run that ' || what)
from unnest(array['goes-on', 'ended']) as what;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
select 'tl-' || what, n, 'e' || n, case when what = 'ended'
    and n = 2500 then 'run.completed' else 'run.note' end, now(), now()
from generate_series(2, 2500) as n, unnest(array['goes-on', 'ended']) as what;
create temporary table walks as
with recursive pages as (
    select run, size, 1 as n, pdpp_run_timeline(run, size) as page
    from unnest(array['tl-goes-on', 'tl-ended']) as run, unnest(array[1, 7, 100, 250, 2499, 2500, 5000]) as size
    union all
    select run, size, n + 1,
    pdpp_run_timeline(run, size, page->>'next_cursor') from pages where page->>'next_cursor' is not null)
select run, size, n, page, (page->>'event_count')::integer as events, (page->>'truncated')::boolean as truncated,
       page->>'next_cursor' as next_cursor from pages;
select is(array_agg(seq order by n, position), array(select generate_series(1, 2500)::bigint),
    format('%s, pages of %s: no gap, no repeat', run, size))
from walks, unnest(pg_temp.seqs(page)) with ordinality as s(seq, position) group by run, size order by run, size;
select is_empty($$select run, size, n from walks
    where events <> cardinality(pg_temp.seqs(page)) or events > size or page->'limit' <> to_jsonb(size)$$,
                'event_count and limit are true on every page');
select is_empty('select run, size, n from walks where truncated <> (n * size < 2500)',
    'truncated: exactly while events follow');
select is_empty($$select run, size, n from walks where run = 'tl-ended' and (next_cursor is null) = truncated$$,
                'a run that has ended: next_cursor is null once all of it was read');
select is_empty($$select run, size, n from walks where run = 'tl-goes-on' and (next_cursor is null) <> (events = 0)$$,
                'a run that goes on: next_cursor is null only where nothing is new and the caller''s cursor still stands');
select is_empty($$select next_cursor from walks where next_cursor !~ '^[A-Za-z0-9_-]{1,64}$'$$,
    'a cursor is fit for a URL');
select is((pdpp_run_timeline('tl-ended')->>'event_count')::int, 2000, 'the default page has 2000 events');
select is((pdpp_run_timeline('tl-ended', null, null)->>'event_count')::int, 2000, 'so has null');
create temporary table kept as select next_cursor as cursor from walks where run = 'tl-goes-on' and size = 250
    and n = 1;
select is(pdpp_run_timeline('tl-goes-on', 250, cursor)->'data',
    (select page->'data' from walks where run = 'tl-goes-on' and size = 250 and n = 2),
          'a cursor may be used again') from kept;
select is((pdpp_run_timeline('tl-goes-on', 10, cursor)#>>'{data,0,event_seq}')::int, 251, 'and with another page size')
from kept;

-- newest first: the same, the other way round
create temporary table back as
with recursive pages as (
    select run, size, 1 as n, pdpp_run_timeline(run, size, newest_first => true) as page
    from unnest(array['tl-goes-on', 'tl-ended']) as run, unnest(array[1, 7, 2500, 5000]) as size
    union all
    select run, size, n + 1,
    pdpp_run_timeline(run, size, page->>'next_cursor', newest_first => true) from pages where page->>'next_cursor' is not null)
select * from pages;
select is(array_agg(seq order by n, position), array(select generate_series(2500, 1, -1)::bigint),
    format('%s, newest first, pages of %s: no gap, no repeat', run, size))
from back, unnest(pg_temp.seqs(page)) with ordinality as s(seq, position) group by run, size order by run, size;
select is_empty($$select run, size, n from back where (page->>'truncated')::boolean <> (n * size < 2500)
    or (page->>'next_cursor' is null) = (page->>'truncated')::boolean$$, 'the first event is the end, of a run that goes on too');
select is(pg_temp.seqs(pdpp_run_timeline('tl-goes-on', 2, page->>'next_cursor')), '{2495,2496}',
    'a cursor is a place, whichever way it is read from') from back where run = 'tl-goes-on' and size = 7 and n = 1;

-- by type
select is(pg_temp.seqs(pdpp_run_timeline('tl-ended', event_type => 'run.completed')), '{2500}', 'by type');
select is(pg_temp.seqs(pdpp_run_timeline('tl-ended', 2, event_type => 'run.note')), '{2,3}', 'by type, a page');
select is(pg_temp.seqs(pdpp_run_timeline('tl-ended', 2, pdpp_run_timeline('tl-ended', 2, event_type => 'run.note')->>'next_cursor', 'run.note')),
    '{4,5}', 'and the next one');
select is(pg_temp.seqs(pdpp_run_timeline('tl-ended', 2, null, 'run.note', true)), '{2499,2498}', 'by type, newest first');
select is(pdpp_run_timeline('tl-ended', event_type => 'run.nothing')->'data', '[]', 'of a type that there is none of');
select is(pdpp_run_timeline('tl-ended', event_type => null, newest_first => null), pdpp_run_timeline('tl-ended'), 'null is the default');

-- a follower keeps the last cursor it got
create temporary table follower as select next_cursor as cursor from walks where run = 'tl-goes-on' and size = 5000
    and n = 1;
select is((pdpp_run_timeline('tl-goes-on', 5000, cursor) - array['object', 'run_id', 'trace_id', 'limit']),
          '{"data": [], "event_count": 0, "truncated": false, "next_cursor": null, "terminal_status": null}',
          'nothing new: an empty page') from follower;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
select 'tl-goes-on', n, 'e' || n, case n when 2502 then 'run.failed' else 'run.note' end, now(), now()
from generate_series(2501, 2503) as n;
select is(pg_temp.seqs(pdpp_run_timeline('tl-goes-on', 5000, cursor)), '{2501,2502,2503}',
    'and it misses no event that came later') from follower;
select is(pdpp_run_timeline('tl-goes-on', 1, cursor)->>'terminal_status', 'failed',
    'terminal_status is that of the run, not of the page') from follower;
select is(pdpp_run_timeline('tl-goes-on', 3, cursor)->>'next_cursor', null, 'the last page of a run that has ended')
from follower;

-- page_size
select pg_temp.refused(format('select pdpp_run_timeline(''tl-1'', %s)', size), 'PT400', 'invalid_request', 'page_size',
    'page_size ' || size)
from unnest(array[0, -1, 5001, 2147483647, -2147483648]) as size;
select pg_temp.refused($$select pdpp_run_timeline('tl-unknown', 0)$$, 'PT400', 'invalid_request', 'page_size',
    'also for an unknown run: parameters come first');

-- the end at 4 MiB: 300 events of 60,000 bytes that do not compress away, and one that alone is larger
select is(pg_temp.admit('tl-wide'), 'tl-wide', 'a wide run');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
select 'tl-wide', n, 'e' || n, 'run.note', now(), now(), jsonb_build_object('x', repeat('x', 60000))
from generate_series(2, 300) as n;
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
select 'tl-wide', 301, 'e301', 'run.note', now(), now(), jsonb_build_object('x', repeat('x', 5000000));
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at) values ('tl-wide',
    302, 'e302', 'run.note', now(), now());
create temporary table wide as
with recursive pages as (
    select 1 as n, pdpp_run_timeline('tl-wide', 5000) as page
    union all
    select n + 1, pdpp_run_timeline('tl-wide', 5000,
    page->>'next_cursor') from pages where page->>'next_cursor' is not null)
select n, page, octet_length(page::text) as bytes from pages;
select is(array_agg(seq order by n, position), array(select generate_series(1, 302)::bigint),
    'pages that end at 4 MiB: no gap, no repeat')
from wide, unnest(pg_temp.seqs(page)) with ordinality as s(seq, position);
select is(page->'truncated', 'true', 'the first page is truncated…') from wide where n = 1;
select cmp_ok(bytes, '<', 4 * 1024 * 1024 + 65536, '…at 4 MiB, or within the event that reached it') from wide
where n = 1;
select cmp_ok(bytes, '>', 3 * 1024 * 1024, '…and is well filled') from wide where n = 1;
select is((page->>'event_count')::int, 1, 'an event larger than a page gets through by itself') from wide
where page#>>'{data,0,event_seq}' = '301';
select is_empty($$select n from wide where (page->>'truncated')::boolean <> (n < (select max(n) - 1 from wide))$$,
    'truncated until the last event');

-- cursors
create temporary table cursor as select cursor as text from kept;
select is(pg_temp.admit('tl-2'), 'tl-2', 'another run');
select pg_temp.refused(format('select pdpp_run_timeline(''tl-2'', 10, %L)', text), 'PT400', 'invalid_cursor', 'cursor',
    'the cursor of another run')
from cursor;
select is(pdpp_run_timeline('tl-2', 10, ''), pdpp_run_timeline('tl-2', 10), 'an empty cursor is none');
select is_empty(
    $$select position from cursor, generate_series(1, length(text)) as position
      where pg_temp.refusal(format('select pdpp_run_timeline(''tl-goes-on'', 10, %L)', overlay(text placing
            case substr(text, position, 1) when '0' then '1' else '0' end
            from position for 1)))->'detail'->>'code' is distinct from 'invalid_cursor'$$,
    'a cursor changed in any one character');
select pg_temp.refused(format('select pdpp_run_timeline(''tl-goes-on'', 10, %L)', value), 'PT400', 'invalid_cursor',
    'cursor', 'not a cursor: ' || what)
from cursor, lateral (values ('a number', '250'), ('cut', left(text, -1)), ('longer', text || '0'),
    ('upper case', 'tl_' || upper(substr(text, 4))),
    ('another prefix', 'xx_' || substr(text, 4)), ('a space before', ' ' || text),
    ('a minus', 'tl_-' || substr(text, 5)),
    ('no hex', 'tl_' || repeat('g', 32)), ('zeros', 'tl_' || repeat('0', 32)), ('all ones', 'tl_' || repeat('f', 32)),
    ('long', repeat('a', 100000)), ('a run id', 'tl-long'), ('quotes', ''' or true --'),
    ('a control character', E'\x01')) as v(what, value);

-- unknown runs
select is(pdpp_run_timeline(null), null, 'null gets null');
select is(pdpp_run_timeline('tl-unknown'), pdpp_run_status('tl-unknown'), 'an unknown run: the typed not_found');
select is(pdpp_run_timeline('tl-unknown', 10, text)->'error'->>'code', 'not_found', 'also with a cursor') from cursor;
select is(pdpp_run_timeline(id)->'error'->>'code', 'not_found', 'an impossible id is simply unknown: ' || what)
from (values ('empty', ''), ('..', '..'), ('a control character', E'\x7f'), ('too long', repeat('x', 257)))
    as v(what, id);

-- what is never served
select is(pg_temp.admit('tl-secret'), 'tl-secret', 'a run with credentials in its events');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, object_type,
    object_id, token_id)
select 'tl-secret', n + 1, 'e' || n, 'run.note', now(), now(), type, 'secret-' || n, 'secret-token-' || n
from unnest(array['token', 'pending_consent', 'owner_device_auth', 'grant', null]) with ordinality as t(type, n);
select is(pdpp_run_timeline('tl-secret')#>>array['data', n::text, 'object_id'], shown, 'object_id of a ' || type)
from (values (1, 'token', '<redacted-token-id>'), (2, 'pending_consent', '<redacted-device-code>'),
    (3, 'owner_device_auth', '<redacted-device-code>'),
             (4, 'grant', 'secret-4'), (5, 'nameless object', 'secret-5')) as v(n, type, shown);
select unalike(pdpp_run_timeline('tl-secret')::text, '%secret-token%', 'token_id: never');
select is(pdpp_run_event('tl-secret', 'run.note', value)->>'object', 'run_event', 'credentials in data') from (values
    ('{"device_code": "secret-a", "user_code": 7, "request_uri": {"secret-b": ["secret-c"]}, "kept": "a"}'::jsonb),
    ('{"list": [{"device_code": ["secret-d"]}, [[{"user_code": null, "kept": 1.50}]]], "kept": {"request_uri": true, "kept": "b"}}'),
    ('{"Device_Code": "kept", "device_code_": "kept", "user": {"code": "kept"}, "values": ["device_code", "user_code"]}'),
    ('{"device_code": {}, "user_code": [], "request_uri": ""}')) as v(value);
select is(pdpp_run_timeline('tl-secret')#>array['data', n::text, 'data'], served::jsonb, 'data served: ' || what)
from (values
    (6, 'strings, numbers, objects',
    '{"device_code": "<redacted-bearer>", "user_code": "<redacted-bearer>", "request_uri": "<redacted-bearer>", "kept": "a"}'),
    (7, 'at any depth', '{"list": [{"device_code": "<redacted-bearer>"}, [[{"user_code": "<redacted-bearer>", "kept": 1.50}]]],
                          "kept": {"request_uri": "<redacted-bearer>", "kept": "b"}}'),
    (8, 'these keys only',
    '{"Device_Code": "kept", "device_code_": "kept", "user": {"code": "kept"}, "values": ["device_code", "user_code"]}'),
    (9, 'empty ones', '{"device_code": "<redacted-bearer>", "user_code": "<redacted-bearer>", "request_uri": "<redacted-bearer>"}')) as v(n, what, served);
select is_empty($$select e->'data' from jsonb_array_elements(pdpp_run_timeline('tl-secret')->'data') as e
    where (e->'data')::text ~ 'secret'$$,
                'no secret is left in any data');
select lives_ok(format('select pdpp_run_event(''tl-secret'', ''run.note'', %L)',
                       '{"device_code": ' || repeat('[', 1000) || '"secret"' || repeat(']',
                       1000) || ', "deep": ' || repeat('[', 1000) ||
                       '{"user_code": "secret"}' || repeat(']', 1000) || '}'), 'credentials 1,000 levels deep');
select is(pdpp_run_timeline('tl-secret')#>>'{data,10,data}',
    '{"deep": ' || repeat('[', 1000) || '{"user_code": "<redacted-bearer>"}' ||
          repeat(']', 1000) || ', "device_code": "<redacted-bearer>"}', 'are redacted as well');
select is(pdpp_run_settle('tl-secret', 'failed', '{"device_code": "secret", "failure_message": "m"}')->'settled',
    'true', 'an ending with a credential');
select is(pdpp_run_timeline('tl-secret')#>'{data,11,data}',
    '{"device_code": "<redacted-bearer>", "failure_message": "m"}', 'its event is redacted');

select * from finish();
rollback;
