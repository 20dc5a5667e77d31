-- Tables that somebody has altered: rows are read only as what they are, written as a statement would write them, and
-- pdpp_check() says what is not as it was made.
\i test/sql/include/prelude.psql
begin;
set local statement_timeout = '60s'; -- nothing here waits or goes round for ever
set local client_min_messages = error;

create function pg_temp.live(run text) returns text language sql as $$
    select pdpp_run_now('c', run, run, 'key of ' || run);
    select pdpp_run_started(run, '{"n": 1}', 'start of ' || run);
    select pdpp_run_event(run, 'run.note', '{"text": "x"}');
    select pdpp_run_settle(run, 'failed', '{"reason": "r"}');
    select string_agg(event_seq || ' ' || event_type, ', ' order by event_seq) from pdpp.spine_events where run_id = run
$$;
-- a life on altered tables: its events and its status, or the error; what was altered is as it was afterwards
create function pg_temp.after(alteration text, run text) returns text language plpgsql as $$
declare
    said text;
begin
    begin
        execute alteration;
        said := pg_temp.live(run);
        said := concat_ws(' ', said || ';', pdpp_run_status(run)->>'status', pdpp_run_status(run)->>'terminal_reason');
        raise exception using errcode = 'AA001', message = said;
    exception when others then
        get stacked diagnostics said = message_text;
        return case sqlstate when 'AA001' then '' else sqlstate || ': ' end || said;
    end;
end
$$;
create function pg_temp.checked(alteration text) returns text language plpgsql as $$
declare
    said text;
begin
    begin
        execute alteration;
        select string_agg(detail, E'\n') into said from pdpp_check() where invariant = 'tables_as_made';
        raise exception using errcode = 'AA001', message = coalesce(said, 'all is well');
    exception when others then
        get stacked diagnostics said = message_text;
        return case sqlstate when 'AA001' then '' else sqlstate || ': ' end || said;
    end;
