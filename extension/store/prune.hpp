#pragma once
// Retention: removing what runs that ended long ago said in between. The only code that deletes from the spine.

#include "run/instant.hpp"

#include <cstdint>
#include <string_view>

namespace pdpp::store {

struct Pruned {
    std::int64_t events = 0; ///< removed
    std::int64_t runs = 0;   ///< that they belonged to
};

/// Removes up to `limit` events of runs that ended before `before`, the oldest first: all but the lifecycle's and late
/// outcomes, so the last event of a run always stays and no number is given twice. Rows that somebody else has locked
/// are left for the next time.
Pruned prune(run::Instant before, std::int64_t limit);

/// How many events such calls can remove, counted up to `limit`.
std::int64_t count_prunable(run::Instant before, std::int64_t limit);

/// Whether the row that a DELETE is about to take is one that prune() takes.
bool is_being_pruned(std::string_view event_type);

/// Whether events of the run were pruned, as the calling statement sees it.
bool was_pruned(std::string_view run_id);

} // namespace pdpp::store
