-- pdpp_controller_boot, pdpp_controller_offer, pdpp_run_claim: the lives of a controller, and what it takes on.
\i test/sql/include/prelude.psql

-- without a boot
begin;
select plan(89);

select pg_temp.refused($$select pdpp_controller_offer('[]')$$, 'PT409', 'not_booted', null, 'offer without a boot');
select pg_temp.refused('select pdpp_run_claim()', 'PT409', 'not_booted', null, 'claim without a boot');
select pg_temp.refused($$select pdpp_run_claim('any')$$, 'PT409', 'not_booted', null,
    'claim of one run without a boot');

-- an aborted boot never was
savepoint unbooted;
select lives_ok($$select pdpp_controller_boot('ctl-undone')$$, 'a boot…');
select lives_ok($$select pdpp_controller_offer('[]')$$, '…that counts…');
rollback to unbooted;
select pg_temp.refused('select pdpp_run_claim()', 'PT409', 'not_booted', null, '…until its savepoint is rolled back');
select is(
    pg_temp.refusal('do $$begin perform pdpp_controller_boot(''ctl-undone''); raise exception ''no''; end$$')->>'message',
    'no', 'a boot in a block that fails');
select pg_temp.refused('select pdpp_run_claim()', 'PT409', 'not_booted', null, 'never was either');
select is_empty($$select from pdpp.controller_boots where controller_id = 'ctl-undone'$$, 'and is not on record');

-- boot
create temporary table boot as select pdpp_controller_boot('ctl') as body;
select is((select array_agg(k order by k) from boot, jsonb_object_keys(body) as k),
          array['boot_epoch', 'booted_at', 'controller_id', 'object', 'seq', 'settled'],
          'the boot has these keys and no others');
select is(body - 'boot_epoch' - 'booted_at',
          '{"object": "controller_boot", "controller_id": "ctl", "seq": 1,
            "settled": {"lost_boots": 0, "launch_failed": 0, "abandoned": 0}}', 'the first life of a controller')
            from boot;
select matches(body->>'booted_at', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', 'booted_at is RFC 3339') from boot;
select pg_temp.rows_are($$select controller_id, seq, boot_epoch::text, lost_at from pdpp.controller_boots
    where controller_id = 'ctl'$$,
                  $$select 'ctl', 1::bigint, body->>'boot_epoch', null::timestamptz from boot$$, 'it is on record');
select is((pdpp_controller_boot('ctl')->>'seq')::int, 2, 'each boot counts one more');
select is((pdpp_controller_boot('ctl-other')->>'seq')::int, 1, 'for its own controller');
select is(count(distinct boot_epoch), 3::bigint, 'each has an epoch of its own') from pdpp.controller_boots
where controller_id in ('ctl', 'ctl-other');
select is_empty($$select from pdpp.controller_boots where controller_id like 'ctl%' and lost_at is not null$$,
                'a session keeps its earlier boots alive');
select pg_temp.refused(format('select pdpp_controller_boot(%s)', value), 'PT400', 'invalid_request', 'controller_id',
                       'boot: controller_id ' || what)
from (values ('null', 'null'), ('empty', ''''''), ('257 bytes', 'repeat(''x'', 257)'), ('a tab', 'E''a\tb'''))
    as v(what, value);

-- what a boot's predecessors left is settled: here a boot of which only the record is left
insert into pdpp.controller_boots values
    ('ctl-crashed', 1, '00000000-0000-4000-8000-000000000001', now() - interval '1 hour', null),
    ('ctl-elsewhere', 1, '00000000-0000-4000-8000-000000000002', now() - interval '1 hour', null);
select lives_ok($$select pdpp_run_now('c', 'dead-' || n, 'ctl-dead-' || n) from generate_series(1, 4) as n$$,
    'four runs');
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-000000000001'
where run_id in ('ctl-dead-1', 'ctl-dead-2');
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-000000000002' where run_id = 'ctl-dead-3';
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
values ('ctl-dead-2', 2, 'started-by-the-dead', 'run.started', now(), now());
select is(pdpp_controller_boot('ctl-crashed')->'settled', '{"lost_boots": 1, "launch_failed": 1, "abandoned": 1}',
          'the next boot settles what the dead one left');
select is(pdpp_run_status('ctl-dead-1')->'failure',
          '{"reason": "launch_failed", "origin": "controller", "connector_error_message": null,
            "message": "controller ctl-crashed terminated before it started the run"}',
            'claimed but not started: launch_failed');
