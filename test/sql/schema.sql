-- The schema: tables, keys, the lifecycle index, triggers, the functions and how they run, comments, privileges.
\i test/sql/include/prelude.psql
begin;
select plan(55);

create temporary view members as
select d.classid, d.objid
from pg_depend as d join pg_extension as e on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid
where d.deptype = 'e' and e.extname = 'pdpp';

create temporary view member_functions as
select p.* from pg_proc as p join members as m on m.classid = 'pg_proc'::regclass and m.objid = p.oid;

-- the extension
select pg_temp.rows_are(
    $$select extversion, extrelocatable, (extnamespace::regnamespace::text) from pg_extension where extname = 'pdpp'$$,
    $$values ('0.3.0', false, 'public')$$,
    'version 0.3.0, not relocatable, functions in public unless told otherwise');
select set_eq(
    $$select c::regclass::text from pg_extension as e, unnest(e.extconfig) as c where e.extname = 'pdpp'$$,
    array['pdpp.spine_events', 'pdpp.connections', 'pdpp.controller_active_runs', 'pdpp.controller_boots',
          'pdpp.idempotency_keys'],
    'the data of every table is part of a dump');
select set_eq(
    $$select n.nspname, c.relkind::text, count(*)::integer from members as m
    join pg_class as c on m.classid = 'pg_class'::regclass and c.oid = m.objid
      join pg_namespace as n on n.oid = c.relnamespace group by 1, 2$$,
    $$values ('pdpp', 'r', 5), ('public', 'v', 1)$$, 'the tables live in the schema pdpp, the view beside the functions');

-- tables
select tables_are('pdpp', array['spine_events', 'controller_active_runs', 'connections', 'controller_boots',
                                'idempotency_keys'], 'five tables');

create function pg_temp.columns_of(relation regclass) returns table(name text, type text, required boolean)
    language sql as $$
    select attname::text, format_type(atttypid, atttypmod), attnotnull
    from pg_attribute where attrelid = relation and attnum > 0 and not attisdropped order by attnum
$$;

select pg_temp.rows_are($$select * from pg_temp.columns_of('pdpp.spine_events')$$, $$values
    ('run_id', 'text', true), ('event_seq', 'bigint', true), ('event_id', 'text', true), ('event_type', 'text', true),
    ('occurred_at', 'timestamp with time zone', true), ('recorded_at', 'timestamp with time zone', true),
    ('admitted_at', 'timestamp with time zone', false), ('trace_id', 'text', false), ('scenario_id', 'text', false),
    ('actor_type', 'text', false), ('actor_id', 'text', false), ('subject_type', 'text', false),
    ('subject_id', 'text', false), ('object_type', 'text', false), ('object_id', 'text', false),
    ('status', 'text', false), ('request_id', 'text', false), ('grant_id', 'text', false),
    ('source_kind', 'text', false), ('source_id', 'text', false), ('client_id', 'text', false),
    ('stream_id', 'text', false), ('token_id', 'text', false), ('interaction_id', 'text', false),
    ('connector_instance_id', 'text', false), ('data_json', 'jsonb', true), ('version', 'text', false)$$,
    'spine_events: columns');
select pg_temp.rows_are($$select * from pg_temp.columns_of('pdpp.controller_active_runs')$$, $$values
    ('connector_instance_id', 'text', true), ('connector_id', 'text', true), ('run_id', 'text', true),
    ('trace_id', 'text', true), ('scenario_id', 'text', false), ('started_at', 'timestamp with time zone', true),
    ('run_generation', 'bigint', true), ('boot_epoch', 'uuid', false),
    ('launch_deadline', 'timestamp with time zone', false), ('cancel_requested_at', 'timestamp with time zone', false),
    ('cancel_requested_by', 'text', false), ('deadline_at', 'timestamp with time zone', false),
    ('deadline_set_at', 'timestamp with time zone', false), ('offered_by', 'uuid', false)$$,
    'controller_active_runs: columns');
select pg_temp.rows_are($$select * from pg_temp.columns_of('pdpp.connections')$$, $$values
    ('connector_instance_id', 'text', true), ('connector_id', 'text', true), ('run_generation', 'bigint', true),
    ('boot_epoch', 'uuid', false), ('run_timeout', 'interval', false)$$,
    'connections: columns');
