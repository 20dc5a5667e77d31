#pragma once
// The list of connections, in the order of their ids.

#include "pg.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

/// Which connections to list. Absent: any.
struct ConnectionFilter {
    std::optional<std::string_view> connector_id;
    std::optional<std::string_view> connector_instance_id;
    std::optional<bool> is_offered; ///< by a boot that lives, as far as is on record
    std::optional<bool> is_active;  ///< whether it has a run in flight
};

/// A cursor over at most `limit` of the connections behind `after` (empty: from the first), in the snapshot of the
/// statement that called us. Rows written by hand whose id is longer than an id is are passed over.
Portal open_connection_list(const ConnectionFilter& filter, std::string_view after, std::int64_t limit);

/// Columns of open_connection_list().
namespace connection_column {
inline constexpr int connector_instance_id = 0;
inline constexpr int connector_id = 1;
inline constexpr int run_generation = 2;
inline constexpr int timeout_seconds = 3; ///< jsonb, null if whoever offers it has not said
inline constexpr int controller_id = 4;   ///< whose living boot offers it, null if none does
inline constexpr int run_id = 5;          ///< in flight, or null
} // namespace connection_column

} // namespace pdpp::store