end
$$;
-- a view of ours would stand in the way of whoever alters its columns
alter extension pdpp drop view pdpp_runs;
drop view pdpp_runs;
create temporary table alterations (number integer primary key generated always as identity, alteration text, life text, told text);
insert into alterations (alteration, life, told) values
    ('select', 'ok', 'all is well'),
    -- types
    ('alter table pdpp.spine_events alter version type numeric', 'ok', 'column spine_events.version'),
    ('alter table pdpp.spine_events alter version type bigint', 'ok', 'column spine_events.version'),
    ('alter table pdpp.spine_events alter source_id type uuid using null', '42804: column "source_id" is of type uuid but expression is of type text', 'column spine_events.source_id'),
    ('alter table pdpp.spine_events alter status type varchar(3) using ''x''', '22001: value too long for type character varying(3)', 'column spine_events.status'),
    ('alter table pdpp.spine_events alter status type varchar(30)', 'ok', 'column spine_events.status'),
    ('alter table pdpp.spine_events alter trace_id type varchar', 'ok', 'column spine_events.trace_id'),
    ('alter table pdpp.spine_events alter trace_id type integer using 1', '42804: column "trace_id" is of type integer but expression is of type text', 'column spine_events.trace_id'),
    ('alter table pdpp.spine_events alter trace_id type bytea using null', '42804: column "trace_id" is of type bytea but expression is of type text', 'column spine_events.trace_id'),
    ('alter table pdpp.spine_events alter occurred_at type timestamp', '42804: column pdpp.spine_events.occurred_at is of type timestamp without time zone, not timestamp with time zone', 'column spine_events.occurred_at'),
    ('alter table pdpp.spine_events alter occurred_at type timestamptz(0)', 'ok', 'column spine_events.occurred_at'),
    ('alter table pdpp.spine_events alter recorded_at type date', '42804: column recorded_at is of type date, not timestamp with time zone', 'column spine_events.recorded_at'),
    ('alter table pdpp.spine_events alter event_seq type integer', '42804: column event_seq is of type integer, not bigint', 'column spine_events.event_seq'),
    ('alter table pdpp.spine_events alter event_type type varchar', 'ok', 'column spine_events.event_type'),
    ('alter table pdpp.spine_events alter event_id type name', '42804: column event_id is of type name, not text', 'column spine_events.event_id'),
    ('alter table pdpp.spine_events drop constraint spine_events_data_json_check, alter data_json drop default, alter data_json type json', '42804: column pdpp.spine_events.data_json is of type json, not jsonb', 'column spine_events.data_json'),
    ('alter table pdpp.spine_events alter connector_instance_id type text collate "default"', 'ok', 'column spine_events.connector_instance_id'),
    ('create domain pg_temp.short as text check (value <> ''failed''); alter table pdpp.spine_events alter status type pg_temp.short', '23514: value for domain short violates check constraint "short_check"', 'column spine_events.status'),
    ('create domain pg_temp.word as text; alter table pdpp.spine_events alter trace_id type pg_temp.word', 'ok', 'column spine_events.trace_id'),
    -- nulls
    ('alter table pdpp.spine_events disable trigger user; update pdpp.spine_events set client_id = ''x''; alter table pdpp.spine_events enable trigger user; alter table pdpp.spine_events alter client_id set not null', '23502: null value in column "client_id" of relation "spine_events" violates not-null constraint', 'column spine_events.client_id'),
    ('alter table pdpp.spine_events alter event_id drop not null', 'ok', 'column spine_events.event_id'),
    -- what fills columns
    ('alter table pdpp.spine_events alter version set default 2', 'ok', 'column spine_events.version'),
    ('alter table pdpp.spine_events alter version drop default', '23502: null value in column "version" of relation "spine_events" violates not-null constraint', 'column spine_events.version'),
    ('alter table pdpp.spine_events alter client_id set default ''x''', 'ok', 'column spine_events.client_id'),
    ('alter table pdpp.spine_events add twice text generated always as (event_id || event_id) stored', 'ok', 'column spine_events.twice'),
    ('alter table pdpp.spine_events add number bigint generated always as identity', 'ok', 'column spine_events.number'),
    ('alter table pdpp.spine_events add region text', 'ok', 'column spine_events.region'),
    ('alter table pdpp.spine_events drop token_id', 'ok', 'column spine_events.token_id'),
    ('alter table pdpp.spine_events rename event_type to kind', '42703: column "event_type" does not exist', 'column spine_events.event_type'),
    -- constraints
    ('alter table pdpp.spine_events add check (actor_id <> ''c'') not valid', '23514: new row for relation "spine_events" violates check constraint "spine_events_actor_id_check"', 'constraint on spine_events'),
    ('alter table pdpp.spine_events drop constraint spine_events_event_seq_check, add constraint other check (event_seq < 3) not valid', '23514: new row for relation "spine_events" violates check constraint "other"', 'constraint on spine_events'),
    ('alter table pdpp.spine_events drop constraint spine_events_event_seq_check', 'ok', 'constraint on spine_events'),
    ('create table pg_temp.note (id text primary key); alter table pdpp.spine_events add foreign key (actor_id) references pg_temp.note', '42P16: constraints on permanent tables may reference only permanent tables', null),
    ('create table public.known (id text primary key); alter table pdpp.spine_events add foreign key (actor_id) references public.known deferrable initially immediate not valid', '23503: insert or update on table "spine_events" violates foreign key constraint "spine_events_actor_id_fkey"', 'constraint on spine_events'),
    ('alter table pdpp.spine_events add unique (run_id, event_id, event_type) deferrable initially immediate', '55000: ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters', 'constraint on spine_events'),
    ('alter table pdpp.spine_events enable row level security', 'ok', 'table spine_events'),
    ('create rule r as on insert to pdpp.spine_events where new.run_id = ''never'' do also select 1', '0A000: INSERT with ON CONFLICT clause cannot be used with table that has INSERT or UPDATE rules', 'rule r on spine_events'),
    ('alter table pdpp.spine_events set unlogged', 'ok', 'table spine_events'),
    -- indexes
    ('drop index pdpp.spine_events_lifecycle', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create index spine_events_lifecycle on pdpp.spine_events (run_id) where event_type = ''run.admitted''', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create index spine_events_lifecycle on pdpp.spine_events (run_id) where event_type in (''run.admitted'', ''run.started'', ''run.completed'', ''run.failed'', ''run.cancelled'')', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create index spine_events_lifecycle on pdpp.spine_events (run_id)', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create index spine_events_lifecycle on pdpp.spine_events using hash (run_id)', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create index spine_events_lifecycle on pdpp.spine_events (event_id)', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create index spine_events_lifecycle on pdpp.spine_events (lower(run_id))', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create index spine_events_lifecycle on pdpp.connections (connector_instance_id)', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('drop index pdpp.spine_events_lifecycle; create view pdpp.spine_events_lifecycle as select', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('update pg_index set indisvalid = false where indexrelid = ''pdpp.spine_events_lifecycle''::regclass', 'ok', 'CREATE UNIQUE INDEX spine_events_lifecycle'),
    ('alter table pdpp.spine_events drop constraint spine_events_pkey', 'ok', 'CREATE UNIQUE INDEX spine_events_pkey'),
    ('alter table pdpp.spine_events drop constraint spine_events_pkey; create unique index spine_events_pkey on pdpp.spine_events (run_id desc, event_seq desc)', 'ok', 'CREATE UNIQUE INDEX spine_events_pkey'),
    ('create index on pdpp.spine_events (client_id)', 'ok', 'all is well'),
    ('create unique index mine on pdpp.spine_events (connector_instance_id) where connector_instance_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    ('create unique index mine on pdpp.spine_events (connector_instance_id) where event_type = ''run.note'' and run_id like ''al-%''', 'ok', 'CREATE UNIQUE INDEX mine'),
    ('alter table pdpp.spine_events add constraint mine exclude (connector_instance_id with =) where (connector_instance_id like ''al-%'')', '23P01: conflicting key value violates exclusion constraint "mine"', 'constraint on spine_events'),
    -- flight state
    ('drop trigger controller_active_runs_identity on pdpp.controller_active_runs; alter table pdpp.controller_active_runs alter run_generation type numeric', '42804: column pdpp.controller_active_runs.run_generation is of type numeric, not bigint', 'column controller_active_runs.run_generation'),
    ('drop trigger controller_active_runs_identity on pdpp.controller_active_runs; alter table pdpp.controller_active_runs alter connector_id type integer using 1', '42804: column pdpp.controller_active_runs.connector_id is of type integer, not text', 'column controller_active_runs.connector_id'),
    ('alter table pdpp.controller_active_runs alter boot_epoch type text', '42804: column pdpp.controller_active_runs.boot_epoch is of type text, not uuid', 'column controller_active_runs.boot_epoch'),
    ('alter table pdpp.controller_active_runs alter cancel_requested_at type date', '42804: column pdpp.controller_active_runs.cancel_requested_at is of type date, not timestamp with time zone', 'column controller_active_runs.cancel_requested_at'),
    ('alter table pdpp.controller_active_runs alter cancel_requested_by type varchar(1)', 'ok', 'column controller_active_runs.cancel_requested_by'),
    ('update pdpp.controller_active_runs set cancel_requested_by = ''x''; set constraints all immediate; alter table pdpp.controller_active_runs alter cancel_requested_by set not null', '23502: null value in column "cancel_requested_by" of relation "controller_active_runs" violates not-null constraint', 'column controller_active_runs.cancel_requested_by'),
    ('alter table pdpp.controller_active_runs add check (run_generation > 1) not valid', '23514: new row for relation "controller_active_runs" violates check constraint "controller_active_runs_run_generation_check"', 'constraint on controller_active_runs'),
    ('alter table pdpp.controller_active_runs drop constraint controller_active_runs_run_id_key', 'ok', 'CREATE UNIQUE INDEX controller_active_runs_run_id_key'),
    ('alter table pdpp.controller_active_runs disable trigger controller_active_runs_settled', 'ok', 'CREATE TRIGGER controller_active_runs_settled'),
    ('create unique index mine on pdpp.controller_active_runs (connector_id) where run_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    -- the others
    ('drop trigger connections_no_delete on pdpp.connections; alter table pdpp.connections alter run_generation drop default, alter run_generation type numeric', '42804: column run_generation is of type numeric, not bigint', 'column connections.run_generation'),
    ('create unique index mine on pdpp.connections (connector_id) where connector_instance_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    ('create unique index mine on pdpp.idempotency_keys ((true)) where run_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    ('alter table pdpp.idempotency_keys alter created_at type date', 'ok', 'column idempotency_keys.created_at'),
    ('drop trigger controller_boots_identity on pdpp.controller_boots; alter table pdpp.controller_boots alter seq type numeric', 'ok', 'column controller_boots.seq');

select plan(5 + 2 * count(*)::integer) from alterations;

-- a run of the same connector is in flight, and has a key, while they are tried
select lives_ok($$select pdpp_run_now('c', 'al-standing', 'al-standing', 'al-key')$$, 'a run');
select is(pg_temp.after(alteration, 'al-' || number), case life when 'ok' then '1 run.admitted, 2 run.started, 3 run.note, 4 run.failed; failed r' else life end,
    'a life: ' || alteration)
from alterations order by number;
select matches(pg_temp.checked(alteration), case when told = 'all is well' then '^all is well$' else '(altered or gone|not made by pdpp): .*' || coalesce(replace(told, 'INDEX ', 'INDEX '), '') end,
    'pdpp_check(): ' || alteration)
from alterations where told is not null order by number;
select is(pg_temp.checked(alteration), '42P16: constraints on permanent tables may reference only permanent tables', 'refused by the server') from alterations where told is null;
select is((select count(*) from pdpp_check()), 0::bigint, 'all is as it was');
select is(pg_temp.live('al-after'), '1 run.admitted, 2 run.started, 3 run.note, 4 run.failed', 'and goes on');

create unique index mine on pdpp.controller_boots ((true)) where controller_id like 'al-%';
select lives_ok($$select pdpp_controller_boot('al-first')$$, 'a boot');
select throws_ok($$select pdpp_controller_boot('al-second')$$, '23505', 'duplicate key value violates unique constraint "mine"', 'another boot, under a unique index of somebody''s');

select * from finish();
rollback;
