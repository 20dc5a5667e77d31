-- pdpp_run_status: every row of the status table, what is passed through, and what is nobody's.
\i test/sql/include/prelude.psql
begin;
select plan(260);

-- A run of which exactly these lifecycle events stand, written by hand: each with its own connector, trace and time.
create function pg_temp.spine(id text, variadic events text[]) returns text language sql as $$
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, actor_id, trace_id,
                                   connector_instance_id, data_json)
    select id, n, 'e' || n, event, timestamptz '2026-01-31 08:09:10.0459 UTC' + n * interval '1 hour', now(),
           'connector of ' || event, 'trace of ' || event, 'connection of ' || id, '{}'
    from unnest(events) with ordinality as e(event, n);
    select id
$$;
-- The status of a run that ended as this, with that data.
create function pg_temp.ended(outcome text, data jsonb) returns jsonb language plpgsql as $$
declare
    id text := pdpp_run_now('ended', data => '{"reason": "of the admission"}')->>'run_id';
begin
    return pdpp_run_settle(id, outcome, data) - 'settled';
end
$$;

-- keys
create temporary table admitted as
    select pdpp_run_now('spotify', 'conn-1', 'st-1', null, 'trace-1',
    '{"known_gaps": ["not terminal"], "reason": "no"}') as ack;
create function pg_temp.keys(body jsonb) returns text[] language sql as
    $$ select array_agg(k order by k) from jsonb_object_keys(body) as k $$;
create temporary table every (keys text[]);
insert into every values (array['admitted_at', 'cancel_requested_at', 'completed_at', 'connector_id',
    'connector_instance_id', 'deadline_at',
    'failure', 'links', 'object', 'retried_by', 'retry_of', 'run_id', 'started_at', 'status', 'terminal_reason', 'trace_id']);
select is(pg_temp.keys(pdpp_run_status('st-1')), keys, 'admitted: every key, and no other') from every;
select is(pdpp_run_status('st-1') - 'admitted_at' - 'started_at',
          '{"object": "run_status", "run_id": "st-1", "status": "active", "connector_id": "spotify",
            "connector_instance_id": "conn-1", "trace_id": "trace-1", "completed_at": null, "cancel_requested_at": null, "deadline_at": null, "retry_of": null, "retried_by": null,
            "terminal_reason": null, "failure": null, "links": {"timeline": "/_ref/runs/st-1/timeline"}}',
            'admitted: the body');
select is(pdpp_run_status('st-1')->'started_at', pdpp_run_status('st-1')->'admitted_at',
    'admitted: started_at is the admission''s');
create temporary table first as select pdpp_run_status('st-1') as body;
select lives_ok($$select pdpp_run_started('st-1', '{"known_gaps": ["not terminal"], "reason": "no"}')$$,
    'the run starts');
select is(pg_temp.keys(pdpp_run_status('st-1')), keys, 'started: every key, and no other') from every;
select is(pdpp_run_status('st-1') - 'started_at', body - 'started_at', 'started: all but started_at stays') from first;
select is(pdpp_run_status('st-1')->>'started_at',
          to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
          'started: started_at is that of run.started')
from pdpp.spine_events where run_id = 'st-1' and event_type = 'run.started';
select lives_ok($$select pdpp_run_event('st-1', 'run.progress_reported', '{"status": "done"}')$$, 'events come');
select lives_ok($$select pdpp_run_settle('st-1', 'completed')$$, 'the run ends');
select is(pg_temp.keys(pdpp_run_status('st-1')), keys, 'ended: every key, and no other') from every;
select is(pdpp_run_status('st-1')->'admitted_at', body->'admitted_at', 'ended: admitted_at never changes') from first;
select is(pdpp_run_status('st-1')->>'connector_instance_id', 'conn-1', 'ended: the connection is known');
select lives_ok($$select pdpp_run_now('spotify', 'conn-1', 'st-1-next')$$, 'the next run of the connection');
select is(pdpp_run_status('st-1')->>'status', 'completed', 'changes nothing about it');

-- status: from the lifecycle alone
create temporary table words as
select id, event, status from (values ('run.completed', 'completed'), ('run.failed', 'failed'),
    ('run.cancelled', 'cancelled'),
        ('run.abandoned', 'abandoned'), ('run.progress_reported', 'active'), ('run.cancel_requested', 'active'),
        ('run.late_outcome', 'active')) as v(event, status),
    pg_temp.spine('st-word-' || event, 'run.admitted', 'run.started', event) as id;
