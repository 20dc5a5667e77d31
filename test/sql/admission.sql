-- pdpp_run_now: the acknowledgement, the ids, who may have a run when, repeated calls, and what a rollback leaves.
\i test/sql/include/prelude.psql
begin;
select plan(114);

-- the acknowledgement
create temporary table ack as select pdpp_run_now('spotify') as body;
select is((select array_agg(k order by k) from ack, jsonb_object_keys(body) as k),
          array['links', 'object', 'run_id', 'status', 'trace_id'], 'the run_ack has these keys and no others');
select is(body->>'object', 'run_ack', 'object') from ack;
select is(body->>'status', 'started', 'status') from ack;
select is(body->'links', jsonb_build_object('self', '/_ref/runs/' || (body->>'run_id'),
                                            'timeline', '/_ref/runs/' || (body->>'run_id') || '/timeline'), 'links')
from ack;

-- generated ids
select matches(body->>'run_id', '^run_[0-9a-f]{32}$', 'a generated run id is run_ and 32 hex digits') from ack;
select matches(body->>'run_id', '^run_.{12}7.{3}[89ab]', 'the digits of a UUID of version 7') from ack;
select matches(body->>'trace_id', '^trc_[0-9a-f]{32}$', 'a generated trace id is trc_ and 32 hex digits') from ack;
select ok(abs(('x' || substr(body->>'run_id', 5, 12))::bit(48)::bigint
              - extract(epoch from clock_timestamp()) * 1000) < 600000,
          'the id begins with the milliseconds of its admission') from ack;

create temporary table many (n integer, body jsonb);
insert into many select n, pdpp_run_now('many', 'many-' || n) from generate_series(1, 200) as n;
select is(count(distinct body->>'run_id'), 200::bigint, '200 admissions, 200 run ids') from many;
select is(count(distinct body->>'trace_id'), 200::bigint, 'and 200 trace ids') from many;
select is(count(distinct substr(body->>'run_id', 22)), 200::bigint, 'the last 15 digits differ: nobody guesses them')
from many;
select pg_temp.rows_are('select substr(body->>''run_id'', 1, 17) from many order by n',
                  'select substr(body->>''run_id'', 1, 17) from many order by (body->>''run_id'') collate "C"',
                  'run ids sort by time, to the millisecond');

-- what is in between says where the connection's runs belong
create function pg_temp.placement_in(ack jsonb) returns text language sql as $$ select substr(ack->>'run_id', 18, 3) $$;
select is_empty($$select n from many where pg_temp.placement_in(body)
                  <> left(encode(sha256(convert_to('many-' || n, 'UTF8')), 'hex'), 3)$$,
    'in between, the first 12 bits of the SHA-256 of its connection');
select is(pg_temp.placement_in(pdpp_run_now('x', connection)), placement, 'for ever: ' || connection)
from (values ('gmail', '576'), ('gmail-anna', 'bec'), ('ä', '33e')) as fixed(connection, placement);
select is(pg_temp.placement_in(pdpp_run_now('placed', idempotency_key => 'placement')), 'f41',
    'a connector''s id stands for its connection');
