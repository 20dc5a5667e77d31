#pragma once
// The list of runs, in the order of their admission, newest first: from an index for each filter.

#include "pg.hpp"
#include "run/instant.hpp"
#include "run/list.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

/// Which runs to list. Absent: any.
struct ListFilter {
    std::optional<std::string_view> status; ///< `active` or the word of an outcome
    std::optional<std::string_view> connector_id;
    std::optional<std::string_view> connector_instance_id;
    std::optional<std::string_view> retry_of;
    run::Instant since; ///< admitted then or later
};

/// A cursor over the runs behind `after`, in the snapshot of the statement that called us: run_id, admitted_at. It goes
/// by what one row of each run says, of flight state, the admission or the ending; whether the whole run agrees with
/// the filter is for the caller to see (rows written by hand may not).
Portal open_list(const ListFilter& filter, const run::ListPosition& after);

/// Columns of open_list().
namespace list_column {
inline constexpr int run_id = 0;
inline constexpr int admitted_at = 1;
} // namespace list_column

} // namespace pdpp::store