select is(pdpp_run_status(id)->>'status', status, event || ': ' || status) from words;
select is(pg_temp.spine('st-none', 'run.progress_reported', 'run.late_outcome'), 'st-none',
    'events, but none of the lifecycle:');
select is(pdpp_run_status('st-none')->'error'->>'code', 'not_found', 'no handle was handed out');
select is(pg_temp.spine('st-backwards', 'run.failed', 'run.started', 'run.admitted'), 'st-backwards',
    'events in another order:');
select is(pdpp_run_status('st-backwards')->>'status', 'failed', 'the ending decides all the same');

-- connector_id and trace_id: of run.started, else of the terminal event, else the admission's
create temporary table sayings as
select id, says from (values (array['run.admitted'], 'run.admitted'), (array['run.admitted', 'run.started'],
    'run.started'),
             (array['run.admitted', 'run.started', 'run.failed'], 'run.started'), (array['run.admitted', 'run.failed'],
             'run.failed'),
             (array['run.failed'], 'run.failed'), (array['run.started'], 'run.started'),
             (array['run.started', 'run.completed'], 'run.started')) as v(events, says),
     pg_temp.spine('st-says-' || array_to_string(events, '-'), variadic events) as id;
select is(pdpp_run_status(id)->>'connector_id', 'connector of ' || says, format('connector_id of %s: %s says', id,
    says)) from sayings;
select is(pdpp_run_status(id)->>'trace_id', 'trace of ' || says, format('trace_id of %s: %s says', id, says))
from sayings;
-- where no event names a connector, it is the source that one tells in its data, in the same order
create function pg_temp.sourced(id text, events jsonb) returns text language sql as $$
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, actor_id, data_json)
    select id, n, 'e' || n, event->>0, now(), now(), now(), event->>1, event->2
    from jsonb_array_elements(events) with ordinality as e(event, n);
    select id
$$;
create temporary table sourced as
select pg_temp.sourced('st-sourced-' || n, events) as id, connector
from (values (1, '[["run.admitted", null, {"source": {"id": "gmail"}}]]'::jsonb, 'gmail'),
             (2, '[["run.admitted", null, {}], ["run.started", null, {"source": {"id": "gmail"}}]]', 'gmail'),
             (3, '[["run.admitted", null, {"source": {"id": "first"}}], ["run.started", null, {"source": {"id": "gmail"}}]]', 'gmail'),
             (4, '[["run.admitted", null, {"source": {"id": "first"}}], ["run.failed", null, {"source": {"id": "gmail"}}]]', 'gmail'),
             (5, '[["run.admitted", null, {"source": {"id": "first"}}], ["run.started", null, {}], ["run.failed", "gmail", {}]]', 'gmail'),
             (6, '[["run.admitted", "gmail", {}], ["run.started", null, {"source": {"id": "another"}}]]', 'gmail'),
             (7, '[["run.admitted", null, {"source": {"id": ""}}]]', null),
             (8, '[["run.admitted", null, {"source": {"id": 7}}]]', null),
             (9, '[["run.admitted", null, {"source": "gmail"}]]', null),
             (10, '[["run.admitted", null, {"source": ["id"]}]]', null)) as s(n, events, connector);
select is(pdpp_run_status(id)->>'connector_id', connector, 'the source of ' || id) from sourced;
select is((select connector_id from pdpp_runs where run_id = id), connector, 'in the view too: ' || id) from sourced;
select is(pdpp_run_status('st-says-run.admitted-run.failed')->>'connector_instance_id',
    'connection of st-says-run.admitted-run.failed',
          'connector_instance_id: for the whole life, terminal included');

-- times
select unnest(array[is(pdpp_run_status(id)->>'admitted_at', admitted, 'admitted_at of ' || id),
                    is(pdpp_run_status(id)->>'started_at', started, 'started_at of ' || id),
                    is(pdpp_run_status(id)->>'completed_at', completed, 'completed_at of ' || id)])
