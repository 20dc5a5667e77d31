#pragma once
// How many servers may take a primary's place, as any role may see.

#include <string_view>

namespace pdpp::pq {

/// SQL, a value: the standbys that are connected. Who follows by a logical slot is none.
inline constexpr std::string_view count_of_standbys =
    "(SELECT count(*) FROM pg_catalog.pg_stat_replication AS r WHERE NOT EXISTS ("
    "SELECT FROM pg_catalog.pg_replication_slots AS s WHERE s.active_pid = r.pid AND s.slot_type = 'logical'))";

} // namespace pdpp::pq