select pg_temp.rows_are($$select * from pg_temp.columns_of('pdpp.controller_boots')$$, $$values
    ('controller_id', 'text', true), ('seq', 'bigint', true), ('boot_epoch', 'uuid', true),
    ('booted_at', 'timestamp with time zone', true), ('lost_at', 'timestamp with time zone', false),
    ('dead_at', 'timestamp with time zone', false)$$,
    'controller_boots: columns');
select pg_temp.rows_are($$select * from pg_temp.columns_of('pdpp.idempotency_keys')$$, $$values
    ('key', 'text', true), ('run_id', 'text', true), ('digest', 'bytea', true),
    ('created_at', 'timestamp with time zone', true)$$,
    'idempotency_keys: columns');

select pg_temp.rows_are($$select name, type from pg_temp.columns_of('pdpp_runs')$$, $$values
    ('run_id', 'text'), ('status', 'text'), ('connector_id', 'text'), ('connector_instance_id', 'text'), ('trace_id', 'text'),
    ('admitted_at', 'timestamp with time zone'), ('started_at', 'timestamp with time zone'),
    ('completed_at', 'timestamp with time zone'), ('duration', 'interval'),
    ('cancel_requested_at', 'timestamp with time zone'), ('terminal_reason', 'text'), ('failure_message', 'text'),
    ('failure_origin', 'text'), ('connector_error_message', 'text'), ('known_gaps', 'jsonb'),
    ('known_gaps_summary', 'jsonb'), ('run_generation', 'bigint'), ('deadline_at', 'timestamp with time zone'),
    ('retry_of', 'text'), ('retried_by', 'text')$$,
    'pdpp_runs: columns');

-- keys
select col_is_pk('pdpp', 'spine_events', array['run_id', 'event_seq'], 'spine_events: the key');
select index_is_unique('pdpp', 'spine_events', 'spine_events_event_id_key', 'spine_events: an event id is unique within its run');
select col_is_pk('pdpp', 'controller_active_runs', 'connector_instance_id', 'one active run for each connection');
select col_is_unique('pdpp', 'controller_active_runs', 'run_id', 'a run is in flight once');
select col_is_pk('pdpp', 'connections', 'connector_instance_id', 'connections: the key');
select col_is_pk('pdpp', 'controller_boots', array['controller_id', 'seq'], 'controller_boots: the key');
select col_is_unique('pdpp', 'controller_boots', 'boot_epoch', 'a boot epoch names one boot');
select col_is_pk('pdpp', 'idempotency_keys', 'key', 'idempotency_keys: the key');
select indexes_are('pdpp', 'spine_events',
    array['spine_events_pkey', 'spine_events_event_id_key', 'spine_events_lifecycle', 'spine_events_list',
          'spine_events_list_by_connection', 'spine_events_list_by_connector', 'spine_events_prunable',
          'spine_events_endings', 'spine_events_retries'], 'spine_events: indexes');
select indexes_are('pdpp', 'controller_active_runs', array['controller_active_runs_pkey',
    'controller_active_runs_run_id_key',
    'controller_active_runs_offered', 'controller_active_runs_list'], 'controller_active_runs: indexes');
select indexes_are('pdpp', 'connections', array['connections_pkey', 'connections_offered', 'connections_by_connector', 'connections_by_boot'],
    'connections: indexes');
select indexes_are('pdpp', 'controller_boots', array['controller_boots_pkey', 'controller_boots_boot_epoch_key',
    'controller_boots_not_dead'],
    'controller_boots: indexes');
select is_empty($$
    select i.indexrelid::regclass, a.attname from pg_index as i, unnest(i.indkey) with ordinality as k(attnum, position)
    join pg_attribute as a on a.attnum = k.attnum and k.attnum > 0
    where a.attrelid = i.indrelid and i.indrelid in (select oid from pg_class where relnamespace = 'pdpp'::regnamespace)
      and a.atttypid = 'text'::regtype and i.indcollation[k.position - 1] <> '"C"'::regcollation$$,
    'every text in a key is collate "C": no index depends on a collation library');
select is_empty($$
    select i.indexrelid::regclass from pg_index as i
    join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = 'pdpp.spine_events'::regclass and i.indisunique and a.attname <> 'run_id'$$,
    'every unique key of the spine begins with run_id');
select throws_ok($$insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
                   values ('r', 0, 'e', 't', now(), now())$$, '23514', null, 'event_seq counts from 1');

