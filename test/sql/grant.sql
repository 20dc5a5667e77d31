-- pdpp_grant: a role gets EXECUTE on what its kind calls, on nothing else, and needs no table privilege.
\i test/sql/include/prelude.psql
begin;
select plan(73);

create temporary view callable as
select r.rolname as role, p.proname as function
from pg_roles as r, pg_proc as p join pg_depend as d on d.classid = 'pg_proc'::regclass and d.objid = p.oid
    and d.deptype = 'e'
join pg_extension as e on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and e.extname = 'pdpp'
where r.rolname like 'pdpp\_test\_%' and has_function_privilege(r.oid, p.oid, 'execute');

create role pdpp_test_owner;
create role pdpp_test_controller;
create role pdpp_test_importer;
create role "pdpp_test_Quoted ""; drop role pdpp_test_owner; --";
select is_empty('select * from callable', 'new roles can call nothing');
select lives_ok($$select pdpp_grant('pdpp_test_owner', 'owner')$$, 'an owner');
select lives_ok($$select pdpp_grant('pdpp_test_controller', 'controller')$$, 'a controller');
select set_eq($$select function from callable where role = 'pdpp_test_owner'$$,
    array['pdpp_run_status', 'pdpp_run_statuses', 'pdpp_run_timeline', 'pdpp_run_list', 'pdpp_run_endings',
          'pdpp_connection_list', 'pdpp_run_key', 'pdpp_run_wait', 'pdpp_run_now', 'pdpp_run_cancel',
          'pdpp_connection_run_now', 'pdpp_connector_run_now'],
    'an owner reads, starts and cancels');
select set_eq($$select function from callable where role = 'pdpp_test_controller'$$,
    array['pdpp_run_status', 'pdpp_run_statuses', 'pdpp_run_timeline', 'pdpp_run_list', 'pdpp_run_endings',
          'pdpp_connection_list', 'pdpp_run_key', 'pdpp_run_wait', 'pdpp_run_now', 'pdpp_run_cancel',
    'pdpp_connection_run_now', 'pdpp_connector_run_now', 'pdpp_controller_boot', 'pdpp_controller_rejoin',
          'pdpp_controller_offer', 'pdpp_run_claim', 'pdpp_run_fence', 'pdpp_run_started', 'pdpp_run_extend', 'pdpp_run_event', 'pdpp_run_settle',
          'pdpp_run_launch_failed',
          'pdpp_reconcile'], 'a controller also launches, appends, settles and reconciles');
select lives_ok($$select pdpp_grant('pdpp_test_importer', 'importer')$$, 'an importer');
select set_eq($$select function from callable where role = 'pdpp_test_importer'$$,
    array['pdpp_run_status', 'pdpp_run_statuses', 'pdpp_run_timeline', 'pdpp_run_list', 'pdpp_run_key', 'pdpp_run_wait', 'pdpp_run_import', 'pdpp_runs_beside'],
    'an importer reads, and writes down what another server recorded');
select lives_ok($$select pdpp_grant('"pdpp_test_Quoted ""; drop role pdpp_test_owner; --"', 'owner')$$,
    'a role''s name is only a name');
select is(count(*), 12::bigint, 'whatever it is') from callable where role like 'pdpp_test_Quoted%';
select lives_ok($$select pdpp_grant('pdpp_test_owner', 'owner')$$, 'granted twice is granted once');
select is_empty($$select r.rolname, c.oid::regclass from pg_roles as r, pg_class as c
    where r.rolname like 'pdpp\_test\_%' and c.relnamespace = 'pdpp'::regnamespace
                  and c.relkind = 'r' and has_table_privilege(r.oid, c.oid,
                  'select, insert, update, delete, truncate, references, trigger')$$,
                'no table privilege comes with it');
select is_empty($$select rolname from pg_roles
    where rolname like 'pdpp\_test\_%' and has_schema_privilege(oid, 'pdpp', 'usage, create')$$,
                'nor one on the schema');

select is_empty($$select rolname from pg_roles where rolname like 'pdpp\_test\_%'
    and has_table_privilege(oid, 'pdpp_runs', 'select, insert, update, delete, truncate, references, trigger')$$,
    'nor one on the view, which SELECT opens');
grant select on pdpp_runs to pdpp_test_owner;

