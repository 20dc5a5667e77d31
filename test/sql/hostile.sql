-- Hostile input and hostile surroundings: each is a typed error or simply unknown, and nothing of it is believed.
\i test/sql/include/prelude.psql
begin;
select plan(88);

select lives_ok($$select pdpp_run_now('hc', 'ho-' || n, 'ho-' || n) from generate_series(1, 3) as n$$, 'three runs');
select lives_ok($$select pdpp_run_started('ho-2')$$, 'the second has started');
select lives_ok($$select pdpp_run_settle('ho-3', 'completed')$$, 'the third has ended');

-- ids that no run can have, in every place that takes one
create temporary table impossible (what text, id text);
insert into impossible values ('null', null), ('empty', ''), ('257 bytes', repeat('x', 257)),
    ('257 bytes in 129 characters', 'x' || repeat('é', 128)),
    ('a megabyte', repeat('x', 1048576)), ('.', '.'), ('..', '..'), ('a tab', E'a\tb'), ('a newline', E'ho-1\n'),
    ('a carriage return', E'\rho-1'),
    ('ESC', E'\x1b[2J'), ('the first control character', E'\x01'), ('the last of C0', E'\x1f'), ('DEL', E'a\x7f'),
    ('the first of C1', U&'a\0080'),
    ('NEL, of C1', U&'a\0085b'), ('the last of C1', U&'\009f');
create temporary table writers (param text, nullable boolean, call text);
insert into writers values
    ('connector_id', false, 'pdpp_run_now(%L)'), ('controller_id', false, 'pdpp_controller_boot(%L)'),
    ('run_id', false, 'pdpp_run_started(%L)'), ('run_id', false, 'pdpp_run_event(%L, ''x'')'),
    ('run_id', false, 'pdpp_run_settle(%L, ''failed'')'), ('run_id', false, 'pdpp_run_launch_failed(%L, ''m'')'),
    ('run_id', false, 'pdpp_run_cancel(%L)'), ('event_type', false, 'pdpp_run_event(''ho-1'', %L)'),
    ('connector_instance_id', true, 'pdpp_run_now(''hc'', %L)'), ('run_id', true, 'pdpp_run_now(''hc'', ''ho-x'', %L)'),
    ('idempotency_key', true, 'pdpp_run_now(''hc'', ''ho-x'', idempotency_key => %L)'),
    ('trace_id', true, 'pdpp_run_now(''hc'', ''ho-x'', trace_id => %L)'),
    ('event_id', true, 'pdpp_run_started(''ho-1'', ''{}'', %L)'),
    ('event_id', true, 'pdpp_run_event(''ho-1'', ''x'', ''{}'', %L)'),
    ('event_id', true, 'pdpp_run_settle(''ho-1'', ''failed'', ''{}'', %L)'),
    ('requested_by', true, 'pdpp_run_cancel(''ho-1'', %L)'),
    ('connector_id', true, 'pdpp_run_list(null, %L)'), ('connector_instance_id', true, 'pdpp_run_list(null, null, %L)'),
    ('connector_id', true, 'pdpp_connection_list(%L)'), ('connector_instance_id', true, 'pdpp_connection_list(null, %L)');
select is_empty(format(
    $$select what, r from impossible, pg_temp.refusal(format('select ' || %L, id)) as r
      where (id is not null or not %L) and concat_ws(' ', r->>'sqlstate', r->'detail'->>'code', r->'detail'->>'param')
            is distinct from 'PT400 invalid_request ' || %L$$, call, nullable, param),
            'refused, naming ' || param || ': ' || call)
from writers;
select is_empty($$select what from impossible where id is not null and pdpp_run_status(id)->'error'->>'code' is distinct
    from 'not_found'$$,
                'for a reader they are simply unknown');
select is_empty($$select what from impossible
    where id is not null and pdpp_run_timeline(id)->'error'->>'code' is distinct from 'not_found'$$,
                'for a reader of timelines too');
select is_empty($$select what, s.http_status from impossible, pdpp_run_statuses(array[id]) as s
                  where s.http_status is distinct from case when id is not null then 404 end$$,
                  'and for a reader of many');
