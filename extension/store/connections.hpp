#pragma once
// Connections: their row lock serialises admissions, and their generation rises with each.

#include "pg.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

/// Locks the connection's row, making it at the first admission, and returns its next generation.
std::int64_t lock_connection(std::string_view connector_instance_id, std::string_view connector_id);

/// A connection on record, locked.
struct LockedConnection {
    std::string_view connector_id;
    std::int64_t run_generation; ///< the next
};

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

/// Records that the boot offers exactly these: an array of {connector_instance_id, connector_id}. What it offered
/// before, and what earlier boots of its controller that are seen dead did, is withdrawn. Returns how many.
std::int64_t record_offer(const Jsonb* connections, const pg_uuid_t& boot_epoch);

} // namespace pdpp::store
