-- A session after errors: at the top level, in a transaction block, after a rollback. Not in one transaction, so this
-- suite cleans up by ending its runs.
\i test/sql/include/prelude.psql
select plan(31);
create temporary table id as select 'session-' || gen_random_uuid() as run;
select run as run from id \gset

-- at the top level
select lives_ok(format('select pdpp_run_now(''c'', %L, %1$L)', :'run'), 'a run');
\set ON_ERROR_STOP 0
\set VERBOSITY terse
select pdpp_run_settle(:'run', 'done');
\set said :SQLSTATE
select is(:'said'::text, 'PT400', 'a refused call in a transaction of its own…');
select is(pdpp_run_status(:'run')->>'status', 'active', '…and the session goes on');

-- in a transaction block
begin;
select pdpp_run_event(:'run', 'run.note', '{"in": "the block"}') is not null as appended \gset
select pdpp_run_event(:'run', 'run.failed');
select pdpp_run_status(:'run');
rollback;
select is(:'appended'::text, 't', 'an event, then a refused call, then the rollback:');
select is(pdpp_run_timeline(:'run')->'event_count', '1', 'nothing of the block is left');
select is(pdpp_run_event(:'run', 'run.note')->'event_seq', '2', 'and the session goes on, without a gap');

-- in a block that recovers
begin;
savepoint before;
select pdpp_run_started(:'run', '[]');
rollback to before;
select pdpp_run_started(:'run') is not null as started \gset
commit;
\set ON_ERROR_STOP 1
select is(:'started'::text, 't', 'a savepoint undoes the refused call');
select is(pdpp_run_settle(:'run', 'completed')->'settled', 'true', 'and the run ends');
select is(pdpp_run_timeline(:'run')->'event_count', '4', 'with every event that was acknowledged');

-- a boot in a transaction that is rolled back is undone with it
begin;
select pdpp_controller_boot('session-controller-' || :'run') is not null as booted \gset
rollback;
select is(:'booted'::text, 't', 'a boot, rolled back:');
select pg_temp.refused('select pdpp_run_claim()', 'PT409', 'not_booted', null, 'the session is no controller');
select is_empty($$select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()$$, 'and holds no lock');
begin;
select pdpp_controller_boot('session-controller-' || :'run') is not null as booted \gset
commit;
select is(count(*), 1::bigint, 'a boot that commits holds one lock, for the session') from pg_locks
where locktype = 'advisory' and pid = pg_backend_pid() and mode = 'ShareLock' and granted;
select is_empty($$select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and objsubid in (1, 2)$$,
                'in a class that SQL''s advisory functions cannot name');
select is(pdpp_run_claim(), null, 'and the session is a controller');
begin;
select pdpp_run_claim() is null as claimed \gset
rollback;
select is(pdpp_run_claim(), null, 'also after a later rollback');

-- synchronous_commit is raised for the commit alone (test/cluster/durable.t)
set synchronous_commit = off;
select pdpp_run_now('c', :'run' || '-2', :'run' || '-2') is not null as admitted \gset
select is(current_setting('synchronous_commit'), 'off', 'an admission leaves synchronous_commit as it was');
select is(pdpp_run_settle(:'run' || '-2', 'completed')->'settled', 'true', 'a settle…');
select is(current_setting('synchronous_commit'), 'off', '…too');
reset synchronous_commit;

-- An event goes into the spine without a statement, which would have kept a lock for its reading part; and with one, where
-- somebody has altered the spine.
create function pg_temp.locks_of_event() returns text language sql as $$
    select pdpp_run_event('session-direct', 'note');
    select string_agg(mode, ', ' order by mode) from pg_locks where pid = pg_backend_pid() and relation = 'pdpp.spine_events'::regclass
$$;
select pdpp_run_now('c', 'session-direct', 'session-direct') is not null as admitted \gset
select is(pg_temp.locks_of_event(), 'RowExclusiveLock', 'an event is inserted directly');
begin;
alter table pdpp.spine_events alter version set default '2';
select matches(pg_temp.locks_of_event(), 'AccessShareLock', 'or by a statement');
rollback;
select is(pg_temp.locks_of_event(), 'RowExclusiveLock', 'and directly again');
select pdpp_run_settle('session-direct', 'completed') is not null as ended \gset

-- An admission keeps locks on few relations: those of more than sixteen would be in the table that all sessions share.
begin;
select pdpp_run_now('c', 'session-locks') is not null as admitted \gset
select cmp_ok(count(distinct relation), '<=', 12::bigint, 'an admission keeps locks on few relations') from pg_locks join pg_class as c on c.oid = relation
where pid = pg_backend_pid() and c.relnamespace = 'pdpp'::regnamespace;
rollback;

-- A server that takes no writes says so first: it may not know of the run yet.
begin read only;
select throws_ok($$select pdpp_run_started('nobody')$$, '25006', 'cannot execute UPDATE in a read-only transaction', 'a start in a read-only transaction, of a run that is not there');
rollback;
begin read only;
select throws_ok(format('select %s', call), '25006', 'cannot execute SELECT FOR UPDATE in a read-only transaction', 'and so does ' || call)
from (values ($$pdpp_run_settle('nobody', 'completed')$$), ($$pdpp_run_event('nobody', 'note')$$), ($$pdpp_run_launch_failed('nobody', 'm')$$), ($$pdpp_run_cancel('nobody')$$)) as c(call);
rollback;
begin read only;
select throws_ok($$select pdpp_run_now('c', 'session-new')$$, '25006', null, 'an admission in a read-only transaction');
rollback;

-- The time of a connection that was written by hand, whatever it counts in, is what the list of connections says.
begin;
select pdpp_controller_boot('session-times') is not null as booted \gset
select pdpp_controller_offer('[{"connector_instance_id": "session-times", "connector_id": "c"}]') is not null as offered \gset
update pdpp.connections set run_timeout = '1 year 2 months 20000 days' where connector_instance_id = 'session-times';
select pdpp_run_now('c', 'session-times') \gset
select is(extract(epoch from deadline_at - started_at)::bigint, (select (e->>'timeout_seconds')::numeric::bigint from jsonb_array_elements(pdpp_connection_list(connector_id => 'c', offered => true)->'data') as e
    where e->>'connector_instance_id' = 'session-times'), 'as long as the list says') from pdpp.controller_active_runs where connector_instance_id = 'session-times';
rollback;

-- SQL's advisory functions leave a boot alone
select pdpp_reconcile() is not null as reconciled \gset
select pg_advisory_unlock_all() is not null as unlocked \gset
select is(pdpp_reconcile() - 'object' - 'launch_failed', '{"lost_boots": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}',
    'pg_advisory_unlock_all() does not end a boot');

select * from finish();
