/*
 * Where the extension's tables are: looked up through the extension's own catalogue entry, never through search_path,
 * remembered for the session, and forgotten when the server says that one of them changed.
 */
#pragma once

#include "pg.hpp"

namespace pdpp::store {

/// What a direct scan of the lifecycle index needs. Attribute numbers, because an upgrade may order columns otherwise.
struct SpineEntry {
    Oid table;
    Oid lifecycle_index;
    AttrNumber event_type, event_id, occurred_at, actor_id, trace_id, connector_instance_id, data_json;
};

struct FlightEntry {
    Oid table;
    Oid run_id_index;
    AttrNumber cancel_requested_at;
};

struct Catalogue {
    SpineEntry spine;
    FlightEntry flight;
};

/// The entry as of the latest invalidation message. Raises undefined_object if the extension is not installed here.
const Catalogue& catalogue();

/// Forget it: what was opened by it turned out to be gone.
void forget_catalogue();

/// Registers the invalidation callback; once, from _PG_init.
void watch_catalogue();

} // namespace pdpp::store
