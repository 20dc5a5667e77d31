-- pdpp_run_statuses: many handles at once, one row for each array element, in order.
\i test/sql/include/prelude.psql
begin;
select plan(13);

select lives_ok($$select pdpp_run_now('c', 'sts-' || n, 'sts-' || n) from generate_series(1, 300) as n$$, '300 runs');
select lives_ok($$select pdpp_run_settle('sts-' || n, 'completed') from generate_series(1, 300, 2) as n$$,
    'half of them ended');

select pg_temp.rows_are(
    $$select ordinal, run_id, http_status, body
    from pdpp_run_statuses(array['sts-2', 'sts-unknown', null, 'sts-1', 'sts-2', '', '..'])$$,
    $$values (1, 'sts-2', 200, pdpp_run_status('sts-2')), (2, 'sts-unknown', 404, pdpp_run_status('sts-unknown')),
             (3, null, null, null), (4, 'sts-1', 200, pdpp_run_status('sts-1')), (5, 'sts-2', 200,
             pdpp_run_status('sts-2')),
             (6, '', 404, pdpp_run_status('')), (7, '..', 404, pdpp_run_status('..'))$$,
    'each element, in order: known, unknown, null, twice, impossible');
select pg_temp.rows_are(
    $$select ordinal, run_id, http_status, body->>'status' from pdpp_run_statuses(array(select 'sts-' || n
    from generate_series(300, 1, -1) as n))$$,
    $$select 301 - n, 'sts-' || n, 200, case n % 2 when 1 then 'completed' else 'active' end
    from generate_series(300, 1, -1) as n$$,
    'many of them');
select is((select jsonb_agg(body) from pdpp_run_statuses(array['sts-1', 'sts-2'])),
          jsonb_build_array(pdpp_run_status('sts-1'), pdpp_run_status('sts-2')),
          'the bodies are those of pdpp_run_status');
select is_empty('select * from pdpp_run_statuses(array[]::text[])', 'an empty array: no rows');
select is_empty('select * from pdpp_run_statuses(null)', 'null: no rows');
select is(count(*), 4::bigint, 'an array of arrays: its elements')
from pdpp_run_statuses(array[['a', 'b'], ['c', 'd']]);
select is(count(*), 100000::bigint, '100,000 unknown ids')
from pdpp_run_statuses(array_fill('nobody'::text, array[100000])) where http_status = 404;
select pg_temp.rows_are($$select http_status, body#>>'{error,message}'
    from pdpp_run_statuses(array[repeat('x', 300)])$$,
                  $$values (404, 'Run not found: ' || repeat('x', 256) || '…')$$, 'an oversized id');
select pg_temp.rows_are($$select a.id, s.http_status
    from unnest(array['sts-1', 'no']) as a(id), pdpp_run_statuses(array[a.id]) as s order by 2$$,
                  $$values ('sts-1', 200), ('no', 404)$$, 'called for each row of another table');
select pg_temp.rows_are($$select (pdpp_run_statuses(array['sts-1', 'no'])).http_status$$, 'values (200), (404)',
    'and in the select list');
select pg_temp.rows_are($$select ordinal from pdpp_run_statuses(array['a', 'b', 'c']) limit 2$$, 'values (1), (2)',
    'and not read to its end');

select * from finish();
rollback;
