#pragma once
// Where the extension's tables are, and whether they still are as it made them: looked up through the extension's own
// catalogue entry, never through search_path, remembered for the session, and forgotten when the server says that one
// of them changed.
//
// Whoever owns the tables may alter them. Direct access therefore goes by a verdict over every property that it relies
// on, made anew for each version of the catalogue:
//
//   - a column is read only if it has the type that we know; otherwise an error names it;
//   - an index is used only if it holds every row that is looked for, in the order that we know; otherwise the table is
//     walked, which is slow and right;
//   - a row is inserted directly only if the table is as we made it; otherwise a statement inserts it.

#include "pg.hpp"

#include <cstdint>

namespace pdpp::store {

/// A column that is read directly, and turned out to have a type that we do not know. None if the name is null.
struct Unreadable {
    const char* column;
    Oid expected;
};

/// What direct access needs to know of each table. Attribute numbers, because an upgrade may order columns otherwise.
/// Indexes that are not as we know them are not valid.
struct SpineEntry {
    Oid table;
    Unreadable unreadable;
    bool is_as_made;        ///< rows may be inserted without a statement
    bool requires_event_id; ///< as before 0.3.0: no two events of a run have none
    bool has_retries;       ///< false in a database whose SQL is older than 0.3.0
    Oid primary_key, lifecycle_index, retry_index;
    AttrNumber run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, trace_id, scenario_id,
        actor_id, status, source_kind, source_id, connector_instance_id, data_json;
};

struct FlightEntry {
    Oid table;
    Unreadable unreadable;
    Oid primary_key, run_id_index;
    AttrNumber connector_instance_id, connector_id, run_id, trace_id, scenario_id, started_at, run_generation,
        boot_epoch, launch_deadline, cancel_requested_at;
    AttrNumber deadline_at, deadline_set_at, offered_by; ///< invalid in a database whose SQL is older than 0.3.0
    Oid offered_index;
    /// What may be done to a row without a statement, because one would do nothing else: insert it; give it another
    /// owner; that, and no launch deadline any more; remove it.
    bool can_be_inserted, can_be_claimed, can_be_started, can_be_removed;

    [[nodiscard]] bool has_deadlines() const {
        return deadline_at != InvalidAttrNumber && deadline_set_at != InvalidAttrNumber;
    }
    [[nodiscard]] bool has_offers() const { return offered_by != InvalidAttrNumber; }
};

struct ConnectionEntry {
    Oid table; ///< invalid where statements alone can find a connection
    Unreadable unreadable;
    Oid primary_key;
    AttrNumber connector_instance_id;
};

struct Catalogue {
    SpineEntry spine;
    FlightEntry flight;
    ConnectionEntry connections;
};

/// As many places as a row of either table has at most: where it was made by an earlier version, a column may be gone
/// that left its place.
inline constexpr int spine_places = 28;
inline constexpr int flight_places = 14;

/// The entry as of a moment ago. One that is read under a lock on its table is true for as long as the lock is held.
/// Raises undefined_object if the extension is not installed here.
const Catalogue& catalogue();

/// Another number after each change that was announced; never 0.
std::uint64_t catalogue_version();

/// Forget it: what was opened by it turned out to be gone.
void forget_catalogue();

/// Raises an error that names the column, if there is one.
void require_readable(Relation table, const Unreadable& unreadable);

/// Registers the invalidation callback; once, from _PG_init.
void watch_catalogue();

} // namespace pdpp::store
