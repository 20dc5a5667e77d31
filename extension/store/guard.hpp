#pragma once
// The launch guard: ends runs whose launcher is provably dead, runs that did not start in time, and runs that are over
// their deadline.

#include "store/clock.hpp"
#include "store/statement.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

/// Who ends runs: the `reconciled_by` of what it abandons.
namespace reconciler {
inline constexpr std::string_view function = "pdpp_reconcile";
inline constexpr std::string_view worker = "pdpp_worker";
} // namespace reconciler

/// What one pass did.
struct Pass {
    std::int64_t lost_boots = 0;    ///< boots seen dead for the first time
    std::int64_t launch_failed = 0; ///< runs that had not started: run.failed, launch_failed
    std::int64_t abandoned = 0;     ///< runs that had: run.abandoned
    std::int64_t timed_out = 0;     ///< runs over their deadline: run.failed, run_timed_out
    std::int64_t cancelled = 0; ///< the same, whose end the owner had asked for: run.cancelled, owner_cancel_unheeded
};

/// One pass, in one transaction, over every run in flight, or over the runs that the dead boots of one controller left.
/// Runs that somebody else is at work on are left to the next pass.
Pass reconcile(std::optional<std::string_view> controller_id = {});

/// The runs that a pass has to look at, in order, the run id first. As flight state shows them, without a lock.
Rows due_runs(std::optional<std::string_view> controller_id = {});

/// Whether end_due_run() has anything to do with one of them, as far as that can be seen without a lock.
bool is_due(const Clock& clock, const Rows& rows, std::uint64_t row);

/// Ends one of them, if it is still due under the run's lock and nobody else is at work on it. One whose launch
/// deadline or deadline says nothing is given a new one.
void end_due_run(std::string_view run_id, std::string_view reconciled_by, Pass& pass);

} // namespace pdpp::store
