-- pdpp_run_cancel: recorded where a live boot will hear it, the end at once where nobody would.
\i test/sql/include/prelude.psql
begin;
select plan(49);

create function pg_temp.admit(id text) returns text language sql as
    $$ select pdpp_run_now('cc', 'conn-' || id, id)->>'run_id' $$;
create function pg_temp.types_of(id text) returns text language sql as
    $$ select string_agg(event_type, ' ' order by event_seq) from pdpp.spine_events where run_id = id $$;

-- nobody owns the run: it ends at once
select is(pg_temp.admit('can-1'), 'can-1', 'an unclaimed run');
select is(pdpp_run_cancel('can-1', 'ann'),
    '{"object": "run_cancel_ack", "run_id": "can-1", "status": "cancel_requested"}',
          'the acknowledgement');
select is(pg_temp.types_of('can-1'), 'run.admitted run.cancel_requested run.cancelled', 'the request and the end');
select pg_temp.rows_are($$select event_type, data_json from pdpp.spine_events where run_id = 'can-1' and event_seq > 1
    order by event_seq$$,
                  $$values ('run.cancel_requested', '{"requested_by": "ann"}'::jsonb),
                           ('run.cancelled', '{"reason": "owner_cancelled", "requested_by": "ann"}')$$,
                           'both say who wanted it');
select is(pdpp_run_status('can-1')->>'status', 'cancelled', 'status: cancelled');
select is(pdpp_run_status('can-1')->>'terminal_reason', 'owner_cancelled', 'terminal_reason: owner_cancelled');
select is(pdpp_run_status('can-1')->'failure', 'null', 'no failure');
select is(pdpp_run_status('can-1')->'cancel_requested_at', 'null', 'cancel_requested_at is for active runs');
select is_empty($$select from pdpp.controller_active_runs where run_id = 'can-1'$$, 'the connection is free');
select is(pdpp_run_cancel('can-1', 'bob'),
    '{"object": "run_cancel_ack", "run_id": "can-1", "status": "cancel_requested"}',
          'cancelled again: the same answer, for whoever lost the first');
select is(pg_temp.types_of('can-1'), 'run.admitted run.cancel_requested run.cancelled', 'and nothing is added');
select is(pdpp_run_settle(pg_temp.admit('can-end-' || outcome), outcome)->>'status', outcome,
    'a run that ended by itself: ' || outcome)
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome;
select is(pg_temp.refusal(format('select pdpp_run_cancel(%L)', 'can-end-' || outcome))->'detail',
          jsonb_build_object('code', 'run_already_terminal', 'param', 'run_id', 'status', outcome),
          'is not to be cancelled any more: ' || outcome)
from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as outcome;

-- started by a session without a boot: nobody who could hear it
select lives_ok($$select pdpp_run_started(pg_temp.admit('can-2'))$$, 'a run started without a boot');
select is(pdpp_run_cancel('can-2')->>'status', 'cancel_requested', 'requested_by may be left out');
select is(pg_temp.types_of('can-2'), 'run.admitted run.started run.cancel_requested run.cancelled', 'it ends at once');
select is(data_json, '{"requested_by": null}', 'by nobody in particular') from pdpp.spine_events
where run_id = 'can-2' and event_type = 'run.cancel_requested';

-- owned by a dead boot
insert into pdpp.controller_boots values ('cc-dead', 1, '00000000-0000-4000-8000-00000000000d', now(), null);
select is(pg_temp.admit('can-3'), 'can-3', 'a run…');
update pdpp.controller_active_runs set boot_epoch = '00000000-0000-4000-8000-00000000000d' where run_id = 'can-3';
select is(pdpp_run_cancel('can-3')->>'run_id', 'can-3', '…of a boot that died');
select is(pdpp_run_status('can-3')->>'status', 'cancelled', 'ends at once');

-- owned by a live boot
select is(pdpp_controller_boot('cc')->'seq', '1', 'this session boots');
select is(pdpp_run_claim(pg_temp.admit('can-4'))->>'run_id', 'can-4', 'and claims a run');
select is(pdpp_run_status('can-4')->'cancel_requested_at', 'null', 'nobody has asked for its end');
select is(pdpp_run_cancel('can-4', 'ann')->>'status', 'cancel_requested', 'somebody does');
select is(pdpp_run_status('can-4')->>'status', 'active', 'it stays active');
select matches(pdpp_run_status('can-4')->>'cancel_requested_at', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$',
    'and says when that was');
select pg_temp.rows_are($$select cancel_requested_by from pdpp.controller_active_runs
    where run_id = 'can-4' and cancel_requested_at is not null$$,
                  $$values ('ann')$$, 'the request stands on the flight row');
create temporary table before as select pdpp_run_status('can-4') as body;
select is(pdpp_run_cancel('can-4', 'bob'),
    '{"object": "run_cancel_ack", "run_id": "can-4", "status": "cancel_requested"}', 'asked again: the same answer');
select is(pdpp_run_status('can-4'), body, 'nothing changes') from before;
select is(pg_temp.types_of('can-4'), 'run.admitted run.cancel_requested', 'one request is recorded');
select lives_ok($$select pdpp_run_started('can-4')$$, 'the launcher may still start it');
select is(pdpp_run_settle('can-4', 'cancelled', '{"reason": "owner_cancelled"}')->'settled', 'true', 'and ends it');
select is(pdpp_run_status('can-4')->'cancel_requested_at', 'null', 'after the end the request is history');
select is(pg_temp.types_of('can-4'), 'run.admitted run.cancel_requested run.started run.cancelled', 'on the spine');

-- a run whose end is wanted is not claimed
select is(pdpp_run_claim(pg_temp.admit('can-5'))->>'run_id', 'can-5', 'a claimed run');
select lives_ok($$select pdpp_run_cancel('can-5')$$, 'whose end is wanted');
update pdpp.controller_active_runs set boot_epoch = null where run_id = 'can-5';
select is(pdpp_run_claim('can-5'), null, 'is not claimed again');

-- bad arguments
select pg_temp.refused($$select pdpp_run_cancel('can-unknown')$$, 'PT404', 'not_found', 'run_id', 'an unknown run');
select pg_temp.refused('select pdpp_run_cancel(null)', 'PT400', 'invalid_request', 'run_id', 'a null run');
select pg_temp.refused($$select pdpp_run_cancel('..')$$, 'PT400', 'invalid_request', 'run_id', 'an impossible run');
select pg_temp.refused(format('select pdpp_run_cancel(''can-4'', %L)', by), 'PT400', 'invalid_request', 'requested_by',
    'requested_by: ' || what)
from (values ('empty', ''), ('257 bytes', repeat('x', 257)), ('a newline', E'a\nb')) as v(what, by);

select * from finish();
rollback;
