/*
 * Where the extension's tables are: looked up through the extension's own catalogue entry, never through search_path,
 * remembered for the session, and forgotten when the server says that one of them changed.
 */
#pragma once

#include "pg.hpp"

namespace pdpp::store {

/// What direct access needs to know of each table. Attribute numbers, because an upgrade may order columns otherwise.
struct SpineEntry {
    Oid table;
    Oid primary_key, lifecycle_index;
    AttrNumber run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, trace_id, scenario_id,
        actor_type, actor_id, object_type, object_id, status, source_kind, source_id, connector_instance_id, data_json,
        version;
};

struct FlightEntry {
    Oid table;
    Oid primary_key, run_id_index;
    Oid removal_guard; ///< the function of the trigger on DELETE
    AttrNumber connector_instance_id, connector_id, run_id, trace_id, scenario_id, started_at, run_generation,
        boot_epoch, launch_deadline, cancel_requested_at;
};

struct ConnectionEntry {
    Oid table;
    Oid primary_key;
    AttrNumber connector_instance_id, connector_id, run_generation;
};

struct Catalogue {
    SpineEntry spine;
    FlightEntry flight;
    ConnectionEntry connections;
};

/// The entry as of the latest invalidation message. Raises undefined_object if the extension is not installed here.
const Catalogue& catalogue();

/// Another number after each change that was announced; never 0.
std::uint64_t catalogue_version();

/// Forget it: what was opened by it turned out to be gone.
void forget_catalogue();

/// Registers the invalidation callback; once, from _PG_init.
void watch_catalogue();

} // namespace pdpp::store
