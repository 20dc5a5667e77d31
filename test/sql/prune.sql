-- pdpp_prune: what may go, in batches, and nothing else; what a handle, a timeline, a list and the check say afterwards.
\i test/sql/include/prelude.psql
begin;
select plan(46);

create function pg_temp.stored() returns text language sql as
    $$ select coalesce(string_agg(run_id || ': ' || seqs, ', ' order by run_id), 'nothing') from (select run_id, string_agg(event_seq::text, ' ' order by event_seq) as seqs
       from pdpp.spine_events where run_id like 'pr-%' group by run_id) as r $$;

-- runs that ended a year ago, a day ago, and one that goes on: each with six events between start and end
create function pg_temp.run(id text, ended_at timestamptz, ending text) returns void language sql as $$
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, actor_id, trace_id,
        connector_instance_id, data_json)
    select id, n, 'e' || n, case n when 1 then 'run.admitted' when 3 then 'run.started' when 9 then ending else 'run.note' end, at, at,
           case when n in (1, 3, 9) then ended_at - interval '8 s' end, 'pc', 't', id, '{"reason": "r"}'
    from generate_series(1, 9) as n, lateral (select ended_at - (9 - n) * interval '1 s' as at) as a $$;
select lives_ok($$select pg_temp.run('pr-old-' || n, now() - interval '1 year' + n * interval '1 h', 'run.failed') from generate_series(1, 3) as n$$, 'three that ended long ago');
select lives_ok($$select pg_temp.run('pr-young', now() - interval '1 day', 'run.completed')$$, 'one that ended yesterday');
select lives_ok($$select pdpp_run_now('pc', 'pr-active', 'pr-active')$$, 'one that goes on');
insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
select 'pr-active', n, 'e' || n, 'run.note', now() - interval '2 years', now() - interval '2 years' from generate_series(2, 5) as n;
select is(pdpp_run_settle('pr-old-3', 'completed')->'settled', 'false', 'one of the old ones has a late outcome');
select lives_ok($$select pdpp_run_settle(pdpp_run_now('pc', 'pr-short', 'pr-short')->>'run_id', 'completed')$$, 'one with nothing in between');
create temporary table before as
select run_id, pdpp_run_status(run_id) as status, pdpp_run_timeline(run_id) as timeline from pdpp_runs where run_id like 'pr-%';
select is_empty($$select run_id from before where timeline ? 'pruned'$$, 'no timeline says pruned before anything is');

-- bad arguments
select pg_temp.refused(format('select pdpp_prune(%s)', bad), 'PT400', 'invalid_request', 'before', 'before ' || bad)
from unnest(array['null', $$'infinity'$$, $$now() + interval '1 min'$$]) as bad;
select pg_temp.refused(format($$select pdpp_prune('2020-01-01Z', %s)$$, bad), 'PT400', 'invalid_request', 'batch_size', 'batch_size ' || bad)
from unnest(array[0, -1, 100001, 2147483647]) as bad;
select is(pdpp_prune('-infinity'), '{"object": "prune", "events": 0, "runs": 0, "left": 0, "left_is_exact": true}', 'nothing is as old as that');

-- in batches, the oldest first
create temporary table month as select now() - interval '1 month' as ago;
select is(pdpp_prune(ago, 4), '{"object": "prune", "events": 4, "runs": 1, "left": 14, "left_is_exact": true}', 'four of eighteen') from month;
select is(pg_temp.stored(), 'pr-active: 1 2 3 4 5, pr-old-1: 1 3 7 8 9, pr-old-2: 1 2 3 4 5 6 7 8 9, pr-old-3: 1 2 3 4 5 6 7 8 9 10, pr-short: 1 2, pr-young: 1 2 3 4 5 6 7 8 9',
    'of the run that ended first, in their order; never of the lifecycle');