select lives_ok($$select pdpp_run_now('hc', id, id) from unnest(array['a.b', '.a', '...', ' ', U&'\00a0', U&'\200b', U&'\2028', '%2F', '''; drop table x; --']) as id$$,
                'other strange ids are ids');
select is(pdpp_run_status('''; drop table x; --')->>'run_id', '''; drop table x; --', 'and found again');

-- data
select is_empty(format(
    $$select value from unnest(array['[]', '"text"', '1', '1e1000', 'true', 'null', '[{}]']) as value
      where pg_temp.refusal(format('select ' || %L, value))->'detail' is distinct
      from '{"code": "invalid_request", "param": "data"}'$$, call),
    'data must be an object: ' || call)
from unnest(array['pdpp_run_now(''hc'', ''ho-x'', data => %L)', 'pdpp_run_started(''ho-1'', %L)',
    'pdpp_run_event(''ho-1'', ''x'', %L)',
                  'pdpp_run_settle(''ho-1'', ''failed'', %L)']) as call;
select pg_temp.refused(format('select ' || call, $$jsonb_build_object('x', repeat('x', 65536))$$), 'PT413',
    'event_too_large', 'data', 'too large: ' || call)
from unnest(array['pdpp_run_now(''hc'', ''ho-x'', data => %s)', 'pdpp_run_started(''ho-1'', %s)',
    'pdpp_run_event(''ho-1'', ''x'', %s)',
                  'pdpp_run_settle(''ho-1'', ''failed'', %s)']) as call;
select pg_temp.refused($$select pdpp_run_event('ho-1', 'x', jsonb_build_object('x', repeat('a', 60000000)))$$, 'PT413',
    'event_too_large', 'data',
                       'however well 60 MB compress');
select is(pdpp_run_event('ho-1', 'x', jsonb_build_object('x', repeat('x', 65536 - 32)))->>'object', 'run_event',
    'just within the bound');
select is(pdpp_run_event('ho-1', 'x', (repeat('{"a":', 2000) || '1' || repeat('}', 2000))::jsonb)->>'object',
    'run_event', '2,000 levels deep');
select is((pdpp_run_timeline('ho-1')->'event_count'), '3', 'are served again');
select is(pdpp_run_settle(pdpp_run_now('hc', 'ho-deep', 'ho-deep')->>'run_id', 'failed',
    ('{"known_gaps":' || repeat('[', 2000) || repeat(']', 2000) || '}')::jsonb)
          ->>'known_gaps', repeat('[', 2000) || repeat(']', 2000), 'and passed through');
select is(pdpp_run_event('ho-2', 'x', (repeat('{"a":', 2500) || '1' || repeat('}', 2500))::jsonb)->>'object',
    'run_event', '2,500 are the most');
set local pdpp.max_event_bytes = 1000000;
select pg_temp.refused(format('select ' || call, format('((repeat(''{"a":'', %1$s) || 1 || repeat(''}'', %1$s))::jsonb)', depth)),
    'PT400', 'invalid_request', 'data', depth || ' levels: ' || call)
from unnest(array['pdpp_run_now(''hc'', ''ho-x'', data => %s)', 'pdpp_run_started(''ho-1'', %s)',
    'pdpp_run_event(''ho-1'', ''x'', %s)', 'pdpp_run_settle(''ho-1'', ''failed'', %s)']) as call,
     unnest(array[2501, 9000]) as depth
where depth = 2501 or call ~ 'event|settle';
select pg_temp.refused($$select pdpp_run_event('ho-1', 'x', (repeat('{"b":[', 1250) || '{}' || repeat(']}', 1250))::jsonb)$$, 'PT400',
    'invalid_request', 'data', 'objects and arrays alike');
reset pdpp.max_event_bytes;
select is(pdpp_run_event('ho-1', 'x', '{"a": 1e131071, "b": -1e-16383, "\"": "\\\u2028"}')->>'object', 'run_event',
    'numbers of any size');
select is(length(pdpp_run_timeline('ho-1')#>>'{data,3,data,a}'), 131072, 'keep every digit');
select throws_ok(format('select pdpp_run_event(''ho-1'', ''x'', %L)', '{"a":' || repeat('[', 1000000)), '54001', null,
    'a million levels are refused by the server');
select is(pdpp_run_status('ho-1')->>'status', 'active', 'and the session goes on');

-- outcomes and types
select pg_temp.refused(format('select pdpp_run_settle(''ho-1'', %L)', outcome), 'PT400', 'invalid_request', 'outcome',
    format('outcome %s', to_jsonb(outcome)))
from unnest(array[null, '', 'done', 'Completed', 'completed ', 'active', 'started', 'run.completed', 'canceled',
    E'failed\n']) as outcome;
select pg_temp.refused(format('select pdpp_run_event(''ho-1'', %L)', type), 'PT400', 'invalid_request', 'event_type',
    'event ' || type)
from unnest(array['run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned',
    'run.cancel_requested',
                  'run.late_outcome']) as type;

-- the wrong moment
select pg_temp.refused($$select pdpp_run_started('ho-2')$$, 'PT409', 'run_already_started', 'run_id', 'a second start');
select pg_temp.refused($$select pdpp_run_started('ho-3')$$, 'PT409', 'run_already_terminal', 'run_id',
    'a start after the end');
select pg_temp.refused($$select pdpp_run_event('ho-3', 'x')$$, 'PT409', 'run_already_terminal', 'run_id',
    'an event after the end');
select pg_temp.refused($$select pdpp_run_cancel('ho-3')$$, 'PT409', 'run_already_terminal', 'run_id',
    'a cancel after the end');
select pg_temp.refused(format('select ' || call, 'ho-unknown'), 'PT404', 'not_found', 'run_id',
    'an unknown run: ' || call)
from unnest(array['pdpp_run_started(%L)', 'pdpp_run_event(%L, ''x'')', 'pdpp_run_settle(%L, ''failed'')',
    'pdpp_run_launch_failed(%L, ''m'')',
                  'pdpp_run_cancel(%L)']) as call;

-- messages
select is(pdpp_run_launch_failed(pdpp_run_now('hc', 'ho-message', 'ho-message')->>'run_id',
    E'line one\nrun_id=forged\x1b[2J' || U&'\0085' || '"\')
          #>>'{failure,message}', E'line one\nrun_id=forged\x1b[2J' || U&'\0085' || '"\',
          'a message is stored as it is');
select is(pdpp_run_launch_failed(pdpp_run_now('hc', 'ho-empty', 'ho-empty')->>'run_id', '')->>'status', 'failed',
    'an empty one ends the run as well');
select is(length(pdpp_run_launch_failed(pdpp_run_now('hc', 'ho-huge', 'ho-huge')->>'run_id',
    repeat(E'\x01', 10000000))#>>'{failure,message}'), 501,
          'ten million characters are bounded');

-- A role without any privilege but EXECUTE plants its own tables, functions and operators, and puts them first in
-- search_path: the functions must find theirs.
create role pdpp_test_mallory;
create schema mallory authorization pdpp_test_mallory;
select lives_ok($$select pdpp_grant('pdpp_test_mallory', 'controller')$$, 'mallory may call');
set local role pdpp_test_mallory;
create table mallory.spine_events (run_id text, event_type text, event_seq bigint, data_json jsonb);
create table mallory.stolen (what text);
create function mallory.equal(text, text) returns boolean language plpgsql as
    $$ begin insert into mallory.stolen values (current_user); return true; end $$;
create operator mallory.= (leftarg = text, rightarg = text, function = mallory.equal);
create function mallory.less(timestamptz, timestamptz) returns boolean language plpgsql as
    $$ begin insert into mallory.stolen values (current_user); return true; end $$;
create operator mallory.<= (leftarg = timestamptz, rightarg = timestamptz, function = mallory.less);
create operator mallory.> (leftarg = timestamptz, rightarg = timestamptz, function = mallory.less);
create function mallory.greater(bigint, bigint) returns boolean language plpgsql as
    $$ begin insert into mallory.stolen values (current_user); return true; end $$;
create operator mallory.> (leftarg = bigint, rightarg = bigint, function = mallory.greater);
create function mallory.concat(jsonb, jsonb) returns jsonb language plpgsql as
    $$ begin insert into mallory.stolen values (current_user); return '{"mallory": true}'; end $$;
create operator mallory.|| (leftarg = jsonb, rightarg = jsonb, function = mallory.concat);
create function mallory.count() returns bigint language plpgsql as $$ begin insert into mallory.stolen values (current_user); return 0; end $$;
create function mallory.jsonb_array_elements(jsonb) returns setof jsonb language plpgsql as
    $$ begin insert into mallory.stolen values (current_user); return; end $$;
create temporary table spine_events (run_id text);
create temporary table pg_class (relname name);
set local search_path = mallory, pg_temp, pg_catalog, public;
create temporary table said as
select public.pdpp_controller_boot('mallory') as boot,
       public.pdpp_controller_offer('[{"connector_instance_id": "mal", "connector_id": "mal"}]') as offer,
       public.pdpp_run_now('mal', 'mal', 'mal') as ack;
insert into said (ack) select public.pdpp_run_claim();
insert into said (ack) select public.pdpp_run_started('mal');
insert into said (ack) select public.pdpp_run_event('mal', 'x');
insert into said (ack) select public.pdpp_run_event('mal', 'x', '{}', 'e') from generate_series(1, 2);
insert into said (ack) select public.pdpp_reconcile();
insert into said (ack) select public.pdpp_run_timeline('mal', 1, public.pdpp_run_timeline('mal', 1)->>'next_cursor');
insert into said (ack) select body from public.pdpp_run_statuses(array['mal']);
insert into said (ack) select public.pdpp_run_cancel('mal');
insert into said (ack) select public.pdpp_run_settle('mal', 'completed');
insert into said (ack) select public.pdpp_run_launch_failed('mal', 'm');
insert into said (ack) select public.pdpp_run_endings('-infinity');
insert into said (ack) select public.pdpp_run_status('mal');
reset search_path;
reset role;
select is_empty('select * from mallory.stolen', 'nothing that mallory planted was called');
select is_empty('select * from mallory.spine_events', 'or written to');
select is((select ack->>'status' from said where ack->>'object' = 'run_status' order by ctid desc limit 1), 'completed',
    'and the run lived as it should');
select is(string_agg(event_type, ' ' order by event_seq),
    'run.admitted run.started x x run.cancel_requested run.completed', 'on the spine')
from pdpp.spine_events where run_id = 'mal';

select * from finish();
rollback;