-- the lifecycle index
create function pg_temp.run_words(definition text) returns setof text language sql as
    $$ select distinct w[1] from regexp_matches(definition, '''(run\.[a-z_]+)''', 'g') as w $$;
create temporary table lifecycle (event_type text, phase integer);
insert into lifecycle values ('run.admitted', 1), ('run.started', 2), ('run.completed', 3), ('run.failed', 3),
    ('run.cancelled', 3), ('run.abandoned', 3);

select ok(indisunique and indisvalid, 'spine_events_lifecycle is unique') from pg_index
where indexrelid = 'pdpp.spine_events_lifecycle'::regclass;
select set_eq(
    $$select pg_temp.run_words(pg_get_expr(indpred, indrelid)) from pg_index
      where indexrelid = 'pdpp.spine_events_lifecycle'::regclass$$,
    'select event_type from lifecycle', 'it holds the lifecycle events and no others');
select pg_temp.rows_are(
    format('select %s from lifecycle order by event_type', pg_get_expr(indexprs, indrelid)),
    'select phase from lifecycle order by event_type', 'it numbers the phases: admitted, started, ended')
from pg_index where indexrelid = 'pdpp.spine_events_lifecycle'::regclass;
select set_eq(
    $$select pg_temp.run_words(pg_get_expr(indpred, indrelid)) from pg_index
      where indexrelid = 'pdpp.spine_events_prunable'::regclass$$,
    $$select event_type from lifecycle union all select 'run.late_outcome'$$,
    'retention takes none of them, nor late outcomes');
select set_eq(
    $$select pg_temp.run_words(pg_get_expr(indpred, indrelid)) from pg_index
      where indexrelid = 'pdpp.spine_events_endings'::regclass$$,
    'select event_type from lifecycle where phase = 3', 'what is counted is the endings');

select lives_ok($$select pdpp_run_now('c', run_id => 'schema-1')$$, 'a run to try the words on');
select is_empty(
    $$select event_type from lifecycle
      where pg_temp.refusal(format('select pdpp_run_event(''schema-1'', %L)', event_type))->'detail'->>'code'
            is distinct from 'invalid_request'$$,
    'the domain counts each of them to the lifecycle');
select is_empty(
    $$select w from unnest(array['run.progress_reported', 'run.Completed', 'run.completed ', 'completed',
    'admitted']) as w
      where pg_temp.refusal(format('select pdpp_run_event(''schema-1'', %L)', w)) is not null$$,
    'and not their neighbours');
select throws_ok(
    format($$insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
             values ('schema-2', 1, 'a', %L, now(), now()), ('schema-2', 2, 'b', %L, now(), now())$$, a, b),
    '23505', null, format('%s and %s: one ending, whoever writes', a, b))
from (values ('run.completed', 'run.completed'), ('run.completed', 'run.failed'), ('run.failed', 'run.abandoned'),
             ('run.cancelled', 'run.completed')) as endings(a, b);

-- triggers
select triggers_are('pdpp', 'spine_events',
    array['spine_events_no_update', 'spine_events_no_delete', 'spine_events_no_truncate'], 'spine_events: triggers');
select triggers_are('pdpp', 'controller_active_runs',
    array['controller_active_runs_settled', 'controller_active_runs_no_truncate', 'controller_active_runs_identity'],
    'controller_active_runs: triggers');
select triggers_are('pdpp', 'connections',
    array['connections_no_delete', 'connections_no_truncate', 'connections_identity', 'connections_generation'], 'connections: triggers');
select triggers_are('pdpp', 'controller_boots',
    array['controller_boots_no_delete', 'controller_boots_no_truncate', 'controller_boots_identity', 'controller_boots_verdict'],
    'controller_boots: triggers');
select triggers_are('pdpp', 'idempotency_keys',
    array['idempotency_keys_no_change', 'idempotency_keys_no_truncate'], 'idempotency_keys: triggers');
select is_empty($$select tgname from pg_trigger where tgrelid in ('pdpp.spine_events'::regclass,
                  'pdpp.controller_active_runs'::regclass, 'pdpp.connections'::regclass,
                  'pdpp.controller_boots'::regclass,
                  'pdpp.idempotency_keys'::regclass) and tgtype & 4 <> 0$$,
    'no trigger fires on insert: a restore loads tables in any order');
select is_empty($$select tgname from pg_trigger where tgrelid::regclass::text like 'pdpp.%' and tgenabled <> 'O'$$,
    'all triggers are enabled');

