/*
 * The status lookup: a direct scan of the lifecycle index.
 *
 * At most three entries, whatever the size of the run or of the spine, and no planner in between that could choose
 * another way. An executor run would cost as much again as the lookup itself.
 */
#pragma once

#include "pg.hpp"
#include "run/status.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

/// The lifecycle events of a run as one snapshot shows them, in the current memory context.
struct LifecycleRecord {
    run::Lifecycle events;
    const Jsonb* terminal_data = nullptr;            ///< the whole data of the terminal event
    std::optional<run::Instant> cancel_requested_at; ///< from flight state, looked up while the run is active
};

/// As the statement that is running sees the run: for reads.
LifecycleRecord read_lifecycle(std::string_view run_id);

/// As it stands now, this transaction's own writes included: for writers.
LifecycleRecord read_latest_lifecycle(std::string_view run_id);

/// The run's standing outcome; nothing while it is active or unknown.
std::optional<run::Outcome> standing_outcome(const LifecycleRecord& record);

} // namespace pdpp::store