select is(pdpp_run_timeline('pr-old-1')->'pruned', 'true', 'its timeline says so while some are left');
select is(pdpp_prune(ago, 1), '{"object": "prune", "events": 1, "runs": 1, "left": 10, "left_is_exact": false}', 'what is left is counted up to ten batches') from month;
select is(pdpp_prune(ago), '{"object": "prune", "events": 13, "runs": 3, "left": 0, "left_is_exact": true}', 'a thousand at once, if nothing is said') from month;
select is(pdpp_prune(ago, null), '{"object": "prune", "events": 0, "runs": 0, "left": 0, "left_is_exact": true}', 'again: nothing is left') from month;
select is(pg_temp.stored(), 'pr-active: 1 2 3 4 5, pr-old-1: 1 3 9, pr-old-2: 1 3 9, pr-old-3: 1 3 9 10, pr-short: 1 2, pr-young: 1 2 3 4 5 6 7 8 9',
    'what stays: the lifecycle, late outcomes, runs that ended since, runs that go on');

-- what is said of the runs
select is_empty($$select run_id from before where status <> pdpp_run_status(run_id)$$, 'every handle says what it said');
select is_empty($$select run_id from pdpp_runs where run_id like 'pr-%' and status <> pdpp_run_status(run_id)->>'status'$$, 'so does the view');
select is((select count(*) from jsonb_array_elements(pdpp_run_list('failed', 'pc')->'data') as r where r in (select status from before)), 3::bigint, 'and the list');
select is(pdpp_run_timeline(run_id) - 'data' - 'event_count', timeline - 'data' - 'event_count' || '{"pruned": true}', 'the timeline says so: ' || run_id)
from before where run_id like 'pr-old-%' order by run_id;
select is(pdpp_run_timeline(run_id), timeline, 'and of no other: ' || run_id) from before where run_id not like 'pr-old-%' order by run_id;
select is(pdpp_run_timeline('pr-old-1', 1, pdpp_run_timeline('pr-old-1', 1)->>'next_cursor')#>>'{data,0,event_type}', 'run.started', 'a cursor leads over the gap');
select is(pdpp_run_timeline('pr-old-3', 1, pdpp_run_timeline('pr-old-3', 3)->>'next_cursor')#>>'{data,0,event_seq}', '10', 'to the last event');
select is(pdpp_run_timeline('pr-old-3', 1)->'pruned', 'true', 'every page says so');
select is_empty($$select * from pdpp_check() where run_id like 'pr-old%'$$, 'the check accepts the gaps');
select is(pdpp_run_settle('pr-old-3', 'cancelled')->'settled', 'false', 'another late outcome');
select is(pg_temp.stored() ~ 'pr-old-3: 1 3 9 10 11,', true, 'gets a number of its own');

-- nothing else is let through, also in the session that prunes
select pg_temp.refused(statement, 'PT403', 'append_only', null, statement) from unnest(array[
    $$delete from pdpp.spine_events where run_id = 'pr-young' and event_type = 'run.note'$$,
    $$delete from pdpp.spine_events where run_id = 'pr-old-3' and event_type = 'run.late_outcome'$$,
    $$delete from pdpp.spine_events where run_id = 'pr-active' and event_seq = 5$$,
    $$with p as (select pdpp_prune(now() - interval '1 hour', 1)) delete from pdpp.spine_events as e using p where e.run_id = 'pr-young' and e.event_seq = 8$$,
    $$update pdpp.spine_events set data_json = '{}' where run_id = 'pr-young'$$]) as statement;
-- after a prune that failed half-way, too
create function pg_temp.fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
create trigger zz_fail after delete on pdpp.spine_events for each row execute function pg_temp.fail();
select throws_ok($$select pdpp_prune(now() - interval '1 hour')$$, 'P0001', 'no', 'a prune that fails');
drop trigger zz_fail on pdpp.spine_events;
select pg_temp.refused($$delete from pdpp.spine_events where run_id = 'pr-young' and event_type = 'run.note'$$, 'PT403', 'append_only', null,
    'leaves the guard as it was');
select is(pdpp_prune(now() - interval '1 hour')->'events', '6', 'and the next one works');

-- for superusers, until they grant it
create role pdpp_test_pruner;
select is(has_function_privilege('pdpp_test_pruner', 'pdpp_prune(timestamptz, integer)', 'execute'), false, 'nobody may call it by default');
select pdpp_grant('pdpp_test_pruner', 'controller') is null as granted \gset
select is(has_function_privilege('pdpp_test_pruner', 'pdpp_prune(timestamptz, integer)', 'execute'), false, 'controllers neither');

select * from finish();
rollback;
