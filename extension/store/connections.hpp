#pragma once
// Connections: their row lock serialises admissions, and their generation rises with each.

#include "pg.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

/// A connection, locked.
struct LockedConnection {
    std::string_view connector_id;
    std::int64_t run_generation;         ///< the next
    std::optional<std::int64_t> timeout; ///< of its runs, in microseconds, if whoever offers it has said one
    std::optional<pg_uuid_t> offered_by; ///< the boot that offers it
};

/// Locks the connection's row, making it at the first admission, and gives it its next generation.
LockedConnection lock_connection(std::string_view connector_instance_id, std::string_view connector_id);

/// The same for a connection that is on record, whatever its connector; nothing if it is not.
std::optional<LockedConnection> lock_recorded_connection(std::string_view connector_instance_id);

/// The connections of a connector that a boot offers. An offer stands until it is withdrawn, whether or not the boot
/// that made it lives at this moment.
struct OfferedConnections {
    std::int64_t count; ///< stops at 100
    std::string_view first;
    std::string_view ids; ///< a JSON array, in order
};
OfferedConnections offered_connections(std::string_view connector_id);

/// What is wrong with a list of offered connections: the first connection named twice.
std::optional<std::string_view> duplicate_offer(const Jsonb* connections);

/// The first whose timeout_seconds is no time that a run can be given (run::check_timeout); null is none.
std::optional<std::string_view> offer_of_no_time(const Jsonb* connections);

/// Records that the boot offers exactly these: an array of {connector_instance_id, connector_id, timeout_seconds}, of
/// which the last may be missing. What it offered before, and what earlier boots of its controller that are seen dead
/// did, is withdrawn. Returns how many.
std::int64_t record_offer(const Jsonb* connections, const pg_uuid_t& boot_epoch);

} // namespace pdpp::store