select is(pdpp_run_status('ctl-dead-2')->'failure',
          '{"reason": "controller_terminated_before_run_finished", "origin": "controller", "connector_error_message": null,
            "message": "controller ctl-crashed terminated while the run was active"}',
            'started: abandoned, interrupted is not failed');
select pg_temp.rows_are($$select data_json - 'failure_message' - 'reason' - 'failure_reason' - 'failure_origin'
    from pdpp.spine_events
                    where run_id = 'ctl-dead-2' and event_type = 'run.abandoned'$$,
    $$values ('{"caused_by_event_id": "started-by-the-dead", "original_controller_id": "ctl-crashed",
                "original_boot_epoch": "00000000-0000-4000-8000-000000000001",
                "reconciled_by": "pdpp_reconcile"}'::jsonb)$$,
    'with what led to it');
select is(pdpp_run_status('ctl-dead-3')->>'status', 'active',
    'the run of another controller''s dead boot is not this boot''s business');
select is(pdpp_run_status('ctl-dead-4')->>'status', 'active', 'nor is an unclaimed run');
select isnt(lost_at, null, 'the dead boot is marked') from pdpp.controller_boots where controller_id = 'ctl-crashed'
    and seq = 1;
select is(lost_at, null, 'that of another controller is not') from pdpp.controller_boots
where controller_id = 'ctl-elsewhere';

-- offer
select is(pdpp_controller_offer('[]')->'offered', '0', 'a boot may offer nothing');
select is(pdpp_controller_offer($$[{"connector_instance_id": "off-1", "connector_id": "oc"},
                                  {"connector_instance_id": "off-2", "connector_id": "oc", "more": 1}]$$) - 'boot_epoch',
          '{"object": "controller_offer", "offered": 2}', 'or connections; other keys do not matter');
select is(pdpp_controller_offer('[]')->>'boot_epoch', boot_epoch::text, 'the offer names the latest boot')
from pdpp.controller_boots
where controller_id = 'ctl-crashed' and seq = 2;
select lives_ok($$select pdpp_controller_offer('[{"connector_instance_id": "off-1", "connector_id": "oc"},
                                                 {"connector_instance_id": "off-3", "connector_id": "oc"}]')$$,
                                                 'an offer…');
select pg_temp.rows_are(
    $$select connector_instance_id, connector_id, run_generation, boot_epoch is not null from pdpp.connections
      where connector_id = 'oc' order by 1$$,
    $$values ('off-1', 'oc', 0::bigint, true), ('off-2', 'oc', 0, false), ('off-3', 'oc', 0, true)$$,
    '…replaces the one before');
select lives_ok($$select pdpp_controller_offer('[{"connector_instance_id": "off-1", "connector_id": "oc"}]')$$,
    'offered again…');
select is(connector_id, 'oc', '…a connection keeps its connector') from pdpp.connections
where connector_instance_id = 'off-1';
select pg_temp.refused(format('select pdpp_controller_offer(%L)', value), 'PT400', 'invalid_request', 'connections',
    'offer: ' || what)
from (values
    ('null', null), ('an object', '{}'), ('a string', '"x"'), ('a number', '1'), ('json null', 'null'),
    ('an element that is no object', '[1]'), ('an array in the array', '[[]]'), ('a null in the array', '[null]'),
    ('no connector_id', '[{"connector_instance_id": "a"}]'), ('no connector_instance_id', '[{"connector_id": "a"}]'),
    ('a number for an id', '[{"connector_instance_id": 1, "connector_id": "a"}]'),
    ('an empty id', '[{"connector_instance_id": "", "connector_id": "a"}]'),
    ('two dots', '[{"connector_instance_id": "..", "connector_id": "a"}]'),
    ('a control character', '[{"connector_instance_id": "a\u001b", "connector_id": "a"}]'),
    ('257 bytes', format('[{"connector_instance_id": "%s", "connector_id": "a"}]', repeat('x', 257))),
    ('a bad one after a good one', '[{"connector_instance_id": "a", "connector_id": "a"}, {}]'),
    ('a connection twice',
    '[{"connector_instance_id": "a", "connector_id": "a"}, {"connector_instance_id": "a", "connector_id": "b"}]')
) as v(what, value);
select is(count(*), 1::bigint, 'a refused offer changes nothing') from pdpp.connections as c
join pdpp.controller_boots as b on b.boot_epoch = c.boot_epoch and b.controller_id = 'ctl-crashed';

