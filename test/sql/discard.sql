-- What is known of the catalogue thrown away at every step, in a server that can (built with assertions): each call goes on all the same.
\i test/sql/include/prelude.psql
select max_val = '0' as cannot from pg_settings where name = 'debug_discard_caches'
union all select true limit 1 \gset
\if :cannot
select plan(1);
select skip('this server cannot throw its caches away', 1);
select * from finish();
\else
begin;
select plan(12);

-- for our own calls alone: pgTAP would take hours
set local debug_discard_caches = 1;
select pdpp_controller_boot('discard')->>'object' as boot \gset
select pdpp_run_now('c', 'discard-1', 'discard-run', idempotency_key => 'discard-key')->>'status' as now \gset
select pdpp_run_now('c', 'discard-1', 'discard-run', idempotency_key => 'discard-key')->>'run_id' as again \gset
select pdpp_run_claim('discard-run')->>'run_id' as claim \gset
select pdpp_run_started('discard-run')->>'event_type' as started \gset
select pdpp_run_event('discard-run', 'run.progress_reported', data => '{"count": 1}')->>'event_type' as event \gset
select pdpp_run_cancel('discard-run')->>'status' as cancel \gset
select pdpp_run_status('discard-run')->>'status' as status \gset
select jsonb_array_length(pdpp_run_list(connector_instance_id => 'discard-1')->'data') as listed \gset
select pdpp_run_settle('discard-run', 'completed')->>'settled' as settled \gset
select pdpp_run_status('discard-run')->>'status' as ended \gset
select jsonb_array_length(pdpp_run_timeline('discard-run')->'data') as events \gset
select pdpp_reconcile()->>'object' as reconciled \gset
set local debug_discard_caches = 0;

select is(:'boot'::text, 'controller_boot', 'a controller boots');
select is(:'now'::text, 'started', 'a run is admitted');
select is(:'again'::text, 'discard-run', 'once for its key');
select is(:'claim'::text, 'discard-run', 'claimed');
select is(:'started'::text, 'run.started', 'and started');
select is(:'event'::text, 'run.progress_reported', 'it says something');
select is(:'status'::text, 'active', 'and is active');
select is(:'listed'::text, '1', 'and listed');
select is(:'settled'::text, 'true', 'it is settled');
select is(:'ended'::text, 'completed', 'and has ended');
select is(:'events'::text, '5', 'with all its events');
select is(:'reconciled'::text, 'reconciliation', 'the guard makes its pass');
select * from finish();
rollback;
\endif
