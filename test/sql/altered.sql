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
        -- whoever comes by it first, the statement or the catalogue, in words of its own
        said := regexp_replace(said, '^a pdpp table lacks the column (\w+)$', 'column "\1" does not exist');
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
    ('alter table pdpp.spine_events alter version type numeric using null', 'ok', 'column spine_events.version'),
    ('alter table pdpp.spine_events alter version type bigint using 1', 'ok', 'column spine_events.version'),
    ('drop index pdpp.spine_events_retries; alter table pdpp.spine_events alter source_id type uuid using null', '42804: column "source_id" is of type uuid but expression is of type text', 'column spine_events.source_id'),
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
    ('alter table pdpp.spine_events alter version set default ''2''', 'ok', 'column spine_events.version'),
    ('alter table pdpp.spine_events disable trigger user; update pdpp.spine_events set version = 1; alter table pdpp.spine_events enable trigger user; alter table pdpp.spine_events alter version set not null', '23502: null value in column "version" of relation "spine_events" violates not-null constraint', 'column spine_events.version'),
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
    ('alter table pdpp.spine_events drop constraint spine_events_pkey; create index spine_events_pkey on pdpp.spine_events (run_id, event_seq)', 'ok', 'CREATE UNIQUE INDEX spine_events_pkey'),
    ('create table public.child () inherits (pdpp.spine_events)', 'ok', 'table spine_events'),
    ('create index on pdpp.spine_events (client_id)', 'ok', 'all is well'),
    ('create unique index mine on pdpp.spine_events (connector_instance_id) where connector_instance_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    ('create unique index mine on pdpp.spine_events (connector_instance_id) where event_type = ''run.note'' and run_id like ''al-%''', 'ok', 'CREATE UNIQUE INDEX mine'),
    ('alter table pdpp.spine_events add constraint mine exclude (connector_instance_id with =) where (connector_instance_id like ''al-%'')', '23P01: conflicting key value violates exclusion constraint "mine"', 'constraint on spine_events'),
    -- flight state
    ('drop trigger controller_active_runs_identity on pdpp.controller_active_runs; alter table pdpp.controller_active_runs alter run_generation type numeric', '42804: column pdpp.controller_active_runs.run_generation is of type numeric, not bigint', 'column controller_active_runs.run_generation'),
    ('drop trigger controller_active_runs_identity on pdpp.controller_active_runs; alter table pdpp.controller_active_runs alter connector_id type integer using 1', '42804: column pdpp.controller_active_runs.connector_id is of type integer, not text', 'column controller_active_runs.connector_id'),
    ('alter table pdpp.controller_active_runs alter boot_epoch type text', '42804: column pdpp.controller_active_runs.boot_epoch is of type text, not uuid', 'column controller_active_runs.boot_epoch'),
    ('alter table pdpp.controller_active_runs alter cancel_requested_at type date', '42804: column pdpp.controller_active_runs.cancel_requested_at is of type date, not timestamp with time zone', 'column controller_active_runs.cancel_requested_at'),
    ('alter table pdpp.controller_active_runs alter deadline_at type date', '42804: column pdpp.controller_active_runs.deadline_at is of type date, not timestamp with time zone', 'column controller_active_runs.deadline_at'),
    ('alter table pdpp.controller_active_runs drop deadline_set_at', 'ok', 'column controller_active_runs.deadline_set_at'),
    ('alter table pdpp.controller_active_runs alter launch_deadline type date', '42804: column pdpp.controller_active_runs.launch_deadline is of type date, not timestamp with time zone', 'column controller_active_runs.launch_deadline'),
    ('alter table pdpp.controller_active_runs alter launch_deadline set not null', '23502: null value in column "launch_deadline" of relation "controller_active_runs" violates not-null constraint', 'column controller_active_runs.launch_deadline'),
    ('create index on pdpp.controller_active_runs (launch_deadline)', 'ok', 'all is well'),
    ('alter table pdpp.controller_active_runs alter cancel_requested_by type varchar(1)', 'ok', 'column controller_active_runs.cancel_requested_by'),
    ('update pdpp.controller_active_runs set cancel_requested_by = ''x''; set constraints all immediate; alter table pdpp.controller_active_runs alter cancel_requested_by set not null', '23502: null value in column "cancel_requested_by" of relation "controller_active_runs" violates not-null constraint', 'column controller_active_runs.cancel_requested_by'),
    ('alter table pdpp.controller_active_runs add check (run_generation > 1) not valid', '23514: new row for relation "controller_active_runs" violates check constraint "controller_active_runs_run_generation_check"', 'constraint on controller_active_runs'),
    ('alter table pdpp.controller_active_runs drop constraint controller_active_runs_run_id_key', 'ok', 'CREATE UNIQUE INDEX controller_active_runs_run_id_key'),
    ('alter table pdpp.controller_active_runs disable trigger controller_active_runs_settled', 'ok', 'CREATE TRIGGER controller_active_runs_settled'),
    ('create table public.note (run_id text references pdpp.controller_active_runs (run_id))', 'ok', 'all is well'),
    ('alter table pdpp.controller_active_runs alter scenario_id set default ''x''', 'ok', 'column controller_active_runs.scenario_id'),
    ('alter table pdpp.controller_active_runs add region text not null default ''north''', 'ok', 'column controller_active_runs.region'),
    ('alter table pdpp.controller_active_runs add unique (connector_id) deferrable initially immediate', '55000: ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters', 'constraint on controller_active_runs'),
    ('create table public.note (run_id text references pdpp.controller_active_runs (run_id));
      create function public.note() returns trigger language plpgsql as $f$ begin insert into public.note values (new.run_id); return null; end $f$;
      create trigger note after insert on pdpp.controller_active_runs for each row execute function public.note()',
     '23503: update or delete on table "controller_active_runs" violates foreign key constraint "note_run_id_fkey" on table "note"', 'TRIGGER note'),
    ('create function public.keep() returns trigger language plpgsql as $f$ begin return null; end $f$;
      create trigger keep before delete on pdpp.controller_active_runs for each row execute function public.keep()',
     '09000: a row of pdpp.controller_active_runs was not written', 'TRIGGER keep'),
    ('create function public.keep() returns trigger language plpgsql as $f$ begin return null; end $f$;
      create trigger keep before update of launch_deadline on pdpp.controller_active_runs for each row execute function public.keep()',
     '09000: a row of pdpp.controller_active_runs was not written', 'TRIGGER keep'),
    ('create function public.refuse() returns trigger language plpgsql as $f$ begin raise ''% %'', tg_op, tg_level using errcode = ''AA002''; end $f$;
      create trigger refuse after delete on pdpp.controller_active_runs execute function public.refuse()', 'AA002: DELETE STATEMENT', 'TRIGGER refuse'),
    ('create function public.refuse() returns trigger language plpgsql as $f$ begin raise ''% %'', tg_op, tg_level using errcode = ''AA002''; end $f$;
      create trigger refuse after update on pdpp.controller_active_runs for each row execute function public.refuse()', 'AA002: UPDATE ROW', 'TRIGGER refuse'),
    ('create rule r as on delete to pdpp.controller_active_runs where old.run_id like ''al-%'' do instead nothing', '09000: a row of pdpp.controller_active_runs was not written', 'rule r on controller_active_runs'),
    ('create or replace function pdpp.refuse_unsettled_removal() returns trigger language plpgsql as $f$ begin raise ''here'' using errcode = ''AA002''; end $f$', 'AA002: here', null),
    ('create trigger keep before delete on pdpp.controller_active_runs for each row execute function pdpp.refuse_unsettled_removal()',
     '09000: a row of pdpp.controller_active_runs was not written', 'TRIGGER keep'),
    ('alter table pdpp.controller_active_runs enable row level security', 'ok', 'table controller_active_runs'),
    ('alter table pdpp.controller_active_runs replica identity nothing; create publication p for table pdpp.controller_active_runs', '55000: cannot update table "controller_active_runs" because it does not have a replica identity and publishes updates', 'all is well'),
    ('alter table pdpp.controller_active_runs replica identity nothing; create publication p for table pdpp.controller_active_runs with (publish = ''delete'')', '55000: cannot delete from table "controller_active_runs" because it does not have a replica identity and publishes deletes', 'all is well'),
    ('create unique index mine on pdpp.controller_active_runs (connector_id) where run_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    -- the others
    ('drop trigger connections_no_delete on pdpp.connections; drop trigger connections_generation on pdpp.connections; alter table pdpp.connections alter run_generation drop default, alter run_generation type numeric', '42804: column run_generation is of type numeric, not bigint', 'column connections.run_generation'),
    ('alter table pdpp.connections alter run_timeout type integer using 1', '42804: column run_timeout is of type integer, not interval', 'column connections.run_timeout'),
    ('alter table pdpp.connections drop constraint connections_pkey; create unique index connections_pkey on pdpp.connections (connector_instance_id collate "POSIX")', 'ok', 'INDEX connections_pkey'),
    ('alter table pdpp.connections drop constraint connections_pkey', '42P10: there is no unique or exclusion constraint matching the ON CONFLICT specification', 'INDEX connections_pkey'),
    ('alter table pdpp.connections rename to somewhere; create view pdpp.connections as select * from pdpp.somewhere', 'ok', null),
    ('create unique index mine on pdpp.connections (connector_id) where connector_instance_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    ('create unique index mine on pdpp.idempotency_keys ((true)) where run_id like ''al-%''', '23505: duplicate key value violates unique constraint "mine"', 'CREATE UNIQUE INDEX mine'),
    ('alter table pdpp.idempotency_keys alter created_at type date', 'ok', 'column idempotency_keys.created_at'),
    ('drop trigger controller_boots_identity on pdpp.controller_boots; alter table pdpp.controller_boots alter seq type numeric', 'ok', 'column controller_boots.seq');


-- what a statement says on altered tables; what was altered is as it was afterwards
create function pg_temp.said(alteration text, statement text) returns text language plpgsql as $$
declare
    said text;
begin
    begin
        execute alteration;
        execute statement into said;
        raise exception using errcode = 'AA001', message = coalesce(said, 'done');
    exception when others then
        get stacked diagnostics said = message_text;
        return case sqlstate when 'AA001' then '' else sqlstate || ': ' end || said;
    end;
end
$$;
-- every trigger, on tables whose columns are others
create temporary table firings (number integer primary key generated always as identity, alteration text, statement text, said text);
insert into firings (alteration, statement, said) values
    ('alter table pdpp.spine_events alter run_id type integer using hashtext(run_id)', 'update pdpp.spine_events set client_id = null',
     '42804: column pdpp.spine_events.run_id is of type integer, not text'),
    ('alter table pdpp.spine_events alter run_id type integer using hashtext(run_id)', 'delete from pdpp.spine_events',
     '42804: column pdpp.spine_events.run_id is of type integer, not text'),
    ('alter table pdpp.spine_events alter run_id type uuid using md5(run_id)::uuid', 'update pdpp.spine_events set client_id = null',
     '42804: column pdpp.spine_events.run_id is of type uuid, not text'),
    ('alter table pdpp.spine_events rename run_id to run', 'delete from pdpp.spine_events', '42703: pdpp.spine_events lacks the column run_id'),
    ('alter table pdpp.spine_events alter run_id type varchar', 'delete from pdpp.spine_events where run_id = ''al-standing''',
     'PT403: pdpp.spine_events is append-only: an event of run al-standing cannot be deleted'),
    ('drop index pdpp.spine_events_lifecycle, pdpp.spine_events_list, pdpp.spine_events_list_by_connection, pdpp.spine_events_list_by_connector,
        pdpp.spine_events_prunable, pdpp.spine_events_endings; alter table pdpp.spine_events alter event_type type integer using 7',
     'delete from pdpp.spine_events', '42804: column pdpp.spine_events.event_type is of type integer, not text'),
    ('alter table pdpp.spine_events alter run_id type integer using hashtext(run_id)', 'truncate pdpp.spine_events',
     'PT403: pdpp.spine_events is append-only: it cannot be truncated'),
    ('alter table pdpp.spine_events drop constraint spine_events_pkey, alter run_id drop not null;
      insert into pdpp.spine_events (event_seq, event_id, event_type, occurred_at, recorded_at) values (1, ''e'', ''note'', now(), now())',
     'delete from pdpp.spine_events where run_id is null', 'PT403: pdpp.spine_events is append-only: an event of run  cannot be deleted'),
    ('drop trigger controller_active_runs_identity on pdpp.controller_active_runs; alter table pdpp.controller_active_runs alter run_id type integer using hashtext(run_id)',
     'delete from pdpp.controller_active_runs', '42804: column pdpp.controller_active_runs.run_id is of type integer, not text'),
    ('drop trigger controller_active_runs_identity on pdpp.controller_active_runs; alter table pdpp.controller_active_runs alter run_id type integer using hashtext(run_id)',
     'truncate pdpp.controller_active_runs', 'PT409: runs are in flight: their state cannot be truncated'),
    ('drop trigger controller_active_runs_identity on pdpp.controller_active_runs; alter table pdpp.controller_active_runs alter run_id drop not null;
      update pdpp.controller_active_runs set run_id = null', 'delete from pdpp.controller_active_runs', 'PT409: run  has not ended: its flight state cannot be removed'),
    ('alter table pdpp.controller_active_runs alter scenario_id type integer using 1', 'update pdpp.controller_active_runs set run_id = ''x''',
     'PT403: what a row of pdpp.controller_active_runs is known by cannot be changed'),
    ('drop index pdpp.connections_offered; alter table pdpp.connections alter connector_id type integer using 1, alter boot_epoch type text', 'update pdpp.connections set run_generation = 0',
     'PT403: pdpp.connections: run_generation cannot be lowered'),
    ('drop index pdpp.connections_offered; alter table pdpp.connections alter connector_id type integer using 1', 'delete from pdpp.connections',
     'PT403: this row of pdpp.connections cannot be deleted'),
    ('drop index pdpp.connections_offered; alter table pdpp.connections alter connector_id type integer using 1', 'truncate pdpp.connections',
     'PT403: pdpp.connections cannot be truncated'),
    ('drop index pdpp.connections_offered; alter table pdpp.connections alter connector_id type integer using 1', 'update pdpp.connections set connector_instance_id = connector_instance_id || ''x''',
     'PT403: what a row of pdpp.connections is known by cannot be changed'),
    ('drop trigger controller_boots_identity on pdpp.controller_boots; alter table pdpp.controller_boots alter boot_epoch type text', 'update pdpp.controller_boots set dead_at = now()',
     '42804: column pdpp.controller_boots.boot_epoch is of type text, not uuid'),
    ('alter table pdpp.controller_boots rename boot_epoch to epoch', 'update pdpp.controller_boots set dead_at = now()', '42703: pdpp.controller_boots lacks the column boot_epoch'),
    ('drop trigger controller_boots_identity on pdpp.controller_boots; alter table pdpp.controller_boots alter boot_epoch type text', 'delete from pdpp.controller_boots',
     'PT403: this row of pdpp.controller_boots cannot be deleted'),
    ('alter table pdpp.controller_boots alter booted_at type text', 'truncate pdpp.controller_boots', 'PT403: pdpp.controller_boots cannot be truncated'),
    ('alter table pdpp.controller_boots alter booted_at type text', 'update pdpp.controller_boots set seq = 9', 'PT403: what a row of pdpp.controller_boots is known by cannot be changed'),
    ('alter table pdpp.idempotency_keys alter run_id type integer using 1', 'update pdpp.idempotency_keys set created_at = now()',
     'PT403: what a row of pdpp.idempotency_keys is known by cannot be changed'),
    ('alter table pdpp.idempotency_keys alter run_id type integer using 1', 'delete from pdpp.idempotency_keys', 'PT403: this row of pdpp.idempotency_keys cannot be deleted'),
    ('alter table pdpp.idempotency_keys alter run_id type integer using 1', 'truncate pdpp.idempotency_keys', 'PT403: pdpp.idempotency_keys cannot be truncated');

-- every function, with a null in any column that never is: whatever it says, it says it to a session that lives
create function pg_temp.with_null(tab text, col text) returns text language plpgsql as $$
declare
    call text;
    dropped text;
begin
    begin
        execute format('alter table pdpp.%I disable trigger user', tab);
        for dropped in select conname from pg_constraint where conrelid = format('pdpp.%I', tab)::regclass and contype in ('p', 'u') loop
            execute format('alter table pdpp.%I drop constraint %I', tab, dropped);
        end loop;
        execute format('alter table pdpp.%I alter %I drop not null', tab, col);
        execute format('update pdpp.%I set %I = null', tab, col);
        execute format('alter table pdpp.%I enable trigger user', tab);
        foreach call in array array[
            $c$pdpp_run_status('al-standing')$c$, $c$pdpp_run_status('al-ended')$c$,
            $c$pdpp_run_timeline('al-standing')$c$, $c$pdpp_run_timeline('al-ended')$c$, 'pdpp_run_list()', $c$pdpp_run_list('active')$c$, 'pdpp_connection_list()', 'pdpp_connection_list(offered => true)', 'pdpp_connection_list(active => true)', $c$pdpp_run_endings(now() - interval '1 h')$c$,
            '(select count(*) from pdpp_check())', $c$pdpp_run_now('c', 'al-standing', 'al-standing', 'al-key')$c$, $c$pdpp_run_now('c', 'al-null', 'al-null')$c$,
            $c$pdpp_connection_run_now('al-ended')$c$, $c$pdpp_connector_run_now('c')$c$, $c$pdpp_controller_offer('[{"connector_instance_id": "al-standing", "connector_id": "c"}]')$c$,
            'pdpp_run_claim()', 'pdpp_run_claim(2)', $c$pdpp_run_claim('al-standing')$c$, $c$pdpp_run_fence('al-standing')$c$, $c$pdpp_run_started('al-standing', '{}', 'e')$c$,
            $c$pdpp_run_event('al-standing', 'note', '{}', 'n')$c$, $c$pdpp_run_cancel('al-standing')$c$, $c$pdpp_run_settle('al-standing', 'failed', '{}', 's')$c$,
            $c$pdpp_run_settle('al-ended', 'completed')$c$, $c$pdpp_run_launch_failed('al-standing', 'm')$c$, 'pdpp_reconcile()', $c$pdpp_controller_boot('al')$c$,
            $c$pdpp_controller_rejoin((select boot_epoch from pdpp.controller_boots limit 1))$c$, 'pdpp_prune(now())'] loop
            begin
                execute 'select ' || call;
            exception when others then
                null;
            end;
        end loop;
        raise exception using errcode = 'AA001';
    exception when sqlstate 'AA001' then
        return 'lives';
    end;
end
$$;
create temporary table nullable as select c.relname::text as tab, a.attname::text as col
from pg_class as c join pg_attribute as a on a.attrelid = c.oid
where c.relnamespace = 'pdpp'::regnamespace and c.relkind = 'r' and a.attnum > 0 and a.attnotnull;

select plan(20 + (select count(*) + count(*) filter (where told is not null or alteration like '%pg_temp.note%') from alterations)::integer + (select count(*) from firings)::integer + (select count(*) from nullable)::integer);

-- a run of the same connector is in flight, and has a key, while they are tried
select lives_ok($$select pdpp_run_now('c', 'al-standing', 'al-standing', 'al-key')$$, 'a run');
select is(pg_temp.after(alteration, 'al-' || number), case life when 'ok' then '1 run.admitted, 2 run.started, 3 run.note, 4 run.failed; failed r' else life end,
    'a life: ' || alteration)
from alterations order by number;
select matches(pg_temp.checked(alteration), case when told = 'all is well' then '^all is well$' else '(altered or gone|not made by pdpp): .*' || coalesce(replace(told, 'INDEX ', 'INDEX '), '') end,
    'pdpp_check(): ' || alteration)
from alterations where told is not null order by number;
select is(pg_temp.checked(alteration), '42P16: constraints on permanent tables may reference only permanent tables', 'refused by the server') from alterations where told is null and alteration like '%pg_temp.note%';
-- triggers
do $$ begin
    perform pdpp_controller_boot('al');
    perform pdpp_run_now('c', 'al-ended', 'al-ended');
    perform pdpp_run_started('al-ended');
    perform pdpp_run_settle('al-ended', 'failed', '{"reason": "r"}');
end $$;
select is(pg_temp.said(alteration, statement), said, statement || ', after: ' || alteration) from firings order by number;
-- one that fires while our own DELETE runs, for a row of another run
select is(pg_temp.said($$create function pg_temp.clear() returns trigger language plpgsql as 'begin delete from pdpp.controller_active_runs where run_id = ''al-standing''; return null; end';
    create trigger a_clear after delete on pdpp.controller_active_runs for each row when (old.run_id = 'al-other') execute function pg_temp.clear();
    select pdpp_run_now('c', 'al-other', 'al-other')$$, $$select pdpp_run_settle('al-other', 'completed')$$),
    'PT409: run al-standing has not ended: its flight state cannot be removed', 'a row that goes with one that may go');

-- a run of several rows, which only statements change all of
select is(pg_temp.said($$alter table pdpp.controller_active_runs drop constraint controller_active_runs_run_id_key; select pdpp_run_now('c', 'al-twice', 'al-twice');
    insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation, launch_deadline)
    select 'al-again', connector_id, run_id, trace_id, started_at, run_generation, launch_deadline from pdpp.controller_active_runs where run_id = 'al-twice';
    select pdpp_run_started('al-twice')$$, $$select count(*) filter (where launch_deadline is null) || ' of ' || count(*) from pdpp.controller_active_runs where run_id = 'al-twice'$$),
    '2 of 2', 'a start of a run that has two rows');
select is(pg_temp.said($$alter table pdpp.controller_active_runs drop constraint controller_active_runs_run_id_key; select pdpp_run_now('c', 'al-twice', 'al-twice');
    insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation)
    select 'al-again', connector_id, run_id, trace_id, started_at, run_generation from pdpp.controller_active_runs where run_id = 'al-twice';
    select pdpp_run_settle('al-twice', 'completed')$$, $$select count(*) from pdpp.controller_active_runs where run_id = 'al-twice'$$),
    '0', 'an ending of a run that has two rows');

-- nulls, and data that is no object
select format('select is(pg_temp.with_null(%L, %L), ''lives'', %L)', tab, col, format('a null in %s.%s', tab, col)) from nullable order by tab, col \gexec
select is(pg_temp.said('alter table pdpp.spine_events disable trigger user; alter table pdpp.spine_events alter data_json drop not null; update pdpp.spine_events set data_json = null;
    alter table pdpp.spine_events enable trigger user', $$select string_agg(e->>'data', ' ') from jsonb_array_elements(pdpp_run_timeline('al-ended')->'data') as e$$), '{} {} {}',
    'the timeline of events without data');
select is(pg_temp.said('alter table pdpp.spine_events disable trigger user; alter table pdpp.spine_events drop constraint spine_events_data_json_check; update pdpp.spine_events set data_json = '
    || quote_literal(data) || '; alter table pdpp.spine_events enable trigger user', statement), said, format('data %s: %s', left(data, 20), statement))
from (values ('7'), ('"reason"'), ('null'), ((select jsonb_agg(case n % 2 when 0 then to_jsonb('reason'::text) else to_jsonb(n) end)::text from generate_series(1, 1000) as n))) as d(data),
    lateral (values ($$select concat_ws(' ', s->>'status', s->>'terminal_reason', s->>'known_gaps') from pdpp_run_status('al-ended') as s$$, 'failed'),
        ($$select (pdpp_run_timeline('al-ended')#>'{data,0,data}')::text$$, data::jsonb::text)) as s(statement, said);

select is(pg_temp.said($$create collation public.blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false); drop index pdpp.spine_events_lifecycle;
    create unique index spine_events_lifecycle on pdpp.spine_events (run_id collate public.blind, (case event_type when 'run.admitted' then 1 when 'run.started' then 2 else 3 end))
    where event_type in ('run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')$$,
    $$select concat_ws(' ', pdpp_run_status('al-ended')->>'status', pdpp_run_status('AL-ended')#>>'{error,code}')$$), 'failed not_found', 'no other run is taken for the one that is asked for');
select is((select count(*) from pdpp_check()), 0::bigint, 'all is as it was');

-- an index is found again as soon as it has its name back
create function pg_temp.walks() returns bigint language sql as $$
    select pdpp_run_status('al-ended');
    select seq_scan from pg_stat_xact_user_tables where relid = 'pdpp.spine_events'::regclass
$$;
alter index pdpp.spine_events_lifecycle rename to elsewhere;
select pg_temp.walks() as walked \gset
select is(pg_temp.walks(), :walked::bigint + 1, 'without its index a status walks the spine');
alter index pdpp.elsewhere rename to spine_events_lifecycle;
select is(pg_temp.walks(), :walked::bigint + 1, 'with it again it does not');
select is(pg_temp.live('al-after'), '1 run.admitted, 2 run.started, 3 run.note, 4 run.failed', 'and goes on');

create unique index mine on pdpp.controller_boots ((true)) where controller_id like 'al-%';
select lives_ok($$select pdpp_controller_boot('al-first')$$, 'a boot');
select throws_ok($$select pdpp_controller_boot('al-second')$$, '23505', 'duplicate key value violates unique constraint "mine"', 'another boot, under a unique index of somebody''s');

select * from finish();
rollback;
