-- pdpp_connection_run_now and pdpp_connector_run_now: which connection and which connector they run, and that they are
-- pdpp_run_now in everything else.
\i test/sql/include/prelude.psql
begin;
select plan(66);

-- What an acknowledged run runs: connector, connection, generation.
create function pg_temp.runs(ack jsonb) returns text language sql as $$
    select concat_ws(' ', connector_id, connector_instance_id, run_generation) from pdpp.controller_active_runs
    where run_id = ack->>'run_id'
$$;
create function pg_temp.ended(ack jsonb) returns text language sql as
    $$ select pdpp_run_settle(ack->>'run_id', 'completed')->>'status' $$;

-- a connection on record
insert into pdpp.connections values ('by-anna', 'by', 4, null);
create temporary table ack as select pdpp_connection_run_now('by-anna') as body;
select is((select array_agg(k order by k) from ack, jsonb_object_keys(body) as k),
          array['links', 'object', 'run_id', 'status', 'trace_id'], 'the run_ack has its usual keys');
select is(concat_ws(' ', body->>'object', body->>'status'), 'run_ack started', 'and words') from ack;
select matches(body->>'run_id', '^run_[0-9a-f]{32}$', 'a generated run id') from ack;
select is(substr(body->>'run_id', 18, 3), left(encode(sha256('by-anna'), 'hex'), 3), 'which says where the connection belongs') from ack;
select is(pg_temp.runs(body), 'by by-anna 5', 'its connector is the one on record, its generation the next') from ack;
select is(pdpp_run_status(body->>'run_id')->>'connector_id', 'by', 'the status says so') from ack;
select is(pg_temp.refusal($$select pdpp_connection_run_now('by-anna')$$)->'detail',
          jsonb_build_object('code', 'run_already_active', 'param', 'connector_instance_id', 'active_run_id',
                             body->>'run_id'), 'one run at a time') from ack;
select is(run_generation, 5::bigint, 'a refused one does not count') from pdpp.connections
where connector_instance_id = 'by-anna';
select is(pg_temp.ended(body), 'completed', 'it ends') from ack;
select is(pdpp_connection_run_now('by-anna', 'by-r1', null, 'by-t1', '{"n": 1.10}') - 'links',
          '{"object": "run_ack", "run_id": "by-r1", "trace_id": "by-t1", "status": "started"}', 'ids of the caller');
select is(data_json::text, '{"n": 1.10}', 'data, every digit of it') from pdpp.spine_events where run_id = 'by-r1';
select is(pdpp_run_settle('by-r1', 'completed')->>'status', 'completed', 'it ends too');
update pdpp.connections set connector_id = 'by-other' where connector_instance_id = 'by-anna';
select is(pg_temp.runs(pdpp_connection_run_now('by-anna')), 'by-other by-anna 7', 'the record is read anew each time');

-- a connection that is not
select pg_temp.refused($$select pdpp_connection_run_now('by-never')$$, 'PT404', 'connector_instance_not_found',
                       'connector_instance_id', 'an unknown connection');
select pg_temp.refused($$select pdpp_connection_run_now('BY-ANNA')$$, 'PT404', 'connector_instance_not_found',
                       'connector_instance_id', 'one in other letters');
select pg_temp.refused($$select pdpp_connection_run_now('by')$$, 'PT404', 'connector_instance_not_found',
                       'connector_instance_id', 'the connector''s name');
select is_empty($$select from pdpp.connections where connector_instance_id in ('by-never', 'BY-ANNA', 'by')$$,
    'none of them is on record for having been asked for');

-- a connector without an offer: the connection named like it
select is(pg_temp.runs(pdpp_connector_run_now('solo', 'by-solo-1')), 'solo solo 1', 'nothing on record: as pdpp_run_now');
select pg_temp.refused($$select pdpp_connector_run_now('solo')$$, 'PT409', 'run_already_active',
                       'connector_instance_id', 'one run at a time');
select is(pdpp_run_settle('by-solo-1', 'completed')->>'status', 'completed', 'it ends');
insert into pdpp.connections values ('solo-2', 'solo', 0, null);
select is(pg_temp.runs(pdpp_connector_run_now('solo', 'by-solo-2')), 'solo solo 2',
          'a connection that nobody offers is not chosen');
select is(pdpp_run_settle('by-solo-2', 'completed')->>'status', 'completed', 'it ends');

-- with one offer
select is(pdpp_controller_boot('by-ctl')->>'object', 'controller_boot', 'a controller…');
select is(pdpp_controller_offer('[{"connector_instance_id": "solo-2", "connector_id": "solo"},
                                  {"connector_instance_id": "lone-1", "connector_id": "lone"}]')->'offered', '2',
          '…offers one connection of each of two connectors');
create temporary table solo as select pdpp_connector_run_now('solo') as body;
select is(pg_temp.runs(body), 'solo solo-2 1', 'the offered one') from solo;
select is(substr(body->>'run_id', 18, 3), left(encode(sha256('solo-2'), 'hex'), 3), 'and the id says so') from solo;
select is(pg_temp.runs(pdpp_connector_run_now('lone')), 'lone lone-1 1', 'each its own');
select is(pg_temp.ended(body), 'completed', 'it ends') from solo;
select is(pg_temp.refusal($$select pdpp_connector_run_now('lone')$$)->'detail'->>'code', 'run_already_active',
          'a busy connection does not make room for the one named like the connector');

