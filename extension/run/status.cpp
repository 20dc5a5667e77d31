#include "run/status.hpp"

namespace pdpp::run {

namespace {

/// The first of these that is not empty.
std::optional<std::string_view> first_of(std::string_view one, std::string_view other = {}) {
    if (!one.empty()) {
        return one;
    }
    if (!other.empty()) {
        return other;
    }
    return {};
}

using Field = std::optional<std::string_view> LifecycleEvent::*;

/// A field of run.started, else of the terminal event, else the admission's.
std::optional<std::string_view> latest_say(const Lifecycle& lifecycle, Field field) {
    for (const auto* event : {&lifecycle.started, &lifecycle.ended, &lifecycle.admitted}) {
        if (*event && (**event).*field) {
            return (**event).*field;
        }
    }
    return {};
}

std::optional<Instant> when(const std::optional<LifecycleEvent>& event) {
    if (!event) {
        return {};
    }
    return event->occurred_at;
}

Failure failure_of(const Evidence& evidence) {
    return {
        .reason = first_of(evidence.reason, evidence.failure_reason),
        .message = first_of(evidence.failure_message, evidence.message),
        .origin = first_of(evidence.failure_origin),
        .connector_error_message = first_of(evidence.connector_error_message),
    };
}

/// The connector that an event names, else the source that one tells in its data.
std::optional<std::string_view> connector_of(const Lifecycle& lifecycle) {
    const auto named = latest_say(lifecycle, &LifecycleEvent::actor_id);
    return named ? named : latest_say(lifecycle, &LifecycleEvent::source_in_data);
}

} // namespace

std::optional<std::string_view> trace_of(const Lifecycle& lifecycle) {
    // a start that names none began in the admission's, whatever trace the run was ended in
    if (lifecycle.started && !lifecycle.started->trace_id && lifecycle.admitted && lifecycle.admitted->trace_id) {
        return lifecycle.admitted->trace_id;
    }
    return latest_say(lifecycle, &LifecycleEvent::trace_id);
}

Status project(const Lifecycle& lifecycle, const InFlight& in_flight) {
    Status status{
        .status = active,
        .connector_id = connector_of(lifecycle),
        .connector_instance_id = latest_say(lifecycle, &LifecycleEvent::connector_instance_id),
        .trace_id = trace_of(lifecycle),
        .admitted_at = when(lifecycle.admitted),
        .started_at = when(lifecycle.started),
        .completed_at = when(lifecycle.ended),
        .in_flight = {},
        .terminal_reason = {},
        .failure = {},
    };
    if (!lifecycle.ended) {
        status.in_flight = in_flight;
        if (!status.started_at) {
            status.started_at = status.admitted_at;
        }
        return status;
    }

    const Evidence& evidence = lifecycle.ended->evidence;
    const auto outcome = outcome_of(lifecycle.ended->event_type).value_or(Outcome::abandoned);
    status.status = word_of(outcome);
    status.terminal_reason = first_of(evidence.reason, evidence.failure_reason);
    if (has_failure(outcome)) {
        status.failure = failure_of(evidence);
    }
    return status;
}

} // namespace pdpp::run
