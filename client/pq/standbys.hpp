#pragma once
// How many servers may take a primary's place, and how many of them its commits wait for, as any role may see.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::pq {

/// SQL, a value: the standbys that are connected. Who follows by a logical slot is none.
inline constexpr std::string_view count_of_standbys =
    "(SELECT count(*) FROM pg_catalog.pg_stat_replication AS r WHERE NOT EXISTS ("
    "SELECT FROM pg_catalog.pg_replication_slots AS s WHERE s.active_pid = r.pid AND s.slot_type = 'logical'))";

/// SQL, a value: the names of all that replicate, a line each. Their states only some roles may see; who may not takes
/// one that is not there yet for one that is.
inline constexpr std::string_view names_of_standbys =
    "(SELECT pg_catalog.string_agg(application_name, pg_catalog.chr(10)) FROM pg_catalog.pg_stat_replication"
    " WHERE coalesce(state, 'streaming') = 'streaming')";

/// What `synchronous_standby_names` says: how many of these a commit waits for.
struct AwaitedStandbys {
    std::size_t number = 0;
    std::vector<std::string> names; ///< `*` is every one
};

/// Of a setting that the server took.
AwaitedStandbys awaited_standbys(std::string_view setting);

/// How many of these, which are connected and named so, may be among them.
std::size_t count_of(const AwaitedStandbys& awaited, std::string_view connected_names);

} // namespace pdpp::pq