-- functions: signature, result, volatility (v, s), parallel safety (u, s), security definer, strict
select set_eq(
    $$select proname::text, regexp_replace(pg_get_function_arguments(oid), '\mIN ', '', 'g'), pg_get_function_result(oid), provolatile::text,
             proparallel::text, prosecdef, proisstrict from member_functions
             where pronamespace <> 'pdpp'::regnamespace$$,
    $$values
    ('pdpp_run_now', 'connector_id text, connector_instance_id text DEFAULT NULL::text, run_id text DEFAULT NULL::text, '
     'idempotency_key text DEFAULT NULL::text, trace_id text DEFAULT NULL::text, data jsonb DEFAULT ''{}''::jsonb, '
     'timeout interval DEFAULT NULL::interval, retry_of text DEFAULT NULL::text',
     'jsonb', 'v', 'u', true, false),
    ('pdpp_connection_run_now', 'connector_instance_id text DEFAULT NULL::text, run_id text DEFAULT NULL::text, '
     'idempotency_key text DEFAULT NULL::text, trace_id text DEFAULT NULL::text, data jsonb DEFAULT ''{}''::jsonb, '
     'timeout interval DEFAULT NULL::interval, retry_of text DEFAULT NULL::text',
     'jsonb', 'v', 'u', true, false),
    ('pdpp_connector_run_now', 'connector_id text, run_id text DEFAULT NULL::text, '
     'idempotency_key text DEFAULT NULL::text, trace_id text DEFAULT NULL::text, data jsonb DEFAULT ''{}''::jsonb, '
     'timeout interval DEFAULT NULL::interval, retry_of text DEFAULT NULL::text',
     'jsonb', 'v', 'u', true, false),
    ('pdpp_run_cancel', 'run_id text, requested_by text DEFAULT NULL::text', 'jsonb', 'v', 'u', true, false),
    ('pdpp_controller_boot', 'controller_id text', 'jsonb', 'v', 'u', true, false),
    ('pdpp_controller_rejoin', 'boot_epoch uuid', 'jsonb', 'v', 'u', true, false),
    ('pdpp_controller_offer', 'connections jsonb', 'jsonb', 'v', 'u', true, false),
    ('pdpp_run_claim', 'run_id text DEFAULT NULL::text', 'jsonb', 'v', 'u', true, false),
    ('pdpp_run_claim', 'max integer', 'SETOF jsonb', 'v', 'u', true, false),
    ('pdpp_run_started', 'run_id text, data jsonb DEFAULT ''{}''::jsonb, event_id text DEFAULT NULL::text, '
     'timeout interval DEFAULT NULL::interval',
     'jsonb', 'v', 'u', true, false),
    ('pdpp_run_extend', 'run_id text, timeout interval', 'jsonb', 'v', 'u', true, false),
    ('pdpp_run_event', 'run_id text, event_type text, data jsonb DEFAULT ''{}''::jsonb, event_id text DEFAULT NULL::text',
     'jsonb', 'v', 'u', true, false),
    ('pdpp_run_settle', 'run_id text, outcome text, data jsonb DEFAULT ''{}''::jsonb, event_id text DEFAULT NULL::text',
     'jsonb', 'v', 'u', true, false),
    ('pdpp_run_launch_failed', 'run_id text, message text', 'jsonb', 'v', 'u', true, false),
    ('pdpp_run_fence', 'run_id text', 'jsonb', 'v', 'u', true, false),
    ('pdpp_check', '', 'TABLE(invariant text, run_id text, detail text)', 's', 'u', true, false),
    ('pdpp_run_endings', 'since timestamp with time zone DEFAULT NULL::timestamp with time zone', 'jsonb', 'v', 'u', true, false),
    ('pdpp_prune', 'before timestamp with time zone, batch_size integer DEFAULT 1000', 'jsonb', 'v', 'u', true, false),
    ('pdpp_reconcile', '', 'jsonb', 'v', 'u', true, false),
    ('pdpp_run_status', 'run_id text', 'jsonb', 's', 's', false, true),
    ('pdpp_run_statuses', 'run_ids text[]', 'TABLE(ordinal integer, run_id text, http_status integer, body jsonb)',
     's', 's', false, true),
    ('pdpp_run_import', 'runs jsonb', 'jsonb', 'v', 'u', true, false),
    ('pdpp_runs_beside', 'run_id text', 'SETOF text', 's', 's', true, true),
    ('pdpp_run_key', 'run_id text', 'text', 'i', 's', false, true),
    ('pdpp_run_wait', 'run_id text, timeout interval DEFAULT ''00:00:30''::interval, INOUT status jsonb DEFAULT NULL::jsonb',
     null, 'v', 'u', false, false),
    ('pdpp_run_timeline', 'run_id text, page_size integer DEFAULT 2000, cursor text DEFAULT NULL::text, '
     'event_type text DEFAULT NULL::text, newest_first boolean DEFAULT false',
     'jsonb', 's', 's', true, false),
    ('pdpp_run_list', 'status text DEFAULT NULL::text, connector_id text DEFAULT NULL::text, '
     'connector_instance_id text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, '
     'until timestamp with time zone DEFAULT NULL::timestamp with time zone, page_size integer DEFAULT 50, cursor text DEFAULT NULL::text, '
     'retry_of text DEFAULT NULL::text',
     'jsonb', 's', 's', true, false),
    ('pdpp_connection_list', 'connector_id text DEFAULT NULL::text, connector_instance_id text DEFAULT NULL::text, '
     'offered boolean DEFAULT NULL::boolean, active boolean DEFAULT NULL::boolean, page_size integer DEFAULT 50, cursor text DEFAULT NULL::text',
     'jsonb', 's', 's', true, false),
    ('pdpp_grant', 'role regrole, kind text', 'void', 'v', 'u', false, false)$$,
    'the API: names, arguments, results, volatility, parallel safety, security, strictness');
