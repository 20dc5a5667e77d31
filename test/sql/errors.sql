-- Typed errors: SQLSTATE PTnnn, MESSAGE for people, DETAIL a JSON object for programs, HINT what to do; and a session
-- that goes on afterwards.
\i test/sql/include/prelude.psql
begin;
select plan(103);

select lives_ok($$select pdpp_run_now('ec', 'er-conn', 'er-active', 'er-key')$$, 'an active run');
select lives_ok($$select pdpp_run_started('er-active')$$, 'that has started');
select lives_ok($$select pdpp_run_settle(pdpp_run_now('ec', 'er-2', 'er-ended')->>'run_id', 'failed')$$,
    'and one that has ended');

insert into pdpp.connections values ('er-many-2', 'er-many', 0, gen_random_uuid()),
    ('er-many-"1"', 'er-many', 0, gen_random_uuid());

-- every code: its SQLSTATE, its whole DETAIL, its message, its hint
create temporary table codes (code text, sqlstate text, statement text, detail jsonb, message text, hint text);
insert into codes values
    ('invalid_request', 'PT400', $$select pdpp_run_settle('er-active', 'done')$$, '{"param": "outcome"}',
     'outcome must be completed, failed, cancelled or abandoned', null),
    ('invalid_cursor', 'PT400', $$select pdpp_run_timeline('er-active', 10, 'x')$$, '{"param": "cursor"}',
     'cursor is not one that the timeline returned',
     'Pass next_cursor of the page before unchanged, or leave the cursor out to read from the start.'),
    ('append_only', 'PT403', $$delete from pdpp.spine_events where run_id = 'er-active'$$, '{}',
     'pdpp.spine_events is append-only: an event of run er-active cannot be deleted',
     'History is append-only; pdpp_prune() removes what may go. To take all of it away, drop the extension.'),
    ('guarded_state', 'PT403', 'truncate pdpp.connections', '{}', 'pdpp.connections cannot be truncated',
     'Only the functions of pdpp change it. To take all of it away, drop the extension.'),
    ('not_found', 'PT404', $$select pdpp_run_started('er-unknown')$$, '{"param": "run_id"}',
    'Run not found: er-unknown',
     'Check the id: it was never handed out here.'),
    ('connector_instance_not_found', 'PT404', $$select pdpp_connection_run_now('er-never')$$,
     '{"param": "connector_instance_id"}', 'Connection not found: er-never',
     'Check the name: a connection is on record once it was offered or had a run.'),
    ('run_already_active', 'PT409', $$select pdpp_run_now('ec', 'er-conn')$$,
     '{"param": "connector_instance_id", "active_run_id": "er-active"}',
     'Connection er-conn has an active run: er-active',
     'Wait for the active run, or ask for its end with pdpp_run_cancel.'),
    ('ambiguous_connection', 'PT409', $$select pdpp_connector_run_now('er-many')$$,
     '{"param": "connector_id", "connector_instance_ids": ["er-many-\"1\"", "er-many-2"]}',
     'Connector er-many has several connections', 'Name one of the connections: pdpp_connection_run_now.'),
    ('run_id_taken', 'PT409', $$select pdpp_run_now('ec', 'er-3', 'er-ended')$$, '{"param": "run_id"}',
     'run_id belongs to another run: er-ended', 'Choose another run id, or leave it out to get one.'),
    ('run_already_started', 'PT409', $$select pdpp_run_started('er-active')$$, '{"param": "run_id"}',
    'Run has already started: er-active',
     'Another launcher started this run: stop the process you launched for it.'),
    ('run_already_terminal', 'PT409', $$select pdpp_run_event('er-ended', 'x')$$,
    '{"param": "run_id", "status": "failed"}',
     'Run has already ended as failed: er-ended',
     'Read how it ended with pdpp_run_status; stop the process if one still works on it.'),
    ('run_not_settled', 'PT409', $$delete from pdpp.controller_active_runs where run_id = 'er-active'$$, '{}',
     'run er-active has not ended: its flight state cannot be removed',
     'End the run with pdpp_run_settle or pdpp_run_cancel: both clear its flight state.'),
    ('not_booted', 'PT409', 'select pdpp_run_claim()', '{}', 'this session is not a controller: it has not booted',
     'Call pdpp_controller_boot in this session first.'),
    ('boot_lost', 'PT409', $$select pdpp_controller_rejoin('00000000-0000-4000-8000-00000000dead')$$,
     '{"param": "boot_epoch"}', 'no boot has this epoch',
     'Call pdpp_controller_boot: it begins a new life, whose runs are its own.'),
    ('run_superseded', 'PT409', $$select pdpp_run_fence('er-ended')$$, '{"param": "run_id", "status": "failed"}',
     'Run has already ended as failed: er-ended',
     'Write nothing more for this run: roll back, and stop the process that works on it.'),
    ('event_too_large', 'PT413',
    $$select pdpp_run_event('er-active', 'x', jsonb_build_object('x', repeat('x', 70000)))$$,
     '{"param": "data"}', null, 'Store the payload elsewhere and send a reference, or raise pdpp.max_event_bytes.'),
    ('idempotency_conflict', 'PT422', $$select pdpp_run_now('ec', 'er-other', null, 'er-key')$$,
    '{"param": "idempotency_key"}',
     'idempotency_key was used before with other arguments',
     'Repeat the first call unchanged, or use a new key for a new run.');