select is_empty('select 1 from many as m where pdpp_run_timeline(m.body->>''run_id'')#>>''{data,0,event_id}''
                   is distinct from ''evt_'' || (m.body->>''run_id'') || ''_1''', 'an event is known by its run and its number');

-- what admission writes, together
select pg_temp.rows_are(
    $$select e.event_type, e.event_seq, e.actor_type, e.actor_id, e.connector_instance_id, e.trace_id, e.object_type,
             e.object_id, e.status, e.version, e.data_json
      from pdpp.spine_events as e, ack where e.run_id = body->>'run_id'$$,
    $$select 'run.admitted', 1::bigint, null, 'spotify', 'spotify', body->>'trace_id', null, null, 'active', null, '{}'::jsonb
      from ack$$,
    'run.admitted is the first event');
select pg_temp.rows_are(
    $$select f.connector_instance_id, f.connector_id, f.trace_id, f.run_generation, f.boot_epoch, f.cancel_requested_at
      from pdpp.controller_active_runs as f, ack where f.run_id = body->>'run_id'$$,
    $$select 'spotify', 'spotify', body->>'trace_id', 1::bigint, null::uuid, null::timestamptz from ack$$,
    'the flight row is unowned');
select is(launch_deadline - started_at, current_setting('pdpp.launch_deadline')::interval,
          'its launch deadline is pdpp.launch_deadline after admission')
from pdpp.controller_active_runs, ack where run_id = body->>'run_id';
select pg_temp.rows_are(
    $$select e.occurred_at, e.admitted_at from pdpp.spine_events as e, ack where run_id = body->>'run_id'$$,
    $$select f.started_at, f.started_at from pdpp.controller_active_runs as f, ack where run_id = body->>'run_id'$$,
    'the admission has one time: of its event, of its admitted_at, of the flight row');
select is(pdpp_run_status(body->>'run_id')->>'status', 'active', 'the handle resolves') from ack;

-- connections
select is(pdpp_run_now('c', run_id => 'adm-null')->>'run_id', 'adm-null', 'a null connection…');
select is(connector_instance_id, 'c', '…means the connector id itself') from pdpp.controller_active_runs
where run_id = 'adm-null';
select lives_ok($$select pdpp_run_now('c', 'c-2', 'adm-c2')$$,
    'another connection of the same connector has a run of its own');
select pg_temp.rows_are($$select connector_id, connector_instance_id from pdpp.controller_active_runs
                          where run_id = 'adm-c2'$$,
                        $$values ('c', 'c-2')$$, 'with both ids on record');

-- ids and data that callers bring
select is(pdpp_run_now('c', 'c-3', 'adm-3', null, 'trace-3', '{"a": [1, {"b": 0.10}]}') - 'links',
          '{"object": "run_ack", "run_id": "adm-3", "trace_id": "trace-3", "status": "started"}',
          'ids of the caller are kept');
select is(data_json::text, '{"a": [1, {"b": 0.10}]}', 'and so is data, every digit of it') from pdpp.spine_events
where run_id = 'adm-3';
select is(pdpp_run_now('c', 'c-4', 'adm-4', data => null)->>'run_id', 'adm-4', 'null data…');
select is(data_json, '{}', '…is {}') from pdpp.spine_events where run_id = 'adm-4';
select lives_ok(format('select pdpp_run_now(%L, %L, %L, %L, %L)', repeat('c', 256), repeat('i', 256), repeat('r', 256),
                       repeat('k', 256), repeat('t', 256)), 'ids of 256 bytes');
select lives_ok($$select pdpp_run_now('c', 'x', 'x')$$, 'ids of one byte');
select lives_ok($$select pdpp_run_now('c', '...', '...')$$, 'three dots are an id');
select lives_ok($$select pdpp_run_now(' / %', 'é?#', '😀 &=+"''\')$$, 'spaces, slashes, percent signs, quotes, emoji');
select is(pdpp_run_status('😀 &=+"''\')->>'connector_instance_id', 'é?#', 'which lead back to their run');

-- one active run for each connection
select is(pg_temp.refusal($$select pdpp_run_now('c', 'c-3')$$)->'detail',
          '{"code": "run_already_active", "param": "connector_instance_id", "active_run_id": "adm-3"}',
          'a busy connection is refused, DETAIL names the active run');
select is(pg_temp.refusal($$select pdpp_run_now('c', 'c-3')$$)->>'sqlstate', 'PT409', 'with 409');
select pg_temp.refused($$select pdpp_run_now('c', 'c-3', 'adm-3')$$, 'PT409', 'run_already_active',
    'connector_instance_id',
                       'also for the very id of the active run');
select is(count(*), 1::bigint, 'the refused ones left nothing') from pdpp.spine_events
where connector_instance_id = 'c-3';
select ok(pdpp_run_settle('adm-3', 'completed') is not null, 'once it has ended…');
select lives_ok($$select pdpp_run_now('c', 'c-3', 'adm-3b')$$, '…the connection is free again');

-- an id belongs to one run, for ever
select pg_temp.refused($$select pdpp_run_now('c', 'c-5', 'adm-3b')$$, 'PT409', 'run_id_taken', 'run_id',
    'the id of an active run is taken');
select pg_temp.refused($$select pdpp_run_now('c', 'c-5', 'adm-3')$$, 'PT409', 'run_id_taken', 'run_id',
    'so is the id of an ended run');
select is_empty($$select from pdpp.controller_active_runs where connector_instance_id = 'c-5'$$,
    'the refused ones left no flight row');
select lives_ok($$select pdpp_run_now('c', 'c-5')$$, 'and their connection stays free');

-- generations
create function pg_temp.generation(connection text) returns bigint language sql as
    $$ select run_generation from pdpp.connections where connector_instance_id = connection $$;
select lives_ok($$select pdpp_run_settle(pdpp_run_now('c', 'gen')->>'run_id', 'completed') from generate_series(1, 3)$$,
                'three runs of one connection');
select is(pg_temp.generation('gen'), 3::bigint, 'the generation rises with each admission');
select is(pdpp_run_now('c', 'gen', 'adm-gen')->>'run_id', 'adm-gen', 'a fourth');
select is(run_generation, 4::bigint, 'the flight row carries it') from pdpp.controller_active_runs
where run_id = 'adm-gen';
select pg_temp.refused($$select pdpp_run_now('c', 'gen')$$, 'PT409', 'run_already_active', 'connector_instance_id',
    'a refused one…');
select is(pg_temp.generation('gen'), 4::bigint, '…does not count');

-- idempotency
create temporary table keyed as select pdpp_run_now('c', 'idem', null, 'key-1', null, '{"a": 1, "b": 2}') as body;
select is(pdpp_run_now('c', 'idem', null, 'key-1', null, '{"b": 2, "a": 1}'), body,
          'the same key and arguments: the same acknowledgement, byte for byte') from keyed;
select is(pdpp_run_now('c', 'idem', null, 'key-1', 'trace-of-the-retry', '{"a": 1, "b": 2}'), body,
          'a trace id of the retry does not count') from keyed;
select pg_temp.refused(statement, 'PT422', 'idempotency_conflict', 'idempotency_key',
    'other ' || what || ': a conflict')
from (values ('connector', $$select pdpp_run_now('d', 'idem', null, 'key-1', null, '{"a": 1, "b": 2}')$$),
             ('connection', $$select pdpp_run_now('c', 'other', null, 'key-1', null, '{"a": 1, "b": 2}')$$),
             ('connection, null', $$select pdpp_run_now('c', null, null, 'key-1', null, '{"a": 1, "b": 2}')$$),
             ('run id', $$select pdpp_run_now('c', 'idem', 'adm-other', 'key-1', null, '{"a": 1, "b": 2}')$$),
             ('data', $$select pdpp_run_now('c', 'idem', null, 'key-1', null, '{"a": 1}')$$)) as v(what, statement);
select is(count(*), 1::bigint, 'all of these admitted one run') from pdpp.spine_events
where connector_instance_id = 'idem';
select ok(pdpp_run_settle(body->>'run_id', 'failed') is not null, 'the run ends') from keyed;
select is(pdpp_run_now('c', 'idem', null, 'key-1', null, '{"a": 1, "b": 2}'), body,
          'the key still gives the same acknowledgement') from keyed;
select is_empty($$select from pdpp.controller_active_runs where connector_instance_id = 'idem'$$, 'and starts nothing');
select is(pdpp_run_now('c', 'idem', 'adm-brought', 'key-2', 'trace-2')->>'trace_id', 'trace-2',
    'a key with ids of the caller');
select is(pdpp_run_now('c', 'idem', 'adm-brought', 'key-2') - 'links',
          '{"object": "run_ack", "run_id": "adm-brought", "trace_id": "trace-2", "status": "started"}',
          'gives the first call''s trace again');
select lives_ok($$select pdpp_run_started('adm-brought')$$, 'the run starts');
select is(pdpp_run_now('c', 'idem', 'adm-brought', 'key-2')->>'status', 'started',
    'the acknowledgement stays the same');
select pg_temp.refused($$select pdpp_run_now('c', 'idem', null, 'key-3')$$, 'PT409', 'run_already_active',
                       'connector_instance_id', 'a new key does not open a busy connection');
select is_empty($$select from pdpp.idempotency_keys where key = 'key-3'$$, 'and is not used up by the refusal');
select is((select length(digest) from pdpp.idempotency_keys where key = 'key-1'), 32, 'the digest is a SHA-256');

-- a rollback leaves no handle
savepoint before;
create temporary table undone as select pdpp_run_now('c', 'undone', 'adm-undone', 'key-undone') as body;
rollback to before;
select is(pdpp_run_status('adm-undone')->'error'->>'code', 'not_found', 'a rolled back handle never was');
select is_empty($$select from pdpp.spine_events where run_id = 'adm-undone'$$, 'no event');
select is_empty($$select from pdpp.controller_active_runs where run_id = 'adm-undone'$$, 'no flight row');
select is_empty($$select from pdpp.idempotency_keys where key = 'key-undone'$$, 'no key');
select is(pg_temp.generation('undone'), null, 'no generation');
select is(pdpp_run_now('c', 'undone', 'adm-undone', 'key-undone')->>'run_id', 'adm-undone',
    'the same call works afterwards');

-- bad arguments
select pg_temp.refused(format('select pdpp_run_now(%s => %s%s)', arg, value,
                              case when arg = 'connector_id' then '' else ', connector_id => ''c-bad''' end),
                       'PT400', 'invalid_request', arg, format('%s: %s', arg, what))
from unnest(array['connector_id', 'connector_instance_id', 'run_id', 'idempotency_key', 'trace_id']) as arg,
     (values ('empty', ''''''), ('257 bytes', 'repeat(''x'', 257)'), ('a dot', '''.'''), ('two dots', '''..'''),
             ('a newline', 'E''a\nb'''), ('DEL', 'E''a\x7f''')) as v(what, value);
select pg_temp.refused('select pdpp_run_now(null)', 'PT400', 'invalid_request', 'connector_id', 'connector_id: null');
select pg_temp.refused(format('select pdpp_run_now(''c-bad'', data => %L)', value), 'PT400', 'invalid_request', 'data',
    'data: ' || value)
from unnest(array['[]', '"text"', '1', 'true', 'null']) as value;
select pg_temp.refused($$select pdpp_run_now('c-bad', data => jsonb_build_object('x', repeat('x', 65536)))$$,
                       'PT413', 'event_too_large', 'data', 'data: too large');
select is_empty($$select from pdpp.spine_events where actor_id = 'c-bad'$$, 'none of these left anything');

select * from finish();
rollback;