-- an owner at work
set local role pdpp_test_owner;
select is(pdpp_run_now('gr', 'gr-1', 'gr-1')->>'status', 'started', 'owner: run now');
select is(pdpp_run_status('gr-1')->>'status', 'active', 'owner: status');
select is(pdpp_run_timeline('gr-1')->'event_count', '1', 'owner: timeline');
select is(count(*), 1::bigint, 'owner: statuses') from pdpp_run_statuses(array['gr-1']) where http_status = 200;
select is(pdpp_run_list()#>>'{data,0,run_id}', 'gr-1', 'owner: list');
select is(pdpp_connection_list()#>>'{data,0,active_run,run_id}', 'gr-1', 'owner: connections');
select is(pdpp_run_endings()->>'object', 'run_endings', 'owner: endings');
select is(status, 'active', 'owner: the view') from pdpp_runs where run_id = 'gr-1';
select is(pdpp_run_status('gr-unknown')->'error'->>'code', 'not_found', 'owner: an unknown run');
select is(pdpp_run_cancel('gr-1', 'owner')->>'status', 'cancel_requested', 'owner: cancel');
select is(pg_temp.refusal(statement)->>'sqlstate', '42501', 'owner: not ' || statement) from unnest(array[
    $$select pdpp_controller_boot('x')$$, $$select pdpp_controller_rejoin('00000000-0000-4000-8000-000000000001')$$, $$select pdpp_controller_offer('[]')$$, 'select pdpp_run_claim()', 'select pdpp_run_claim(2)',
    $$select pdpp_run_started('gr-1')$$, $$select pdpp_run_extend('gr-1', '1 hour')$$,
    $$select pdpp_run_event('gr-1', 'x')$$, $$select pdpp_run_settle('gr-1', 'failed')$$,
    $$select pdpp_run_launch_failed('gr-1', 'm')$$,
    'select pdpp_reconcile()', $$select pdpp_run_fence('gr-1')$$, 'select pdpp_check()', 'select * from pdpp.spine_events', 'delete from pdpp.controller_active_runs',
    $$insert into pdpp.connections values ('x', 'x', 1, null)$$, 'select pdpp.refuse_history_change()']) as statement;
select is(pg_temp.refusal($$select pdpp_grant('pdpp_test_owner', 'controller')$$)->>'sqlstate', '42501',
    'owner: grants itself nothing');
reset role;

-- a controller at work
set local role pdpp_test_controller;
select is(pdpp_controller_boot('gr')->>'object', 'controller_boot', 'controller: boot');
select is(pdpp_controller_rejoin(boot_epoch)->>'object', 'controller_rejoin', 'controller: rejoin')
from (select (pdpp_controller_offer('[]')->>'boot_epoch')::uuid as boot_epoch) as b;
select is(pdpp_controller_offer('[{"connector_instance_id": "gr-2", "connector_id": "gr"}]')->'offered', '1',
    'controller: offer');
select is(pdpp_run_now('gr', 'gr-2', 'gr-2')->>'status', 'started', 'controller: run now');
select is(pdpp_run_claim()->>'run_id', 'gr-2', 'controller: claim');
select is_empty('select pdpp_run_claim(2)', 'controller: claim of several');
select is(pdpp_run_started('gr-2')->'event_seq', '2', 'controller: started');
select is(pdpp_run_extend('gr-2', '1 hour')->>'status', 'active', 'controller: extend');
select is(pdpp_run_fence('gr-2')->>'object', 'run_fence', 'controller: fence');
select is(pdpp_run_event('gr-2', 'x')->'event_seq', '3', 'controller: event');
select is(pdpp_run_settle('gr-2', 'completed')->>'status', 'completed', 'controller: settle');
select is(pdpp_run_now('gr', 'gr-3', 'gr-3')->>'status', 'started', 'controller: another run');
select is(pdpp_run_launch_failed('gr-3', 'm')->>'status', 'failed', 'controller: launch_failed');
select is(pdpp_reconcile()->>'object', 'reconciliation', 'controller: reconcile');
select is(pdpp_connection_list(connector_instance_id => 'gr-2')#>>'{data,0,controller_id}', 'gr', 'controller: connections');
select is(pdpp_run_endings()->>'object', 'run_endings', 'controller: endings');
select is(pg_temp.refusal('select * from pdpp.spine_events')->>'sqlstate', '42501', 'controller: no table');
select is(pg_temp.refusal('select pdpp_check()')->>'sqlstate', '42501', 'controller: no check: that is an operator''s');
select is(pg_temp.refusal($$select pdpp_grant('pdpp_test_owner', 'controller')$$)->>'sqlstate', '42501',
    'controller: grants nothing');
reset role;

-- the caller's privileges decide, also for a role that may call pdpp_grant
grant execute on function pdpp_grant(regrole, text) to pdpp_test_owner;
set local role pdpp_test_owner;
select lives_ok($$select pg_temp.refusal($q$select pdpp_grant('pdpp_test_owner', 'controller')$q$)$$,
    'who may call it but not grant…');
reset role;
select is(count(*), 12::bigint, '…grants nothing') from callable where role = 'pdpp_test_owner'
    and function <> 'pdpp_grant';

-- bad arguments
select pg_temp.refused(format('select pdpp_grant(''pdpp_test_owner'', %L)', kind), 'PT400', 'invalid_request', 'kind',
    format('kind %s', quote_nullable(kind)))
from unnest(array[null, '', 'Owner', 'reader', 'owner ', 'superuser']) as kind;
select pg_temp.refused(format('select pdpp_grant(%s, ''owner'')', role), 'PT400', 'invalid_request', 'role',
    'role ' || role)
from unnest(array['null', '''-''', '0', '4294967295']) as role;
select is(pg_temp.refusal($$select pdpp_grant('nobody at all', 'owner')$$)->>'sqlstate' is null, false,
    'an unknown name is refused by the server');

select * from finish();
rollback;