from (values
    ('st-says-run.admitted', '2026-01-31T09:09:10.045Z', '2026-01-31T09:09:10.045Z', null),
    ('st-says-run.admitted-run.started', '2026-01-31T09:09:10.045Z', '2026-01-31T10:09:10.045Z', null),
    ('st-says-run.admitted-run.started-run.failed', '2026-01-31T09:09:10.045Z', '2026-01-31T10:09:10.045Z',
    '2026-01-31T11:09:10.045Z'),
    ('st-says-run.admitted-run.failed', '2026-01-31T09:09:10.045Z', null, '2026-01-31T10:09:10.045Z'),
    ('st-says-run.failed', null, null, '2026-01-31T09:09:10.045Z'),
    ('st-says-run.started', null, '2026-01-31T09:09:10.045Z', null)) as v(id, admitted, started, completed);
set local timezone = 'Asia/Kathmandu';
select is(pdpp_run_status('st-says-run.admitted')->>'admitted_at', '2026-01-31T09:09:10.045Z',
    'times are UTC whatever the session''s zone');
set local datestyle = 'German';
select is(pdpp_run_status('st-says-run.admitted')->>'admitted_at', '2026-01-31T09:09:10.045Z',
    'and RFC 3339 whatever its style');
reset timezone;
reset datestyle;

-- cancel_requested_at: from flight state, while active
select lives_ok($$select pdpp_run_now('c', 'st-cancel', 'st-cancel')$$, 'a run');
select is(pdpp_run_status('st-cancel')->'cancel_requested_at', 'null', 'cancel_requested_at: null');
update pdpp.controller_active_runs set cancel_requested_at = '2026-02-01 00:00:00.9999 UTC' where run_id = 'st-cancel';
select is(pdpp_run_status('st-cancel')->>'cancel_requested_at', '2026-02-01T00:00:00.999Z',
    'cancel_requested_at: when a cancel was asked for');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
values ('st-cancel', 2, 'e2', 'run.completed', now(), now());
select is(pdpp_run_status('st-cancel')->'cancel_requested_at', 'null',
    'cancel_requested_at: null once it has ended, even with flight state left');

-- terminal_reason: data.reason, else data.failure_reason; strings only, empty ones count as absent
select is(pg_temp.ended(outcome, data)->>'terminal_reason', reason,
          format('terminal_reason: %s with %s', outcome, data))
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome,
     (values ('{"reason": "a", "failure_reason": "b"}'::jsonb, 'a'), ('{"failure_reason": "b"}', 'b'),
     ('{"reason": "", "failure_reason": "b"}', 'b'),
             ('{"reason": null, "failure_reason": "b"}', 'b'), ('{"reason": 1, "failure_reason": "b"}', 'b'),
             ('{"reason": ["a"], "failure_reason": {"b": "b"}}', null), ('{"reason": "", "failure_reason": ""}', null),
             ('{"reason": false}', null), ('{"Reason": "a"}', null), ('{}', null)) as v(data, reason);

-- failure: for failed and abandoned
select is(pg_temp.ended(outcome, data)->'failure', expected::jsonb, format('failure: %s with %s', outcome, data))
from unnest(array['failed', 'abandoned']) as outcome,
     (values
    ('{}'::jsonb, '{"reason": null, "message": null, "origin": null, "connector_error_message": null}'),
    ('{"reason": "r", "failure_reason": "fr", "failure_message": "fm", "message": "m", "failure_origin": "o", "connector_error_message": "c"}',
     '{"reason": "r", "message": "fm", "origin": "o", "connector_error_message": "c"}'),
    ('{"failure_reason": "fr", "message": "m"}',
    '{"reason": "fr", "message": "m", "origin": null, "connector_error_message": null}'),
    ('{"reason": "", "failure_message": "", "message": "m", "failure_origin": "", "connector_error_message": ""}',
     '{"reason": null, "message": "m", "origin": null, "connector_error_message": null}'),
    ('{"reason": 1, "failure_message": {"a": 1}, "message": ["m"], "failure_origin": true, "connector_error_message": null}',
     '{"reason": null, "message": null, "origin": null, "connector_error_message": null}')) as v(data, expected);
select is(pg_temp.ended(outcome, '{"failure_reason": "r", "failure_message": "m"}')->'failure', 'null',
    'failure: null for ' || outcome)
from unnest(array['completed', 'cancelled']) as outcome;

