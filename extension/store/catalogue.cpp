#include "store/catalogue.hpp"

#include <cstdint>

namespace pdpp::store {

namespace {

Catalogue known;
std::uint64_t changes = 1;  ///< announced so far
std::uint64_t known_at = 0; ///< the count that `known` was looked up at
bool looking = false;       ///< while it is, every change counts: the relations to come have no name here yet

/// DROP EXTENSION, REINDEX CONCURRENTLY and ALTER TABLE in any session announce the relations they touch.
void on_relation_change(Datum /*argument*/, Oid relation) {
    if (looking || relation == InvalidOid || relation == known.spine.table || relation == known.spine.primary_key ||
        relation == known.spine.lifecycle_index || relation == known.flight.table ||
        relation == known.flight.primary_key || relation == known.flight.run_id_index ||
        relation == known.connections.table || relation == known.connections.primary_key) {
        ++changes;
    }
}

Oid schema_of_extension() {
    const Oid extension = get_extension_oid("pdpp", true);
    const Oid schema = OidIsValid(extension) ? get_namespace_oid("pdpp", true) : InvalidOid;
    if (!OidIsValid(schema) || getExtensionOfObject(NamespaceRelationId, schema) != extension) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension pdpp is not installed in this database"),
                        errhint("Run CREATE EXTENSION pdpp.")));
    }
    return schema;
}

Oid relation_in(Oid schema, const char* name) {
    const Oid relation = get_relname_relid(name, schema);
    if (!OidIsValid(relation)) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation pdpp.%s is missing", name),
                        errhint("The library and the extension's SQL may be of different versions: run "
                                "ALTER EXTENSION pdpp UPDATE.")));
    }
    return relation;
}

AttrNumber column_of(Oid table, const char* name) {
    const AttrNumber column = get_attnum(table, name);
    if (column == InvalidAttrNumber) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("a pdpp table lacks the column %s", name),
                        errhint("The library and the extension's SQL may be of different versions: run "
                                "ALTER EXTENSION pdpp UPDATE.")));
    }
    return column;
}

/// A function without arguments. Not valid if there is none: no trigger calls it then.
Oid function_in(Oid schema, const char* name) {
    return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                           PointerGetDatum(buildoidvector(nullptr, 0)), ObjectIdGetDatum(schema));
}

} // namespace

const Catalogue& catalogue() {
    // A change announced while we look raises the count again, and we look once more. Should the look-up raise an
    // error, nothing is remembered.
    while (known_at != changes) {
        looking = true;
        const std::uint64_t looked_at = changes;
        const Oid schema = schema_of_extension();
        const Oid spine = relation_in(schema, "spine_events");
        const Oid flight = relation_in(schema, "controller_active_runs");
        const Oid connections = relation_in(schema, "connections");
#define COLUMN(table, name) .name = column_of(table, #name)
        known = {
            .spine = {.table = spine,
                      .primary_key = relation_in(schema, "spine_events_pkey"),
                      .lifecycle_index = relation_in(schema, "spine_events_lifecycle"),
                      COLUMN(spine, run_id),
                      COLUMN(spine, event_seq),
                      COLUMN(spine, event_id),
                      COLUMN(spine, event_type),
                      COLUMN(spine, occurred_at),
                      COLUMN(spine, recorded_at),
                      COLUMN(spine, admitted_at),
                      COLUMN(spine, trace_id),
                      COLUMN(spine, scenario_id),
                      COLUMN(spine, actor_type),
                      COLUMN(spine, actor_id),
                      COLUMN(spine, object_type),
                      COLUMN(spine, object_id),
                      COLUMN(spine, status),
                      COLUMN(spine, source_kind),
                      COLUMN(spine, source_id),
                      COLUMN(spine, connector_instance_id),
                      COLUMN(spine, data_json),
                      COLUMN(spine, version)},
            .flight = {.table = flight,
                       .primary_key = relation_in(schema, "controller_active_runs_pkey"),
                       .run_id_index = relation_in(schema, "controller_active_runs_run_id_key"),
                       .removal_guard = function_in(schema, "refuse_unsettled_removal"),
                       COLUMN(flight, connector_instance_id),
                       COLUMN(flight, connector_id),
                       COLUMN(flight, run_id),
                       COLUMN(flight, trace_id),
                       COLUMN(flight, scenario_id),
                       COLUMN(flight, started_at),
                       COLUMN(flight, run_generation),
                       COLUMN(flight, boot_epoch),
                       COLUMN(flight, launch_deadline),
                       COLUMN(flight, cancel_requested_at)},
            .connections = {.table = connections,
                            .primary_key = relation_in(schema, "connections_pkey"),
                            COLUMN(connections, connector_instance_id),
                            COLUMN(connections, connector_id),
                            COLUMN(connections, run_generation)},
        };
#undef COLUMN
        known_at = looked_at;
    }
    looking = false;
    return known;
}

std::uint64_t catalogue_version() {
    return changes;
}

void forget_catalogue() {
    ++changes;
}

void watch_catalogue() {
    CacheRegisterRelcacheCallback(on_relation_change, Datum{0});
}

} // namespace pdpp::store
