-- Behind PostgREST, which sets request.method, an unknown id also sets the response's HTTP status.
\i test/sql/include/prelude.psql
begin;
select plan(25);

create function pg_temp.response_status() returns text language sql as $$ select nullif(current_setting('response.status', true), '') $$;
select lives_ok($$select pdpp_run_now('c', 'rest-1', 'rest-1')$$, 'a run');

-- without PostgREST
select is(pdpp_run_status('rest-unknown')->'error'->>'code', 'not_found', 'an unknown id in psql…');
select is(pdpp_run_timeline('rest-unknown')->'error'->>'code', 'not_found', '…and its timeline…');
select is(pg_temp.response_status(), null, '…set no response status');
set local request.method = '';
select is(pdpp_run_status('rest-unknown')->'error'->>'code', 'not_found', 'nor do they with an empty method');
select is(pg_temp.response_status(), null, 'as an earlier transaction of a pooled session leaves it');

-- behind it
savepoint request;
set local request.method = 'GET';
select is(pdpp_run_status('rest-1')->>'status', 'active', 'a known id…');
select is(pdpp_run_timeline('rest-1')->'event_count', '1', '…and its timeline…');
select is(pdpp_run_status(null), null, '…and null…');
select is(pg_temp.response_status(), null, '…keep the response 200');
select is(count(*), 2::bigint, 'many at once, unknown ones among them…')
from pdpp_run_statuses(array['rest-1', 'rest-unknown']);
select is(pg_temp.response_status(), null, '…are a 200 too: each row has its own');
select is(pdpp_run_status('rest-unknown')->'error'->>'code', 'not_found', 'an unknown id…');
select is(pg_temp.response_status(), '404', '…is a 404');
rollback to request;
select is(pg_temp.response_status(), null, 'the next request starts anew');

set local request.method = 'POST';
select is(pdpp_run_status('..')->'error'->>'code', 'not_found', 'an impossible id…');
select is(pg_temp.response_status(), '404', '…is a 404, whatever the method');
rollback to request;
set local request.method = 'HEAD';
select is(pdpp_run_timeline('rest-unknown')->'error'->>'code', 'not_found', 'the timeline of an unknown id…');
select is(pg_temp.response_status(), '404', '…is a 404');
rollback to request;

set local request.method = 'GET';
set local transaction_read_only = on;
select is(pdpp_run_status('rest-unknown')->'error'->>'code', 'not_found',
    'in a read-only transaction, as PostgREST makes it for GET');
select is(pg_temp.response_status(), '404', 'a 404 as well');
rollback to request;

-- in a parallel query no setting may change, and nothing breaks
set local request.method = 'GET';
select name as parallel from pg_settings where name in ('force_parallel_mode', 'debug_parallel_query') \gset
set local :parallel = on; -- which has another name since PostgreSQL 16
select is((select pdpp_run_status('rest-unknown')->'error'->>'code'), 'not_found',
    'in a parallel worker the id is unknown all the same');
select is((select pdpp_run_status('rest-1')->>'status'), 'active', 'and a known one known');
select is((select pdpp_run_timeline('rest-1')->>'event_count'), '1', 'with its timeline');
select is((select count(*) from pdpp_run_statuses(array['rest-1', 'rest-unknown'])), 2::bigint, 'and many at once');

select * from finish();
rollback;
