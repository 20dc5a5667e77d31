-- The settings pdpp.*: names, units, defaults, who may set them, and what they do.
\i test/sql/include/prelude.psql
begin;
select plan(21);

select lives_ok($$select pdpp_run_now('sc', 'se-1', 'se-1')$$, 'the library is loaded');
select pg_temp.rows_are(
    $$select name, boot_val, unit, context, vartype
      from pg_settings where name like 'pdpp.%' order by 1$$,
    $$values ('pdpp.cancel_grace', '60000', 'ms', 'sighup', 'integer'), ('pdpp.databases', '', null, 'sighup', 'string'),
             ('pdpp.launch_deadline', '60000', 'ms', 'sighup', 'integer'),
             ('pdpp.liveness_grace', '5000', 'ms', 'sighup', 'integer'), ('pdpp.max_event_bytes', '65536', 'B',
    'superuser', 'integer'),
             ('pdpp.notify', 'on', null, 'superuser', 'bool'),
             ('pdpp.reconcile_interval', '1000', 'ms', 'sighup', 'integer'),
             ('pdpp.run_timeout', '0', 'ms', 'sighup', 'integer')$$, 'name, default, unit, context, type of every setting');
select is_empty($$select name from pg_settings where name like 'pdpp.%' and short_desc = ''$$,
    'each says what it is for');
select is(current_setting('pdpp.launch_deadline')::interval, '1 minute', 'the launch deadline is a minute');
select is(current_setting('pdpp.max_event_bytes'), '64kB', 'an event has at most 64 kB');
select case when current_setting('server_version_num')::integer < 150000 then skip('no prefix is reserved yet', 1)
    else throws_ok('set pdpp.launch_deadlin = 1', '42602', null, 'a misspelt setting is refused: the prefix is reserved') end;
select throws_ok('set pdpp.launch_deadline = 1', '55P02', null, 'launch_deadline is for the configuration file');
select throws_ok(format('set pdpp.%s = 1', setting), '55P02', null, setting || ' is too')
from unnest(array['liveness_grace', 'reconcile_interval', 'databases', 'run_timeout', 'cancel_grace']) as setting;
select throws_ok('set pdpp.max_event_bytes = 0', '22023', null, 'max_event_bytes has bounds');
select throws_ok('set pdpp.max_event_bytes = ''65MB''', '22023', null, 'on both sides');

-- who may
create role pdpp_test_anybody;
set local role pdpp_test_anybody;
select throws_ok('set pdpp.max_event_bytes = ''1MB''', '42501', null, 'max_event_bytes is for superusers');
select throws_ok('set pdpp.notify = off', '42501', null, 'so is notify');
reset role;

-- max_event_bytes
set local pdpp.max_event_bytes = '1kB';
select pg_temp.refused($$select pdpp_run_event('se-1', 'x', jsonb_build_object('x', repeat('x', 1024)))$$, 'PT413',
    'event_too_large', 'data', 'a lower bound');
select is(pg_temp.refusal($$select pdpp_run_event('se-1', 'x', jsonb_build_object('x', repeat('x', 1024)))$$)->>'message',
          'data takes 1037 bytes as stored; at most 1024 are accepted', 'the message gives both sizes');
set local pdpp.max_event_bytes = '1MB';
select is(pdpp_run_event('se-1', 'x', jsonb_build_object('x', repeat('x', 1000000)))->'event_seq', '2',
    'a higher bound');
reset pdpp.max_event_bytes;
select lives_ok($$select pdpp_run_launch_failed(pdpp_run_now('sc', 'se-2', 'se-2')->>'run_id', repeat('😀', 500))$$,
    'the guard''s own events always fit');
set local pdpp.max_event_bytes = 4;
select is(pdpp_run_launch_failed(pdpp_run_now('sc', 'se-3', 'se-3')->>'run_id', repeat('😀', 500))->>'status', 'failed',
    'whatever the bound');
reset pdpp.max_event_bytes;

select * from finish();
rollback;
