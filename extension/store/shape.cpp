// What the tables are like as the extension makes them, and what is otherwise in this database.

#include "store/check.hpp"

#include "boundary.hpp"

namespace pdpp::store {

namespace {

/// One line for each property, as the statement below prints it. A fresh database shows no difference
/// (test/sql/altered.sql), so whoever changes the scripts changes this.
constexpr const char* as_made = R"(table connections of kind r persistence p
table controller_active_runs of kind r persistence p
table controller_boots of kind r persistence p
table idempotency_keys of kind r persistence p
table spine_events of kind r persistence p
column connections.boot_epoch uuid
column connections.connector_id text collation C not null
column connections.connector_instance_id text collation C not null
column connections.run_generation bigint not null default 0
column connections.run_timeout interval
column controller_active_runs.boot_epoch uuid
column controller_active_runs.cancel_requested_at timestamp with time zone
column controller_active_runs.cancel_requested_by text
column controller_active_runs.connector_id text collation C not null
column controller_active_runs.connector_instance_id text collation C not null
column controller_active_runs.deadline_at timestamp with time zone
column controller_active_runs.deadline_set_at timestamp with time zone
column controller_active_runs.launch_deadline timestamp with time zone
column controller_active_runs.offered_by uuid
column controller_active_runs.run_generation bigint not null
column controller_active_runs.run_id text collation C not null
column controller_active_runs.scenario_id text
column controller_active_runs.started_at timestamp with time zone not null
column controller_active_runs.trace_id text not null
column controller_boots.boot_epoch uuid not null
column controller_boots.booted_at timestamp with time zone not null
column controller_boots.controller_id text collation C not null
column controller_boots.dead_at timestamp with time zone
column controller_boots.lost_at timestamp with time zone
column controller_boots.seq bigint not null
column idempotency_keys.created_at timestamp with time zone not null
column idempotency_keys.digest bytea not null
column idempotency_keys.key text collation C not null
column idempotency_keys.run_id text collation C not null
column spine_events.actor_id text
column spine_events.actor_type text
column spine_events.admitted_at timestamp with time zone
column spine_events.client_id text
column spine_events.connector_instance_id text collation C
column spine_events.data_json jsonb not null default '{}'::jsonb
column spine_events.event_id text collation C not null
column spine_events.event_seq bigint not null
column spine_events.event_type text not null
column spine_events.grant_id text
column spine_events.interaction_id text
column spine_events.object_id text
column spine_events.object_type text
column spine_events.occurred_at timestamp with time zone not null
column spine_events.recorded_at timestamp with time zone not null
column spine_events.request_id text
column spine_events.run_id text collation C not null
column spine_events.scenario_id text
column spine_events.source_id text
column spine_events.source_kind text
column spine_events.status text
column spine_events.stream_id text
column spine_events.subject_id text
column spine_events.subject_type text
column spine_events.token_id text
column spine_events.trace_id text
column spine_events.version text
constraint on connections: PRIMARY KEY (connector_instance_id)
constraint on controller_active_runs: PRIMARY KEY (connector_instance_id)
constraint on controller_active_runs: UNIQUE (run_id)
constraint on controller_boots: PRIMARY KEY (controller_id, seq)
constraint on controller_boots: UNIQUE (boot_epoch)
constraint on idempotency_keys: PRIMARY KEY (key)
constraint on spine_events: CHECK ((event_seq > 0))
constraint on spine_events: CHECK ((jsonb_typeof(data_json) = 'object'::text))
constraint on spine_events: PRIMARY KEY (run_id, event_seq)
CREATE UNIQUE INDEX connections_pkey ON pdpp.connections USING btree (connector_instance_id)
CREATE UNIQUE INDEX controller_active_runs_pkey ON pdpp.controller_active_runs USING btree (connector_instance_id)
CREATE UNIQUE INDEX controller_active_runs_run_id_key ON pdpp.controller_active_runs USING btree (run_id)
CREATE UNIQUE INDEX controller_boots_boot_epoch_key ON pdpp.controller_boots USING btree (boot_epoch)
CREATE UNIQUE INDEX controller_boots_pkey ON pdpp.controller_boots USING btree (controller_id, seq)
CREATE UNIQUE INDEX idempotency_keys_pkey ON pdpp.idempotency_keys USING btree (key)
CREATE UNIQUE INDEX spine_events_event_id_key ON pdpp.spine_events USING btree (run_id, event_id) WHERE (event_id <> ''::text)
CREATE UNIQUE INDEX spine_events_lifecycle ON pdpp.spine_events USING btree (run_id, ( CASE event_type WHEN 'run.admitted'::text THEN '1'::"char" WHEN 'run.started'::text THEN '2'::"char" ELSE '3'::"char" END)) WHERE (event_type = ANY (ARRAY['run.admitted'::text, 'run.started'::text, 'run.completed'::text, 'run.failed'::text, 'run.cancelled'::text, 'run.abandoned'::text]))
CREATE UNIQUE INDEX spine_events_pkey ON pdpp.spine_events USING btree (run_id, event_seq)
CREATE INDEX connections_by_boot ON pdpp.connections USING btree (boot_epoch, connector_instance_id)
CREATE INDEX connections_by_connector ON pdpp.connections USING btree (connector_id, connector_instance_id)
CREATE INDEX connections_offered ON pdpp.connections USING btree (connector_id, connector_instance_id) WHERE (boot_epoch IS NOT NULL)
CREATE INDEX controller_active_runs_list ON pdpp.controller_active_runs USING btree (started_at)
CREATE INDEX controller_active_runs_offered ON pdpp.controller_active_runs USING btree (offered_by, started_at) WHERE (offered_by IS NOT NULL)
CREATE INDEX controller_boots_not_dead ON pdpp.controller_boots USING btree (controller_id, seq) WHERE (dead_at IS NULL)
CREATE INDEX spine_events_endings ON pdpp.spine_events USING btree (recorded_at) WHERE (event_type = ANY (ARRAY['run.completed'::text, 'run.failed'::text, 'run.cancelled'::text, 'run.abandoned'::text]))
CREATE INDEX spine_events_list ON pdpp.spine_events USING btree (substr(event_type, 5, 2) COLLATE "C", admitted_at) WHERE (event_type = ANY (ARRAY['run.admitted'::text, 'run.completed'::text, 'run.failed'::text, 'run.cancelled'::text, 'run.abandoned'::text]))
CREATE INDEX spine_events_list_by_connection ON pdpp.spine_events USING btree (connector_instance_id, substr(event_type, 5, 2) COLLATE "C", admitted_at) WHERE (event_type = ANY (ARRAY['run.admitted'::text, 'run.completed'::text, 'run.failed'::text, 'run.cancelled'::text, 'run.abandoned'::text]))
CREATE INDEX spine_events_list_by_connector ON pdpp.spine_events USING btree (actor_id COLLATE "C", substr(event_type, 5, 2) COLLATE "C", admitted_at) WHERE (event_type = ANY (ARRAY['run.admitted'::text, 'run.completed'::text, 'run.failed'::text, 'run.cancelled'::text, 'run.abandoned'::text]))
CREATE INDEX spine_events_prunable ON pdpp.spine_events USING btree (recorded_at) WHERE (event_type <> ALL (ARRAY['run.admitted'::text, 'run.started'::text, 'run.completed'::text, 'run.failed'::text, 'run.cancelled'::text, 'run.abandoned'::text, 'run.late_outcome'::text]))
CREATE INDEX spine_events_retries ON pdpp.spine_events USING btree (source_id COLLATE "C", admitted_at, run_id) WHERE (source_kind = 'retried_run'::text)
CREATE TRIGGER connections_generation AFTER UPDATE OF run_generation ON pdpp.connections FOR EACH ROW WHEN ((new.run_generation < old.run_generation)) EXECUTE FUNCTION pdpp.refuse_state_change('run_generation cannot be lowered')
CREATE TRIGGER connections_identity AFTER UPDATE OF connector_instance_id ON pdpp.connections FOR EACH ROW EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER connections_no_delete BEFORE DELETE ON pdpp.connections FOR EACH ROW WHEN ((old.run_generation > 0)) EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER connections_no_truncate BEFORE TRUNCATE ON pdpp.connections FOR EACH STATEMENT EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER controller_active_runs_identity AFTER UPDATE OF connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation ON pdpp.controller_active_runs FOR EACH ROW EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER controller_active_runs_no_truncate BEFORE TRUNCATE ON pdpp.controller_active_runs FOR EACH STATEMENT EXECUTE FUNCTION pdpp.refuse_unsettled_removal()
CREATE TRIGGER controller_active_runs_settled AFTER DELETE ON pdpp.controller_active_runs FOR EACH ROW EXECUTE FUNCTION pdpp.refuse_unsettled_removal()
CREATE TRIGGER controller_boots_identity AFTER UPDATE OF controller_id, seq, boot_epoch ON pdpp.controller_boots FOR EACH ROW EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER controller_boots_no_delete BEFORE DELETE ON pdpp.controller_boots FOR EACH ROW WHEN ((old.dead_at IS NULL)) EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER controller_boots_no_truncate BEFORE TRUNCATE ON pdpp.controller_boots FOR EACH STATEMENT EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER controller_boots_verdict AFTER UPDATE OF dead_at ON pdpp.controller_boots FOR EACH ROW WHEN ((new.dead_at IS DISTINCT FROM old.dead_at)) EXECUTE FUNCTION pdpp.refuse_state_change('dead_at is written by the guard alone')
CREATE TRIGGER idempotency_keys_no_change BEFORE DELETE OR UPDATE ON pdpp.idempotency_keys FOR EACH ROW EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER idempotency_keys_no_truncate BEFORE TRUNCATE ON pdpp.idempotency_keys FOR EACH STATEMENT EXECUTE FUNCTION pdpp.refuse_state_change()
CREATE TRIGGER spine_events_no_delete BEFORE DELETE ON pdpp.spine_events FOR EACH ROW EXECUTE FUNCTION pdpp.refuse_history_change()
CREATE TRIGGER spine_events_no_truncate BEFORE TRUNCATE ON pdpp.spine_events FOR EACH STATEMENT EXECUTE FUNCTION pdpp.refuse_history_change()
CREATE TRIGGER spine_events_no_update BEFORE UPDATE ON pdpp.spine_events FOR EACH ROW EXECUTE FUNCTION pdpp.refuse_history_change())";

} // namespace

