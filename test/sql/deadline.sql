-- Deadlines: given at the admission, by the connection or at the start, the earlier wins; moved by a cancel and by
-- pdpp_run_extend; after it the guard ends the run, and what comes later is kept.
\i test/sql/include/prelude.psql
begin;
select plan(144);

create function pg_temp.reconciled() returns jsonb language sql as $$ select jsonb_object_agg(key, value)
    from jsonb_each(pdpp_reconcile() - 'object') where value <> '0' $$;
create function pg_temp.given(id text) returns interval language sql as
    $$ select deadline_at - deadline_set_at from pdpp.controller_active_runs where run_id = id $$;
create function pg_temp.deadline(id text) returns timestamptz language sql as
    $$ select deadline_at from pdpp.controller_active_runs where run_id = id $$;
create function pg_temp.pass_deadline(id text) returns void language sql as
    $$ update pdpp.controller_active_runs set deadline_at = now() - interval '1s' where run_id = id $$;

select lives_ok('select pdpp_reconcile()', 'whatever was due before');

-- the admission
select lives_ok($$select pdpp_run_now('dc', 'd-none', 'd-none')$$, 'a run that is given no time');
select is(pg_temp.deadline('d-none'), null, 'has no deadline');
select is(pdpp_run_status('d-none')->'deadline_at', 'null', 'and says so');
select is(pdpp_run_now('dc', 'd-hour', 'd-hour', timeout => '1 hour')->>'status', 'started', 'one that is given an hour');
select is(deadline_at - started_at, interval '1 hour', 'has it from its admission on') from pdpp.controller_active_runs where run_id = 'd-hour';
select is(deadline_set_at, started_at, 'which is when it was given it') from pdpp.controller_active_runs where run_id = 'd-hour';
select is((pdpp_run_status('d-hour')->>'deadline_at')::timestamptz, date_trunc('milliseconds', pg_temp.deadline('d-hour')), 'the status says when');
select is(pdpp_run_list(connector_instance_id => 'd-hour')#>'{data,0,deadline_at}', pdpp_run_status('d-hour')->'deadline_at', 'so does the list');
select is(pdpp_run_list('active', 'dc', 'd-hour')#>'{data,0,deadline_at}', pdpp_run_status('d-hour')->'deadline_at', 'that of active runs too');
select is(body->'deadline_at', pdpp_run_status('d-hour')->'deadline_at', 'and pdpp_run_statuses') from pdpp_run_statuses(array['d-hour']);
select is(deadline_at, pg_temp.deadline('d-hour'), 'and the view') from pdpp_runs where run_id = 'd-hour';
select lives_ok($$select pdpp_connection_run_now('d-hour', timeout => '1 hour') from pdpp_run_settle('d-hour', 'completed')$$, 'a connection by its name');
select is(pg_temp.given(run_id), interval '1 hour', 'takes it too') from pdpp.controller_active_runs where connector_instance_id = 'd-hour';
select lives_ok($$select pdpp_connector_run_now('d-connector', timeout => '2 days')$$, 'a connector');
select is(pg_temp.given(run_id), interval '48 hours', 'too, and a day has 24 hours') from pdpp.controller_active_runs where connector_instance_id = 'd-connector';
select is(pdpp_run_status('d-hour')->'deadline_at', 'null', 'one that has ended has no deadline any more');
select is(deadline_at, null, 'nor in the view') from pdpp_runs where run_id = 'd-hour';

-- what is no time
create temporary table no_time (timeout text);
insert into no_time values ('0'), ('-1 second'), ('1 month'), ('1 year'), ('-1 month'), ('1000000001 seconds'), ('2000000000 days'), ('-2000000000 days'),
    ('1 day -25 hours'), ('1 month -30 days');
do $$ begin if current_setting('server_version_num')::integer >= 170000 then insert into pg_temp.no_time values ('infinity'), ('-infinity'); end if; end $$;
select pg_temp.refused(format('select pdpp_run_now(''dc'', ''d-bad'', timeout => %L)', timeout), 'PT400', 'invalid_request', 'timeout', 'no time for a run: ' || timeout) from no_time where timeout not like '%infinity';
select pg_temp.refused(format('select pdpp_run_started(''d-none'', timeout => %L)', timeout), 'PT400', 'invalid_request', 'timeout', 'nor for its start: ' || timeout) from no_time where timeout not like '%infinity';
select pg_temp.refused(format('select pdpp_run_extend(''d-none'', %L)', timeout), 'PT400', 'invalid_request', 'timeout', 'nor for more: ' || timeout) from no_time where timeout not like '%infinity';
select is((select count(*) from no_time where timeout like '%infinity'
           and (pg_temp.refusal(format('select pdpp_run_now(''dc'', ''d-bad'', timeout => %L)', timeout))->'detail'->>'code' = 'invalid_request')),
          (select count(*) from no_time where timeout like '%infinity'), 'nor does one that has no end');
select is(pg_temp.refusal($$select pdpp_run_now('dc', 'd-bad', timeout => '1 month')$$)->>'message',
    'timeout must be more than 0 and at most 1000000000 seconds, without months or years', 'which the message says');
select pg_temp.refused($$select pdpp_run_extend('d-none', null)$$, 'PT400', 'invalid_request', 'timeout', 'more is some time');
select lives_ok($$select pdpp_run_now('dc', 'd-least', timeout => '1 microsecond'), pdpp_run_now('dc', 'd-most', timeout => '1000000000 seconds')$$, 'the least and the most there is');

-- keys
select is(pdpp_run_now('dc', 'd-key', 'd-key', 'd-key', timeout => '1 hour')->>'run_id', 'd-key', 'a run with a key and a time');
select is(pdpp_run_now('dc', 'd-key', 'd-key', 'd-key', timeout => '60 minutes')->>'run_id', 'd-key', 'asked for again');
select pg_temp.refused($$select pdpp_run_now('dc', 'd-key', 'd-key', 'd-key', timeout => '2 hours')$$, 'PT422', 'idempotency_conflict', 'idempotency_key', 'another time is another run');
select pg_temp.refused($$select pdpp_run_now('dc', 'd-key', 'd-key', 'd-key')$$, 'PT422', 'idempotency_conflict', 'idempotency_key', 'so is none');

-- connections
select is(pdpp_controller_boot('dc')->'seq', '1', 'this session boots');
select is(pdpp_controller_offer('[{"connector_instance_id": "d-offered", "connector_id": "dc", "timeout_seconds": 90.5},
    {"connector_instance_id": "d-null", "connector_id": "dc", "timeout_seconds": null}, {"connector_instance_id": "d-plain", "connector_id": "dc"}]')->'offered', '3',
    'it offers connections, one of them with a time');
select lives_ok(format($$select pdpp_run_now('dc', %1$L, %1$L)$$, id), 'a run of ' || id) from unnest(array['d-offered', 'd-null', 'd-plain']) as id;
select is(pg_temp.given('d-offered'), interval '90.5 seconds', 'it has the time of its connection');
select is(coalesce(pg_temp.given('d-null'), pg_temp.given('d-plain')), null, 'the others have none');
select lives_ok($$select pdpp_run_settle('d-offered', 'completed'), pdpp_run_now('dc', 'd-offered', 'd-offered-2', timeout => '1 day')$$, 'one that is given a time of its own');
select is(pg_temp.given('d-offered-2'), interval '1 day', 'has that instead');
select lives_ok($$select pdpp_run_settle('d-offered-2', 'completed'), pdpp_controller_offer('[{"connector_instance_id": "d-offered", "connector_id": "dc"}]'),
    pdpp_run_now('dc', 'd-offered', 'd-offered-3')$$, 'offered again without');
select is(pg_temp.given('d-offered-3'), null, 'its runs have none any more');
select lives_ok($$select pdpp_run_settle('d-offered-3', 'completed'), pdpp_controller_offer('[{"connector_instance_id": "d-offered", "connector_id": "dc", "timeout_seconds": 5}]'),
    pdpp_controller_offer('[]'), pdpp_run_now('dc', 'd-offered', 'd-offered-4')$$, 'what is offered no more');
select is(pg_temp.given('d-offered-4'), null, 'gives no time');
select pg_temp.refused(format($$select pdpp_controller_offer('[{"connector_instance_id": "d-x", "connector_id": "dc", "timeout_seconds": %s}]')$$, timeout),
    'PT400', 'invalid_request', 'connections', 'no time for a connection: ' || timeout)
from unnest(array['0', '-1', '1e-9', '1000000001', '1e400', '"5"', '[5]', 'true']) as timeout;

-- the start
select lives_ok(format($$select pdpp_run_now('dc', %1$L, %1$L, timeout => %2$L)$$, 'd-start-' || id, timeout), 'a run: ' || id)
from (values ('untimed', null), ('earlier', '1 hour'), ('later', '1 hour'), ('unnamed', '1 hour')) as v(id, timeout);
select is((pdpp_run_started('d-start-untimed', timeout => '10 minutes')->>'deadline_at')::timestamptz, date_trunc('milliseconds', pg_temp.deadline('d-start-untimed')),
    'its start may give it one: the answer says when');
select is(pg_temp.given('d-start-untimed'), interval '10 minutes', 'which counts from the start');
select isnt((pdpp_run_started('d-start-earlier', timeout => '10 minutes'))->>'deadline_at', null, 'a start with less time');
select is(pg_temp.given('d-start-earlier'), interval '10 minutes', 'wins');
select is((pdpp_run_started('d-start-later', timeout => '2 hours')->>'deadline_at')::timestamptz, date_trunc('milliseconds', pg_temp.deadline('d-start-later')), 'a start with more time');
select is(pg_temp.given('d-start-later'), interval '1 hour', 'does not');
select is((pdpp_run_started('d-start-unnamed', event_id => 'd-event')->>'deadline_at')::timestamptz, date_trunc('milliseconds', pg_temp.deadline('d-start-unnamed')), 'a start without');
select is(pg_temp.given('d-start-unnamed'), interval '1 hour', 'changes nothing');
select is(pdpp_run_started('d-start-unnamed', event_id => 'd-event', timeout => '1 second')->'deadline_at', pdpp_run_status('d-start-unnamed')->'deadline_at', 'a repeated call changes nothing');
select is(pdpp_run_started('d-none')->'deadline_at', 'null', 'none is null');

-- more time
create temporary table answer as select pdpp_run_extend('d-start-untimed', '3 hours') as body;
select is(body, pdpp_run_status('d-start-untimed'), 'more time: the answer is the status') from answer;
select is(pg_temp.given('d-start-untimed'), interval '3 hours', 'from now on');
select is((select data_json - 'previous_deadline_at' from pdpp.spine_events where run_id = 'd-start-untimed' order by event_seq desc limit 1),
    jsonb_build_object('deadline_at', pdpp_run_status('d-start-untimed')->'deadline_at'), 'the history has it');
select is(string_agg(event_type, ' ' order by event_seq), 'run.admitted run.started run.deadline_extended', 'as an event of its own')
from pdpp.spine_events where run_id = 'd-start-untimed';
select lives_ok($$select pdpp_run_extend('d-start-untimed', '1 hour')$$, 'less than it has');
select is(pg_temp.given('d-start-untimed'), interval '3 hours', 'changes nothing');
select is(pdpp_run_extend('d-none', '1 hour')->'deadline_at', 'null', 'a run that has as long as it takes keeps that');
select is(count(*), 1::bigint, 'neither is an event') from pdpp.spine_events where run_id in ('d-none', 'd-start-untimed') and event_type = 'run.deadline_extended';
select pg_temp.refused($$select pdpp_run_extend('d-nobody', '1 hour')$$, 'PT404', 'not_found', 'run_id', 'a run that nobody knows');
select pg_temp.refused($$select pdpp_run_extend('d-hour', '1 hour')$$, 'PT409', 'run_already_terminal', 'run_id', 'one that has ended');
select pg_temp.refused($$select pdpp_run_extend(null, '1 hour')$$, 'PT400', 'invalid_request', 'run_id', 'none');
select pg_temp.refused($$select pdpp_run_event('d-none', 'run.deadline_extended')$$, 'PT400', 'invalid_request', 'event_type', 'only the function writes that event');

-- the guard
select is(pg_temp.reconciled(), '{"timed_out": 1}', 'before its deadline no run ends: but one had a microsecond');
select pg_temp.pass_deadline('d-start-' || id) from unnest(array['earlier', 'later', 'unnamed']) as id;
select lives_ok($$select pdpp_run_extend('d-start-later', '1 minute')$$, 'one of three that are over it is given more time');
select is(pg_temp.reconciled(), '{"timed_out": 2}', 'the others end');
select is(pdpp_run_status('d-start-earlier')->'failure', '{"reason": "run_timed_out", "origin": "controller", "connector_error_message": null,
    "message": "controller dc did not end the run by its deadline"}', 'as failed, and say why');
select is(pdpp_run_status('d-start-earlier')->>'terminal_reason', 'run_timed_out', 'terminal_reason: run_timed_out');
select is(e.data_json - 'deadline_at', jsonb_build_object('reason', 'run_timed_out', 'failure_reason', 'run_timed_out', 'failure_origin', 'controller',
    'failure_message', 'controller dc did not end the run by its deadline', 'caused_by_event_id', 'evt_d-start-earlier_2', 'original_boot_epoch', b.boot_epoch,
    'original_controller_id', 'dc', 'reconciled_by', 'pdpp_reconcile'), 'the whole of it')
from pdpp.spine_events as e join pdpp.spine_events as s using (run_id), pdpp.controller_boots as b
where run_id = 'd-start-earlier' and e.event_type = 'run.failed' and s.event_type = 'run.started' and b.controller_id = 'dc';
select is(pdpp_run_status('d-start-later')->>'status', 'active', 'who was given more time goes on');
select is(pdpp_run_settle('d-start-earlier', 'completed', '{"n": 1}')->'settled', 'false', 'its controller comes too late');
select is((select data_json from pdpp.spine_events where run_id = 'd-start-earlier' and event_type = 'run.late_outcome'), '{"outcome": "completed", "evidence": {"n": 1}}',
    'what it says is kept');
select is(pdpp_run_status('d-start-earlier')->>'terminal_reason', 'run_timed_out', 'the ending stands');
select pg_temp.refused($$select pdpp_run_fence('d-start-earlier')$$, 'PT409', 'run_superseded', 'run_id', 'it writes no more');
select lives_ok($$select pdpp_run_now('dc', 'd-start-earlier')$$, 'and the connection is free');
select lives_ok($$select pdpp_run_now('dc', 'd-unclaimed', 'd-unclaimed', timeout => '1 hour')$$, 'a run that nobody claims');
select pg_temp.pass_deadline('d-unclaimed');
select is(pg_temp.reconciled(), '{"timed_out": 1}', 'ends by its deadline as well');
select is(pdpp_run_status('d-unclaimed')#>>'{failure,message}', 'not claimed by any controller by its deadline', 'and says why');

-- a cancel that nobody heeds
select is(current_setting('pdpp.cancel_grace')::interval, '1 minute', 'a controller has a minute to heed a cancel');
select lives_ok(format($$select pdpp_run_now('dc', %1$L, %1$L, timeout => %2$L), pdpp_run_started(%1$L)$$, 'd-cancel-' || id, timeout), 'a run: ' || id)
from (values ('untimed', null), ('soon', '10 seconds'), ('late', '1 hour')) as v(id, timeout);
select lives_ok(format('select pdpp_run_cancel(%L)', 'd-cancel-' || id), 'is to be cancelled: ' || id) from unnest(array['untimed', 'soon', 'late']) as id;
select is(pg_temp.given('d-cancel-' || id), given::interval, 'a cancel gives it a minute, at most: ' || id)
from (values ('untimed', '1 minute'), ('soon', '10 seconds'), ('late', '1 minute')) as v(id, given);
create temporary table before as select pg_temp.deadline('d-cancel-late') as deadline;
select lives_ok($$select pdpp_run_cancel('d-cancel-late')$$, 'asked for again');
select is(pg_temp.deadline('d-cancel-late'), deadline, 'it has no minute more') from before;
select lives_ok($$select pdpp_run_extend('d-cancel-late', '1 day'), pdpp_run_cancel('d-cancel-late')$$, 'who heeds it and needs longer says so');
select is(pg_temp.given('d-cancel-late'), interval '1 day', 'which a repeated cancel does not take back');
select is(pg_temp.reconciled(), null, 'nobody is late');
select pg_temp.pass_deadline('d-cancel-untimed');
select is(pg_temp.reconciled(), '{"cancelled": 1}', 'after the grace the guard ends it');
select is(pdpp_run_status('d-cancel-untimed')->>'status', 'cancelled', 'as its owner asked');
select is(pdpp_run_status('d-cancel-untimed')->>'terminal_reason', 'owner_cancel_unheeded', 'terminal_reason: owner_cancel_unheeded');
select is(pdpp_run_status('d-cancel-untimed')->'failure', 'null', 'no failure');
select is(pdpp_run_cancel('d-cancel-untimed')->>'status', 'cancel_requested', 'cancelled again: the same answer');
select is(pdpp_run_settle('d-cancel-untimed', 'cancelled', '{"reason": "owner_cancelled"}')->'settled', 'false', 'its controller comes too late');

-- what was written by hand
update pdpp.controller_active_runs set deadline_at = now() - interval '1s', deadline_set_at = null where run_id = 'd-start-untimed';
update pdpp.controller_active_runs set deadline_at = 'infinity' where run_id = 'd-start-later';
update pdpp.controller_active_runs set deadline_at = '-infinity', deadline_set_at = '-infinity' where run_id = 'd-cancel-soon';
select is(pg_temp.reconciled(), '{"timed_out": 1, "cancelled": 1}', 'a deadline that does not say when it was given counts, and one that has always been over');
select is(pdpp_run_status('d-start-later')->>'status', 'active', 'one that never is does not');
update pdpp.controller_active_runs set deadline_at = now() + interval '2 days', deadline_set_at = now() + interval '1 day' where run_id = 'd-cancel-late';
select is(pg_temp.reconciled(), null, 'one that was given at a time to come');
select ok(deadline_at < now() + interval '25 hours' and deadline_at - deadline_set_at = interval '1 day', 'counts from now on')
from pdpp.controller_active_runs where run_id = 'd-cancel-late';

select is_empty($$select * from pdpp_check()$$, 'all is well');
select * from finish();
rollback;
