-- pdpp_run_wait and pdpp_run_key: arguments, and where a wait is refused. What waits for something is test/cluster/wait.t's.
\i test/sql/include/prelude.psql

-- a wait ends the transaction that it is called in, so the answers are taken before the tests begin
call pdpp_run_wait('wa-nobody') \gset unknown_
call pdpp_run_wait('') \gset empty_
call pdpp_run_wait(repeat('x', 300)) \gset long_
call pdpp_run_wait(run_id => null) \gset null_
call pdpp_run_wait('wa-nobody', '100 years 17 months -3 days') \gset life_
\set ON_ERROR_STOP 0
call pdpp_run_wait('wa-1', null);
\set null_timeout :SQLSTATE
call pdpp_run_wait('wa-1', '-1s');
\set negative_timeout :SQLSTATE
call pdpp_run_wait('wa-1', '1 month -31 days');
\set sum_timeout :SQLSTATE
\set ON_ERROR_STOP 1

begin;
select plan(20);

select is(pdpp_run_key(id), left(encode(sha256(convert_to(id, 'UTF8')), 'hex'), 16), 'the key of ' || left(id, 10))
from unnest(array['run_anna', 'ä', '', repeat('x', 300)]) as id;
select is(pdpp_run_key('run_anna'), 'ccf8492c5aa12a45', 'the same for ever');
select is(pdpp_run_key(null), null, 'null has none');

select is(:'unknown_status'::text, pdpp_run_status('wa-nobody')::text, 'an unknown id: at once, as the status tells it');
select is(:'empty_status'::jsonb#>>'{error,code}', 'not_found', 'an id that is none');
select is(:'long_status'::jsonb#>>'{error,code}', 'not_found', 'one that is too long');
select ok(not :{?null_status}, 'null gets null');
select is(:'life_status'::text, :'unknown_status', 'the longest time');

select pdpp_run_now('wa', 'wa-1', 'wa-1')->>'status' = 'started' as admitted \gset
select is(pg_temp.refusal(call)->>'sqlstate', '25001', 'not within a function: ' || call)
from unnest(array['call pdpp_run_wait(''wa-1'')', 'call pdpp_run_wait(''wa-nobody'')', 'call pdpp_run_wait(null)',
                  'call pdpp_run_wait(''wa-1'', null)']) as call;
select matches(pg_temp.refusal('call pdpp_run_wait(''wa-1'')')->>'hint', 'autocommit', 'the hint says what to do');
savepoint a;
\set ON_ERROR_STOP 0
call pdpp_run_wait('wa-1');
\set refused :SQLSTATE
\set ON_ERROR_STOP 1
rollback to a;
select is(:'refused'::text, '25001', 'nor in a block');
select is(:'null_timeout'::text, 'PT400', 'a timeout that is null');
select is(:'negative_timeout'::text, 'PT400', 'one that is negative');
select is(:'sum_timeout'::text, 'PT400', 'or is so when it is summed up');

select * from finish();
rollback;
