-- pdpp_controller_rejoin, and the session that is a boot's proof of life: taken up again, given back by a rollback, never
-- ended for being idle. What the grace means is in test/cluster/grace.t.
\i test/sql/include/prelude.psql
begin;
select plan(34);

insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at, lost_at, dead_at) values
    ('rj', 1, '00000000-0000-4000-8000-0000000000b1', '2026-01-01 00:00:00Z', now(), null),
    ('rj-dead', 1, '00000000-0000-4000-8000-0000000000b2', '2026-01-01 00:00:00Z', now() - interval '1 hour', now());

-- refusals
select pg_temp.refused('select pdpp_controller_rejoin(null)', 'PT400', 'invalid_request', 'boot_epoch', 'no epoch');
select pg_temp.refused($$select pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000bf')$$, 'PT409', 'boot_lost',
    'boot_epoch', 'an epoch that nobody has');
select pg_temp.refused($$select pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000b2')$$, 'PT409', 'boot_lost',
    'boot_epoch', 'a boot that has been declared dead');
select is(pg_temp.refusal($$select pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000b2')$$)->>'message',
    'this boot has been declared dead: its runs are being ended', 'which the message tells from the other');
select pg_temp.refused('select pdpp_run_claim()', 'PT409', 'not_booted', null, 'a refused rejoin makes no controller');
select is(count(*), 0::bigint, 'and holds no lock') from pg_locks
where locktype = 'advisory' and pid = pg_backend_pid();

-- undone
savepoint s;
select lives_ok($$select pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000b1')$$, 'a rejoin…');
select is(pdpp_run_claim(), null, '…makes a controller…');
rollback to s;
select pg_temp.refused('select pdpp_run_claim()', 'PT409', 'not_booted', null, '…until it is rolled back');
select isnt(lost_at, null, 'and the boot is lost as before') from pdpp.controller_boots where controller_id = 'rj';
select is(count(*), 0::bigint, 'no lock is left') from pg_locks where locktype = 'advisory' and pid = pg_backend_pid();

-- taken up
select is(pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000b1'),
    '{"object": "controller_rejoin", "controller_id": "rj", "seq": 1, "booted_at": "2026-01-01T00:00:00.000Z",
      "boot_epoch": "00000000-0000-4000-8000-0000000000b1"}', 'the body');
select is(lost_at, null, 'the boot is not lost any more') from pdpp.controller_boots where controller_id = 'rj';
select is(pdpp_controller_offer('[{"connector_instance_id": "rj-1", "connector_id": "x"}]')->>'boot_epoch',
    '00000000-0000-4000-8000-0000000000b1', 'the session acts for that boot: offers');
select is(pdpp_run_now('x', 'rj-1', 'rj-run')->>'run_id', 'rj-run', 'a run');
select is(pdpp_run_claim()->>'run_id', 'rj-run', 'claims');
select is(pdpp_run_started('rj-run')->'event_seq', '2', 'starts');
select is(data_json, '{"boot_epoch": "00000000-0000-4000-8000-0000000000b1", "controller_id": "rj"}', 'with its stamp')
from pdpp.spine_events where run_id = 'rj-run' and event_type = 'run.started';
select is(pdpp_reconcile() - 'object', '{"lost_boots": 0, "launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}', 'it lives');
select is(count(*), 1::bigint, 'by one lock') from pg_locks
where locktype = 'advisory' and pid = pg_backend_pid() and mode = 'ShareLock';

-- its own boot, again
select is(pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000b1')->>'seq', '1', 'rejoining what it is');
select is(pdpp_controller_boot('rj-other')->>'seq', '1', 'another boot of this session');
savepoint s;
select is(pdpp_controller_rejoin('00000000-0000-4000-8000-0000000000b1')->>'controller_id', 'rj', 'back to the first');
select is(pdpp_controller_offer('[]')->>'boot_epoch', '00000000-0000-4000-8000-0000000000b1', 'acts for it');
rollback to s;
select isnt(pdpp_controller_offer('[]')->>'boot_epoch', '00000000-0000-4000-8000-0000000000b1', 'rolled back: acts for the other');
select is(count(*), 2::bigint, 'and holds both') from pg_locks
where locktype = 'advisory' and pid = pg_backend_pid() and mode = 'ShareLock';
select is(pdpp_reconcile() - 'object', '{"lost_boots": 0, "launch_failed": 0, "abandoned": 0, "timed_out": 0, "cancelled": 0}', 'both live');

-- a boot of the same controller settles nothing of one that lives
select is(pdpp_controller_boot('rj')->'settled', '{"lost_boots": 0, "launch_failed": 0, "abandoned": 0}',
    'an earlier boot that holds its lock is left alone');
select is(pdpp_run_status('rj-run')->>'status', 'active', 'and so is its run');

-- the session is never ended for being idle
select current_setting('server_version_num')::integer >= 140000 as idle_sessions_end \gset
\if :idle_sessions_end
set local idle_session_timeout = '10min';
\endif
set local idle_in_transaction_session_timeout = '10min';
savepoint s;
select lives_ok($$select pdpp_controller_boot('rj-idle')$$, 'a boot…');
select is(coalesce(current_setting('idle_session_timeout', true), '0'), '0', '…turns idle_session_timeout off…');
select is(current_setting('idle_in_transaction_session_timeout'), '0', '…and the one for transactions');
rollback to s;
select is(current_setting('idle_session_timeout', true), case when :'idle_sessions_end' then '10min' end, 'undone if the boot is');
select is(current_setting('idle_in_transaction_session_timeout'), '10min', 'both');

select * from finish();
rollback;