-- claim
select is(pdpp_run_claim(), null, 'nothing to claim: null');
select lives_ok($$select pdpp_run_now('oc', 'off-4', 'ctl-not-offered')$$, 'a run of a connection that is not offered');
select is(pdpp_run_claim(), null, 'is not for this boot');
select lives_ok($$select pdpp_controller_offer('[{"connector_instance_id": "off-1", "connector_id": "oc"},
                                                 {"connector_instance_id": "off-3", "connector_id": "oc"}]')$$,
                                                 'two connections offered');
select lives_ok($$select pdpp_run_now('oc', 'off-3', 'ctl-z', null, 'trace-z', '{"since": 1.50}')$$, 'a run of one');
select lives_ok($$select pdpp_run_now('oc', 'off-1', 'ctl-a')$$, 'then of the other');
create temporary table claim as select pdpp_run_claim() as body;
select is((select array_agg(k order by k) from claim, jsonb_object_keys(body) as k),
          array['admitted_at', 'connector_id', 'connector_instance_id', 'data', 'launch_deadline', 'object',
          'run_generation',
                'run_id', 'trace_id'], 'the claim has these keys and no others');
select is(body - 'admitted_at' - 'launch_deadline',
          '{"object": "run_claim", "run_id": "ctl-z", "connector_id": "oc", "connector_instance_id": "off-3",
            "trace_id": "trace-z", "run_generation": 1, "data": {"since": 1.50}}',
            'the oldest first, with what it was admitted with')
from claim;
select is(body->>'admitted_at', pdpp_run_status('ctl-z')->>'admitted_at', 'admitted_at is that of the status')
from claim;
select ok((body->>'launch_deadline')::timestamptz > (body->>'admitted_at')::timestamptz, 'the deadline is yet to come')
from claim;
select is(pdpp_run_claim()->>'run_id', 'ctl-a', 'then the next');
select is(pdpp_run_claim(), null, 'then none: a run is claimed once');
select is(pdpp_run_claim('ctl-a'), null, 'also by its id');
select is(count(*), 2::bigint, 'both are owned by the boot') from pdpp.controller_active_runs as f
join pdpp.controller_boots as b on b.boot_epoch = f.boot_epoch and b.controller_id = 'ctl-crashed' and b.seq = 2;
select is(pdpp_run_status('ctl-a')->>'status', 'active', 'a claimed run is active');

-- claim by run id
select is(pdpp_run_claim('ctl-not-offered')->>'run_id', 'ctl-not-offered', 'one named run, offered or not');
select is(pdpp_run_claim('ctl-unknown'), null, 'an unknown run: null');
select is(pdpp_run_claim('ctl-dead-1'), null, 'an ended run: null');
select lives_ok($$select pdpp_run_now('oc', 'off-5', 'ctl-late')$$, 'a run…');
update pdpp.controller_active_runs set launch_deadline = now() - interval '1s' where run_id = 'ctl-late';
select is(pdpp_run_claim('ctl-late'), null, '…past its launch deadline is the guard''s');
select lives_ok($$select pdpp_run_now('oc', 'off-6', 'ctl-started')$$, 'a run…');
select lives_ok($$select pdpp_run_started('ctl-started')$$, '…that has started…');
select is(pdpp_run_claim('ctl-started'), null, '…is not to be claimed');
select pg_temp.refused(format('select pdpp_run_claim(%s)', value), 'PT400', 'invalid_request', 'run_id',
    'claim: run_id ' || what)
from (values ('empty', ''''''), ('257 bytes', 'repeat(''x'', 257)'), ('two dots', '''..'''), ('DEL', 'E''\x7f'''))
    as v(what, value);

-- a claimed run belongs to a live boot: nobody else ends it
select lives_ok('select pdpp_reconcile()', 'the guard…');
select is(pdpp_run_status('ctl-late')->>'status', 'failed', '…ends the late one');
select is(pdpp_run_status('ctl-dead-3')->>'status', 'failed', 'and what the other dead boot left');
select is(pdpp_run_status('ctl-a')->>'status', 'active', 'but not the run of this live boot');
select lives_ok('select pg_advisory_unlock_all()', 'SQL''s advisory functions…');
select is(pdpp_reconcile() - 'object', '{"lost_boots": 0, "launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}',
    '…cannot make a live boot look dead');
select is(pdpp_run_status('ctl-a')->>'status', 'active', 'its run goes on');

select * from finish();
rollback;