Portal open_alterations() {
    // An index of somebody's that is not unique changes nothing but the cost of writing.
    static Statement compare{R"(
with tables as (
    select c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relispartition
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'pdpp' and c.relname in ('spine_events', 'controller_active_runs', 'connections', 'controller_boots',
                                               'idempotency_keys')
), found(line) as (
    select concat_ws(' ', 'table ' || t.relname, 'of kind ' || t.relkind::text, 'persistence ' || t.relpersistence::text,
                     case when t.relrowsecurity then 'with row security' end, case when t.relispartition then 'a partition' end,
                     case when exists (select from pg_inherits as i where i.inhparent = t.oid) then 'with children' end)
    from tables as t
    union all
    select concat_ws(' ', 'column ' || t.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
                     (select 'collation ' || l.collname from pg_collation as l where l.oid = a.attcollation and l.collname <> 'default'),
                     case when a.attnotnull then 'not null' end,
                     case when a.attidentity <> '' then 'identity' end, case when a.attgenerated <> '' then 'generated' end,
                     'default ' || pg_get_expr(d.adbin, d.adrelid))
    from tables as t join pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef as d on d.adrelid = t.oid and d.adnum = a.attnum
    union all
    select 'constraint on ' || t.relname || ': ' || pg_get_constraintdef(c.oid)
    from tables as t join pg_constraint as c on c.conrelid = t.oid and c.contype in ('c', 'f', 'p', 'u', 'x')
    union all
    select concat_ws(' ', regexp_replace(pg_get_indexdef(i.indexrelid), '[[:space:]]+', ' ', 'g'), case when not i.indisvalid then 'invalid' end)
    from tables as t join pg_index as i on i.indrelid = t.oid
    union all
    select pg_get_triggerdef(g.oid) || case g.tgenabled when 'O' then '' else ' enabled ' || g.tgenabled::text end
    from tables as t join pg_trigger as g on g.tgrelid = t.oid and not g.tgisinternal
    union all
    select 'rule ' || r.rulename || ' on ' || t.relname from tables as t join pg_rewrite as r on r.ev_class = t.oid
), made(line) as (
    select regexp_split_to_table($1, chr(10))
)
select case when f.line is null then 'altered or gone: ' || m.line else 'not made by pdpp: ' || f.line end
from made as m full join found as f on f.line = m.line
where (m.line is null or f.line is null) and (m.line is not null or f.line not like 'CREATE INDEX %')
      and (select e.extversion from pg_extension as e where e.extname = 'pdpp') = $2
order by coalesce(m.line, f.line) collate "C"
)"};
    return compare.open({as_made, PDPP_VERSION});
}

} // namespace pdpp::store