-- known_gaps and known_gaps_summary: passed through from the terminal event, if it carries them
select is((pg_temp.ended(outcome, jsonb_build_object(key, value))->key)::text, value::text,
    format('%s, %s: %s as it is', key, outcome, value))
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome,
    unnest(array['known_gaps', 'known_gaps_summary']) as key,
     unnest(array['[{"stream": "a", "from": 1.50, "deep": [[], {}, null]}]', '{"a": 12345678901234567890.123456789000}',
     '"text"', '0.10',
                  'true', 'null', '[]', '{}', '""']::jsonb[]) as value;
select ok(not pg_temp.ended('failed', '{"known_gaps_summary": 1}') ? 'known_gaps', 'each on its own');
select ok(not (body ? 'known_gaps' or body ? 'known_gaps_summary'),
    'absent where the terminal event has none, whatever came before')
from (values (pg_temp.ended('failed', '{"nested": {"known_gaps": [1]}}')), (pdpp_run_status('st-1'))) as v(body);

-- large endings: the terminal event's data is stored out of line
select is(pg_temp.ended('failed', jsonb_build_object('failure_message', repeat('long ', 2000), 'reason', 'r',
    'known_gaps', (select jsonb_agg(md5(n::text)) from generate_series(1, 500) as n)))#>>'{failure,message}',
              repeat('long ', 2000), 'a long message');

-- links: percent-encoded as one segment
create temporary table links as
select id, encoded, pdpp_run_now('c', 'link-' || id, id)->'links' as links
from (values ('AZaz09-._~', 'AZaz09-._~'), ('a/b', 'a%2Fb'), ('a b', 'a%20b'), ('100%', '100%25'), ('%41', '%2541'),
    ('😀', '%F0%9F%98%80'),
             ('é', '%C3%A9'), ('a?b#c', 'a%3Fb%23c'), ('a+b&c=d', 'a%2Bb%26c%3Dd'), ('"\''', '%22%5C%27'),
             (':@!$()*,;', '%3A%40%21%24%28%29%2A%2C%3B'),
             ('[]{}|<>^`', '%5B%5D%7B%7D%7C%3C%3E%5E%60'), ('...', '...'), ('../x', '..%2Fx')) as v(id, encoded);
select is(links, jsonb_build_object('self', '/_ref/runs/' || encoded, 'timeline',
    '/_ref/runs/' || encoded || '/timeline'),
          'links of the acknowledgement: ' || id) from links;
select is(pdpp_run_status(id)->'links', jsonb_build_object('timeline', '/_ref/runs/' || encoded || '/timeline'),
          'the link of the status: ' || id) from links;
select is(pdpp_run_now('c', 'long', repeat('é', 128))#>>'{links,self}', '/_ref/runs/' || repeat('%C3%A9', 128),
    'the longest id');

-- null and the unknown
select is(pdpp_run_status(null), null, 'null gets null');
select is(pdpp_run_status('st-unknown'),
    '{"error": {"type": "not_found_error", "code": "not_found", "message": "Run not found: st-unknown",
                                                     "param": "run_id"}}', 'an unknown id gets the typed envelope');
select is(pdpp_run_status(id)->'error', jsonb_build_object('type', 'not_found_error', 'code', 'not_found', 'param',
    'run_id', 'message', 'Run not found: ' || id),
          'an impossible id is simply unknown: ' || what)
from (values ('empty', ''), ('.', '.'), ('..', '..'), ('a control character', E'a\x01b'), ('DEL', E'a\x7f'),
    ('C1', U&'a\0085'),
             ('a newline', E'a\nb')) as v(what, id);
select is(pdpp_run_status(repeat('é', n))#>>'{error,message}', 'Run not found: ' || repeat('é', 128) || '…',
    format('%s bytes: shown cut, between characters', 2 * n))
from unnest(array[129, 1000, 1000000]) as n;
select is(pdpp_run_status('x' || repeat('é', 128))#>>'{error,message}', 'Run not found: x' || repeat('é', 127) || '…',
    '257 bytes: not within a character');
select is(pdpp_run_status(id)->'error'->>'code', 'not_found', format('ids are exact: %L is another', id))
from unnest(array['ST-1', 'st-1 ', ' st-1', 'st-']) as id;
select lives_ok($$select pdpp_run_status(repeat('x', 1000000))$$, 'and the session goes on');

-- as a SELECT does
select ok((select count(*) > 0 from pg_locks where relation = 'pdpp.spine_events_lifecycle'::regclass and pid = pg_backend_pid() and mode = 'AccessShareLock'),
    'the locks of a read stay until the transaction ends');

select * from finish();
rollback;
