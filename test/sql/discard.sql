-- What is known of the catalogue thrown away at every step, in a server that can (built with assertions): each function goes on all the
-- same. For our own calls alone, and few of each: an admission takes six seconds so, and pgTAP would take days.
\i test/sql/include/prelude.psql
select max_val = '0' as cannot from pg_settings where name = 'debug_discard_caches'
union all select true limit 1 \gset
\if :cannot
select plan(1);
select skip('this server cannot throw its caches away', 1);
select * from finish();
\else
begin;
select plan(31);

set local debug_discard_caches = 1;
select pdpp_grant('pg_monitor', 'owner') \gset
select pdpp_controller_boot('discard')->>'boot_epoch' as epoch \gset
select pdpp_controller_rejoin(:'epoch')->>'boot_epoch' = :'epoch' as rejoined \gset
select pdpp_controller_offer('[{"connector_instance_id": "discard-1", "connector_id": "c"}, {"connector_instance_id": "discard-2", "connector_id": "d"}]')->>'object' as offer \gset
select pdpp_run_now('c', 'discard-1', 'discard-run', idempotency_key => 'discard-key')->>'status' as now \gset
select pdpp_run_now('c', 'discard-1', 'discard-run', idempotency_key => 'discard-key')->>'run_id' as again \gset
select pdpp_run_claim('discard-run')->>'run_id' as claim \gset
select pdpp_run_started('discard-run', timeout => '1 hour')->>'event_type' as started \gset
select pdpp_run_extend('discard-run', '2 hours')->>'status' as extended \gset
select pdpp_run_fence('discard-run')->>'run_id' as fenced \gset
select pdpp_run_event('discard-run', 'run.progress_reported', data => '{"count": 1}')->>'event_type' as event \gset
select pdpp_run_cancel('discard-run')->>'status' as cancel \gset
select pdpp_run_status('discard-run')->>'status' as status \gset
select jsonb_array_length(pdpp_run_list(connector_instance_id => 'discard-1')->'data') as listed \gset
select pdpp_connection_list('c')#>>'{data,0,active_run,run_id}' as connection \gset
select pdpp_run_settle('discard-run', 'completed')->>'settled' as settled \gset
select string_agg(body->>'status', ' ' order by ordinal) as statuses from pdpp_run_statuses(array['discard-run', 'discard-run']) \gset
select jsonb_array_length(pdpp_run_timeline('discard-run')->'data') as events \gset
select pdpp_run_timeline('discard-run', 1, newest_first => true)#>>'{data,0,event_type}' as newest \gset
select pdpp_connection_run_now('discard-1', 'discard-2', retry_of => 'discard-run')->>'retry_of' as retry \gset
select pdpp_run_launch_failed('discard-2', 'it did not start')->>'terminal_reason' as launch_failed \gset
select pdpp_run_status('discard-run')->>'retried_by' as retried_by \gset
select pdpp_connector_run_now('d', 'discard-3')->>'status' as by_connector \gset
select run->>'run_id' as claimed from pdpp_run_claim(2) as run \gset
select pdpp_reconcile()->>'object' as reconciled \gset
select count(*) as run_ids from pdpp_runs where run_id like 'discard-%' \gset
select pdpp_run_import('[{"run_id": "discard-4", "connector_id": "c", "connector_instance_id": "discard-4", "trace_id": "t", "scenario_id": "s",
    "admitted_at": "2026-08-01T10:00:00Z", "data": {}, "events": [{"event_id": "n", "event_type": "run.note", "occurred_at": "2026-08-01T10:00:00Z",
    "recorded_at": "2026-08-01T10:00:00Z", "trace_id": "t", "scenario_id": "s", "actor_type": "runtime", "actor_id": "c", "object_type": "run",
    "object_id": "discard-4", "status": "x", "version": "v1", "data": {}}, {"event_id": "e", "event_type": "run.completed", "occurred_at": "2026-08-01T10:00:01Z",
    "recorded_at": "2026-08-01T10:00:01Z", "trace_id": "t", "scenario_id": "s", "actor_type": "runtime", "actor_id": "c", "object_type": "run",
    "object_id": "discard-4", "status": "succeeded", "version": "v1", "data": {}}]}]')#>>'{runs,0,result}' as imported \gset
select count(*) as beside from pdpp_runs_beside('discard-4') \gset
select pdpp_prune(now(), 10)->>'events' as pruned \gset
select count(*) as violations from pdpp_check() \gset
select count(*) as endings from pdpp_run_endings() \gset
set local debug_discard_caches = 0;

select ok(has_function_privilege('pg_monitor', 'pdpp_run_status(text)', 'execute'), 'pdpp_grant');
select ok(:'epoch' is not null, 'pdpp_controller_boot');
select ok(:'rejoined', 'pdpp_controller_rejoin');
select is(:'offer'::text, 'controller_offer', 'pdpp_controller_offer');
select is(:'now'::text, 'started', 'pdpp_run_now');
select is(:'again'::text, 'discard-run', 'once for its key');
select is(:'claim'::text, 'discard-run', 'pdpp_run_claim, of one that is named');
select is(:'started'::text, 'run.started', 'pdpp_run_started');
select is(:'extended'::text, 'active', 'pdpp_run_extend');
select is(:'fenced'::text, 'discard-run', 'pdpp_run_fence');
select is(:'event'::text, 'run.progress_reported', 'pdpp_run_event');
select is(:'cancel'::text, 'cancel_requested', 'pdpp_run_cancel');
select is(:'status'::text, 'active', 'pdpp_run_status of an active run');
select is(:'listed'::text, '1', 'pdpp_run_list');
select is(:'connection'::text, 'discard-run', 'pdpp_connection_list');
select is(:'settled'::text, 'true', 'pdpp_run_settle');
select is(:'statuses'::text, 'completed completed', 'pdpp_run_statuses');
select is(:'events'::text, '6', 'pdpp_run_timeline');
select is(:'newest'::text, 'run.completed', 'newest first');
select is(:'retry'::text, 'discard-run', 'pdpp_connection_run_now, which repeats a run');
select is(:'launch_failed'::text, 'launch_failed', 'pdpp_run_launch_failed');
select is(:'retried_by'::text, 'discard-2', 'pdpp_run_status of one that was repeated');
select is(:'by_connector'::text, 'started', 'pdpp_connector_run_now');
select is(:'claimed'::text, 'discard-3', 'pdpp_run_claim, of those that wait');
select is(:'reconciled'::text, 'reconciliation', 'pdpp_reconcile');
select is(:'run_ids'::text, '3', 'pdpp_runs');
select is(:'imported'::text, 'imported', 'pdpp_run_import');
select is(:'beside'::text, '0', 'pdpp_runs_beside');
select is(:'pruned'::text, '1', 'pdpp_prune');
select is(:'violations'::text, '0', 'pdpp_check');
select ok(:'endings'::int > 0, 'pdpp_run_endings');
select * from finish();
rollback;
-- where a run was ever repeated each status looks for repetitions, and other suites count what is read
reindex index pdpp.spine_events_retries;
\endif