select set_eq(
    $$select oid::regproc::text from member_functions where pronamespace = 'pdpp'::regnamespace$$,
    array['pdpp.refuse_history_change', 'pdpp.refuse_unsettled_removal', 'pdpp.refuse_state_change', 'pdpp.library_version'],
    'what is not for callers lives beside the tables');
select is_empty(
    $$select oid::regprocedure from member_functions
      where prosecdef and not proconfig @> case proname when 'pdpp_check' then array['search_path=pg_catalog, pg_temp']
          else array['search_path=pg_catalog, pg_temp', 'enable_seqscan=off'] end$$,
    'every security definer function has a fixed search_path, and plans without walking tables, but for the check');
select is_empty(
    $$select oid::regprocedure, setting from member_functions, unnest(proconfig) as setting
      where setting <> 'search_path=pg_catalog, pg_temp' and setting !~ '^((enable_[a-z]+|jit|quote_all_identifiers)=off|enable_incremental_sort=on)$'$$,
    'and sets nothing else');

-- comments
select is_empty($$select oid::regprocedure from member_functions where obj_description(oid, 'pg_proc') is null$$,
    'every function has a comment');
select is_empty($$select c.oid::regclass from pg_class as c join members as m on m.classid = 'pg_class'::regclass
                  and m.objid = c.oid where c.relkind in ('r', 'v') and obj_description(c.oid, 'pg_class') is null$$,
    'every table and view has a comment');
select isnt(obj_description('pdpp'::regnamespace, 'pg_namespace'), null, 'the schema has a comment');

-- privileges
select is_empty($$
    select p.oid::regprocedure::text, a.privilege_type from member_functions as p,
           aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a where a.grantee = 0
    union all
    select c.oid::regclass::text, a.privilege_type
    from pg_class as c join members as m on m.classid = 'pg_class'::regclass and m.objid = c.oid,
         aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char",
         c.relowner))) as a
    where a.grantee = 0
    union all
    select n.nspname::text, a.privilege_type from pg_namespace as n,
           aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
           where n.nspname = 'pdpp' and a.grantee = 0$$,
    'PUBLIC has no privilege on any object');

create role pdpp_test_nobody;
select is_empty(
    $$select p.oid::regprocedure from member_functions as p
    where has_function_privilege('pdpp_test_nobody', p.oid, 'execute')$$,
    'a role without grants can call nothing');
select is_empty($$
    select c.oid::regclass from pg_class as c join members as m on m.classid = 'pg_class'::regclass and m.objid = c.oid
    where c.relkind in ('r', 'v')
      and has_table_privilege('pdpp_test_nobody', c.oid,
      'select, insert, update, delete, truncate, references, trigger')$$,
    'nor touch any table or view');
select ok(not has_schema_privilege('pdpp_test_nobody', 'pdpp', 'usage, create'), 'nor look into the schema');

select * from finish();
rollback;