-- the offer of a dead boot stands: the run waits for the controller's next life
update pdpp.connections set boot_epoch = '00000000-0000-4000-8000-0000000000b1' where connector_instance_id = 'solo-2';
insert into pdpp.controller_boots values ('by-gone', 1, '00000000-0000-4000-8000-0000000000b1', now(), null, null);
select is(pg_temp.runs(pdpp_connector_run_now('solo', 'by-gone')), 'solo solo-2 2', 'the offer of a dead boot stands');
select is(pdpp_run_settle('by-gone', 'completed')->>'status', 'completed', 'it ends');
-- until that controller lives again and does not renew it
savepoint reborn;
select is(pdpp_controller_boot('by-gone')->'settled'->>'lost_boots', '1', 'its controller boots again…');
select is(pdpp_controller_offer('[]')->'offered', '0', '…and offers nothing');
select is(boot_epoch, null, 'what its dead boot left on offer is withdrawn') from pdpp.connections
where connector_instance_id = 'solo-2';
select isnt(boot_epoch, null, 'what others offer is not') from pdpp.connections where connector_instance_id = 'lone-1';
rollback to reborn;
select is(pdpp_controller_boot('by-gone')->'settled'->>'lost_boots', '1', 'or it boots again…');
select is(pdpp_controller_offer('[{"connector_instance_id": "solo-2", "connector_id": "solo"}]')->'offered', '1',
          '…and offers the same');
select is(pg_temp.runs(pdpp_connector_run_now('solo', 'by-renewed')), 'solo solo-2 3', 'which goes on');
select is(pdpp_run_settle('by-renewed', 'completed')->>'status', 'completed', 'it ends');

-- with several
insert into pdpp.connections values ('solo-1', 'solo', 0, '00000000-0000-4000-8000-0000000000b2');
select is(pg_temp.refusal($$select pdpp_connector_run_now('solo')$$)->'detail',
          '{"code": "ambiguous_connection", "param": "connector_id", "connector_instance_ids": ["solo-1", "solo-2"]}',
          'several: DETAIL lists them, in order');
select is(pg_temp.refusal($$select pdpp_connector_run_now('solo')$$)->>'sqlstate', 'PT409', 'with 409');
select is(pg_temp.runs(pdpp_connection_run_now('solo-1')), 'solo solo-1 1', 'each may be named');
insert into pdpp.connections select 'many-' || n, 'many', 0, gen_random_uuid() from generate_series(1, 150) as n;
select is(jsonb_array_length(pg_temp.refusal($$select pdpp_connector_run_now('many')$$)->'detail'->
          'connector_instance_ids'), 100, 'at most a hundred are listed');

-- idempotency: the first answer, whatever is offered meanwhile
insert into pdpp.connections values ('key-1', 'keyed', 0, gen_random_uuid());
create temporary table keyed as select pdpp_connector_run_now('keyed', null, 'by-key', null, '{"a": 1}') as body;
insert into pdpp.connections values ('key-2', 'keyed', 0, gen_random_uuid());
select is(pdpp_connector_run_now('keyed', null, 'by-key', 'other-trace', '{"a": 1}'), body,
          'the same acknowledgement, though the connector has several connections now') from keyed;
update pdpp.connections set boot_epoch = null where connector_id = 'keyed';
select is(pdpp_connector_run_now('keyed', null, 'by-key', null, '{"a": 1}'), body, 'or none') from keyed;
select is(pg_temp.ended(body), 'completed', 'it ends') from keyed;
select is(pdpp_connector_run_now('keyed', null, 'by-key', null, '{"a": 1}'), body, 'still the same') from keyed;
create temporary table keyed_2 as select pdpp_connection_run_now('key-2', null, 'by-key-2') as body;
update pdpp.connections set connector_id = 'renamed' where connector_instance_id = 'key-2';
select is(pdpp_connection_run_now('key-2', null, 'by-key-2'), body, 'a connection: whatever its connector is by now')
from keyed_2;
select pg_temp.refused(statement, 'PT422', 'idempotency_conflict', 'idempotency_key', 'other ' || what || ': a conflict')
from (values ('data', $$select pdpp_connector_run_now('keyed', null, 'by-key', null, '{"a": 2}')$$),
             ('connector', $$select pdpp_connector_run_now('solo', null, 'by-key', null, '{"a": 1}')$$),
             ('function', $$select pdpp_run_now('keyed', null, null, 'by-key', null, '{"a": 1}')$$),
             ('connection', $$select pdpp_connection_run_now('key-1', null, 'by-key-2')$$),
             ('run id', $$select pdpp_connection_run_now('key-2', 'by-id', 'by-key-2')$$)) as v(what, statement);
select is(count(*), 2::bigint, 'all of these admitted two runs') from pdpp.spine_events
where connector_instance_id in ('key-1', 'key-2', 'keyed') and event_type = 'run.admitted';
select pg_temp.refused($$select pdpp_connection_run_now('by-never', null, 'by-key-3')$$, 'PT404',
                       'connector_instance_not_found', 'connector_instance_id', 'a refusal…');
select is_empty($$select from pdpp.idempotency_keys where key = 'by-key-3'$$, '…does not use the key up');

-- bad arguments
select pg_temp.refused('select pdpp_connection_run_now(null)', 'PT400', 'invalid_request', 'connector_instance_id',
                       'connector_instance_id: null');
select pg_temp.refused('select pdpp_connector_run_now(null)', 'PT400', 'invalid_request', 'connector_id',
                       'connector_id: null');
select pg_temp.refused(format('select %s(''solo-1'', %s)', function, arguments), 'PT400', 'invalid_request', param,
                       function || ': ' || param)
from unnest(array['pdpp_connection_run_now', 'pdpp_connector_run_now']) as function,
     (values ('run_id', '''..'''), ('idempotency_key', 'null, '''''), ('trace_id', 'null, null, E''a\nb'''),
             ('data', 'data => ''[]''')) as v(param, arguments);

select * from finish();
rollback;