create temporary table refusals as select *, pg_temp.refusal(statement) as refusal from codes;

select is(refusal->>'sqlstate', sqlstate, code || ': SQLSTATE') from refusals;
select is(refusal->'detail', detail || jsonb_build_object('code', code),
    code || ': DETAIL is a JSON object with code and param') from refusals;
select is(refusal->>'message', coalesce(message, refusal->>'message'), code || ': MESSAGE') from refusals;
select is(coalesce(refusal->>'hint', ''), coalesce(hint, ''), code || ': HINT') from refusals;
select is(count(distinct code), 17::bigint, 'every code of the contract was raised') from refusals;

-- DETAIL is JSON whatever the ids are made of
select lives_ok($$select pdpp_run_now('ec', 'er "quoted" \ 😀', 'er " \ 😀')$$, 'ids with quotes and backslashes');
select is(pg_temp.refusal($$select pdpp_run_now('ec', 'er "quoted" \ 😀')$$)->'detail'->>'active_run_id', 'er " \ 😀',
    'DETAIL escapes them');
select is(pg_temp.refusal($$select pdpp_run_now('ec', 'er-4', 'er-%s %n %d')$$), null, 'ids with percent signs');
select is(pg_temp.refusal($$select pdpp_run_now('ec', 'er-4')$$)->>'message',
    'Connection er-4 has an active run: er-%s %n %d', 'are no formats');

-- errors by function: the DETAIL of each names the argument
select pg_temp.refused(statement, 'PT400', 'invalid_request', param, statement) from (values
    ('select pdpp_run_now(null)', 'connector_id'), ('select pdpp_controller_boot(null)', 'controller_id'), ('select pdpp_controller_rejoin(null)', 'boot_epoch'),
    ('select pdpp_run_started(null)', 'run_id'), ($$select pdpp_run_event(null, 'x')$$, 'run_id'),
    ($$select pdpp_run_event('er-active', null)$$, 'event_type'),
    ($$select pdpp_run_settle(null, 'failed')$$, 'run_id'),
    ($$select pdpp_run_settle('er-active', null)$$, 'outcome'),
    ($$select pdpp_run_launch_failed(null, 'm')$$, 'run_id'), ('select pdpp_run_cancel(null)', 'run_id'), ($$select pdpp_run_timeline('er-active', 0)$$, 'page_size'),
    ('select pdpp_run_list(page_size => 0)', 'page_size'), ('select pdpp_connection_list(page_size => 0)', 'page_size'),
    ($$select pdpp_connection_list('')$$, 'connector_id'), ($$select pdpp_connection_list(null, '')$$, 'connector_instance_id'), ($$select pdpp_run_list('done')$$, 'status'),
    ($$select pdpp_run_list(connector_id => '')$$, 'connector_id'), ($$select pdpp_run_list(connector_instance_id => '')$$, 'connector_instance_id'),
    ($$select pdpp_grant(null, 'owner')$$, 'role'), ($$select pdpp_grant(current_user::regrole, 'reader')$$, 'kind'),
    ($$select pdpp_run_event('er-active', 'run.failed')$$, 'event_type'),
    ($$select pdpp_run_event('er-active', 'x', '[]')$$, 'data'),
    ($$select pdpp_run_event('er-active', 'x', '{}', '')$$, 'event_id')) as v(statement, param);

-- no error carries another user's data: not what an event says, not what a key was used for
select unalike(pg_temp.refusal(statement)::text, '%er-secret%', 'nothing of the other run is told: ' || statement)
from (values
    (pdpp_run_now('ec', 'er-5', null, 'er-key-2', null, '{"a": "er-secret"}')), (null)) as setup, (values
    ($$select pdpp_run_now('ec', 'er-6', null, 'er-key-2', null, '{}')$$),
    ($$select pdpp_run_now('ec', 'er-5', null, null, null, '{}')$$)) as v(statement)
where setup is not null;

-- nothing refused left anything behind
select is_empty($$select run_id from pdpp.controller_active_runs
    where connector_instance_id in ('er-3', 'er-6', 'er-other')$$, 'no flight row');
select is_empty($$select connector_instance_id from pdpp.connections
    where connector_instance_id in ('er-3', 'er-6', 'er-other')$$, 'no connection');

select * from finish();
rollback;
