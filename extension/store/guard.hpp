/*
 * The launch guard: ends runs whose launcher is provably dead, and runs that did not start in time.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

/// What one pass did.
struct Pass {
    std::int64_t lost_boots = 0;    ///< boots seen dead for the first time
    std::int64_t launch_failed = 0; ///< runs that had not started: run.failed, launch_failed
    std::int64_t abandoned = 0;     ///< runs that had: run.abandoned
};

/// One pass over every run in flight, or over the runs that the dead boots of one controller left. Runs that somebody
/// else is at work on are left to the next pass.
Pass reconcile(std::optional<std::string_view> controller_id = {});

} // namespace pdpp::store
