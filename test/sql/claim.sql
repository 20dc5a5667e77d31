-- pdpp_run_claim: who gets which runs, in which order, several at once, and how much of the database that touches.
\i test/sql/include/prelude.psql
begin;
select plan(55);

create function pg_temp.offer(variadic connections text[]) returns text language sql as $$
    select pdpp_controller_offer(coalesce(jsonb_agg(jsonb_build_object('connector_instance_id', c, 'connector_id', 'cl')), '[]'))->>'offered'
    from unnest(connections) as c
$$;
create function pg_temp.offer() returns text language sql as $$ select pdpp_controller_offer('[]')->>'offered' $$;
create function pg_temp.boot() returns text language sql as $$ select pdpp_controller_boot('cl')->>'seq' $$;
create function pg_temp.admit(variadic connections text[]) returns bigint language sql as $$
    select count(pdpp_run_now('cl', c, 'run-' || c, data => jsonb_build_object('of', c))) from unnest(connections) as c
$$;
create function pg_temp.claimed(most integer) returns text language sql as $$
    select string_agg(c->>'run_id', ' ' order by n) from pdpp_run_claim(most) with ordinality as claims(c, n)
$$;

-- how many
select pg_temp.refused('select pdpp_run_claim(2)', 'PT409', 'not_booted', null, 'claim of several without a boot');
select is(pg_temp.boot(), '1', 'a boot');
select pg_temp.refused(format('select pdpp_run_claim(%s)', value), 'PT400', 'invalid_request', 'max', 'claim of ' || value)
from unnest(array['0', '-1', '1001', '2147483647', 'null::integer', 'max => null']) as value;
select is_empty('select pdpp_run_claim(1000)', 'nothing to claim: no row');
select is(pg_temp.offer('a', 'b', 'c', 'd', 'e'), '5', 'an offer…');
select is(pg_temp.admit('c', 'a', 'e', 'b', 'f'), 5::bigint, '…runs of which and of another');
select is(pg_temp.claimed(2), 'run-c run-a', 'the oldest two, oldest first');
select is(pg_temp.claimed(1), 'run-e', 'one');
select is(pg_temp.claimed(1000), 'run-b', 'what there is');
select is_empty('select pdpp_run_claim(1000)', 'then none');
select is(pdpp_run_claim(), null, 'nor one');
select is(count(*), 4::bigint, 'the boot owns them') from pdpp.controller_active_runs as f join pdpp.controller_boots as b using (boot_epoch)
where b.controller_id = 'cl';
select is(pdpp_run_settle('run-' || c, 'completed')->>'status', 'completed', c || ' ends') from unnest(array['a', 'b', 'c', 'e']) as c;

-- what they say
select is(pdpp_run_now('cl', 'a', 'run-a-2', data => '{"of": "a"}')->>'status', 'started', 'a run…');
select is(pdpp_run_now('cl', 'b', 'run-a-1', data => '{"of": "b"}')->>'status', 'started', '…and one whose id comes before');
select is(array_agg(c->>'run_id' || ' ' || (c->'data')::text order by n), array['run-a-2 {"of": "a"}', 'run-a-1 {"of": "b"}'],
    'each with what it was admitted with') from pdpp_run_claim(5) with ordinality as claims(c, n);
select is(pdpp_run_settle('run-a-' || n, 'completed')->>'status', 'completed', 'they end') from generate_series(1, 2) as n;
select is(pdpp_run_now('cl', 'a', 'run-a-3')->>'status', 'started', 'another');
select is(jsonb_agg(k order by k)::text, (select jsonb_agg(k order by k)::text from unnest(array['admitted_at', 'connector_id',
    'connector_instance_id', 'data', 'launch_deadline', 'object', 'run_generation', 'run_id', 'trace_id']) as k), 'as one claim does')
from pdpp_run_claim(1) as c, jsonb_object_keys(c) as k;

-- all or none
select is(pdpp_run_now('cl', 'b', 'run-b-1')->>'status', 'started', 'one more');
savepoint before;
select is(pg_temp.claimed(10), 'run-b-1', 'a claim');
select is(pdpp_run_claim(), null, 'after which there is nothing');
rollback to before;
select is(pdpp_run_claim()->>'run_id', 'run-b-1', 'rolled back, it waits as before');

-- who
select is(pg_temp.offer('m', 'n'), '2', 'two connections');
select is(pg_temp.admit('m', 'n'), 2::bigint, 'whose runs wait for the boot that offers them');
select is(pg_temp.boot(), '2', 'another boot');
select is(pdpp_run_claim(), null, 'to which they do not belong');
select is(pg_temp.offer('n'), '1', 'offers one of the connections');
select is(pg_temp.claimed(10), 'run-n', 'and gets its run');
select is(pg_temp.offer('m'), '1', 'offers the other');
select is(pg_temp.offer(), '0', 'and withdraws it');
select is(pdpp_run_claim(), null, 'and has nothing to claim');
select is(pg_temp.offer('m'), '1', 'offers it again');
select is(pg_temp.claimed(10), 'run-m', 'and gets it');

select is(pg_temp.admit('j', 'k', 'l'), 3::bigint, 'of three that wait…');
select is(pg_temp.offer('k', 'l'), '2', '…two are offered');
select is(pg_temp.claimed(1), 'run-k', 'one is claimed');
select is(pg_temp.offer('j', 'k', 'l'), '3', 'then the third is offered as well');
select is(pg_temp.claimed(1), 'run-j', 'and comes first, being older');
select is(pg_temp.claimed(2), 'run-l', 'then the other');

-- where an UPDATE does more than to put the owner there
create function pg_temp.note() returns trigger language plpgsql as $$
begin
    new.cancel_requested_by = 'noted';
    return new;
end
$$;
create trigger note before update on pdpp.controller_active_runs for each row execute function pg_temp.note();
select is(pg_temp.offer('g', 'h', 'i'), '3', 'three connections');
select is(pg_temp.admit('h', 'g', 'i'), 3::bigint, 'their runs');
select is(pg_temp.claimed(2), 'run-h run-g', 'somebody''s trigger does not change who is claimed');
select is(string_agg(run_id, ' ' order by run_id), 'run-g run-h', 'and is called')
from pdpp.controller_active_runs where cancel_requested_by = 'noted' and boot_epoch is not null and run_id in ('run-g', 'run-h');
drop trigger note on pdpp.controller_active_runs;

-- nor does a claim pass by what its UPDATE would be refused for
set local client_min_messages = error;
create publication everything for table pdpp.controller_active_runs;
alter table pdpp.controller_active_runs replica identity nothing;
select throws_ok('select count(*) from pdpp_run_claim(1)', '55000', null, 'a row that subscribers could not tell from others');
alter table pdpp.controller_active_runs replica identity default;
drop publication everything;
set local client_min_messages = notice;

-- without the index, and by rows that were written by hand
drop index pdpp.controller_active_runs_offered;
select is(pdpp_run_claim()->>'run_id', 'run-i', 'the claims'' index is gone: the connections say what is offered');

select * from finish();
rollback;
