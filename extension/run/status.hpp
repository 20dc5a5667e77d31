#pragma once
// The status projection: from the lifecycle events of a run to the one status it has.

#include "run/event.hpp"
#include "run/instant.hpp"

#include <optional>
#include <string_view>
#include <type_traits>

namespace pdpp::run {

/// What a terminal event's data says about the ending. Only strings count; empty means absent. What follows the two
/// reasons counts only where has_failure().
struct Evidence {
    std::string_view reason;
    std::string_view failure_reason;
    std::string_view failure_message;
    std::string_view message;
    std::string_view failure_origin;
    std::string_view connector_error_message;
};

/// One lifecycle event, as the projection needs it. Views of memory that the caller owns.
struct LifecycleEvent {
    std::string_view event_type;
    Instant occurred_at;
    std::optional<std::string_view> actor_id; ///< the connector
    std::optional<std::string_view> trace_id;
    std::optional<std::string_view> connector_instance_id;
    std::optional<std::string_view> scenario_id;
    std::optional<std::string_view> source_in_data = {}; ///< `data.source.id`: the connector, where no event names one
    Evidence evidence;                                   ///< of a terminal event
};

/// At most one event for each phase: what the lifecycle index holds for a run.
struct Lifecycle {
    std::optional<LifecycleEvent> admitted;
    std::optional<LifecycleEvent> started;
    std::optional<LifecycleEvent> ended;

    /// Whether any of it stands, that is, whether the run is known.
    [[nodiscard]] bool known() const { return admitted || started || ended; }
};

struct Failure {
    std::optional<std::string_view> reason;
    std::optional<std::string_view> message;
    std::optional<std::string_view> origin;
    std::optional<std::string_view> connector_error_message;
};

/// What flight state says of a run that has not ended.
struct InFlight {
    std::optional<Instant> cancel_requested_at;
    std::optional<Instant> deadline_at;
};

/// The fields of the status body, in the words of the contract.
struct Status {
    std::string_view status;
    std::optional<std::string_view> connector_id;
    std::optional<std::string_view> connector_instance_id;
    std::optional<std::string_view> trace_id;
    std::optional<Instant> admitted_at;
    std::optional<Instant> started_at;
    std::optional<Instant> completed_at;
    InFlight in_flight;
    std::optional<std::string_view> terminal_reason;
    std::optional<Failure> failure;
};

/// The status of a known run. What flight state says counts only while the run is active.
[[nodiscard]] Status project(const Lifecycle& lifecycle, const InFlight& in_flight);

/// The run's trace: of run.started, which leaves out the admission's, else of the terminal event, else the admission's.
[[nodiscard]] std::optional<std::string_view> trace_of(const Lifecycle& lifecycle);

static_assert(std::is_trivially_destructible_v<Lifecycle> && std::is_trivially_destructible_v<Status>);

} // namespace pdpp::run
