/*
 * Connections: their row lock serialises admissions, and their generation rises with each.
 */
#pragma once

#include "pg.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

/// Locks the connection's row, making it at the first admission, and returns its next generation.
std::int64_t lock_connection(std::string_view connector_instance_id, std::string_view connector_id);

/// What is wrong with a list of offered connections: the first connection named twice.
std::optional<std::string_view> duplicate_offer(const Jsonb* connections);

/// Records that the boot offers exactly these: an array of {connector_instance_id, connector_id}. Returns how many.
std::int64_t record_offer(const Jsonb* connections, const pg_uuid_t& boot_epoch);

} // namespace pdpp::store
