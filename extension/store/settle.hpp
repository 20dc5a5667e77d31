#pragma once
// Settling: the one place that ends a run.

#include "run/event.hpp"
#include "store/flight.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

struct Ending {
    run::Outcome outcome;
    const Jsonb* data;
    std::optional<std::string_view> event_id = {};
};

/// Ends a run whose flight row this transaction has locked: the terminal event, then the row. False if somebody wrote
/// to the spine by hand: an ending that stands keeps standing, and the row goes; if only the event id is taken, nothing
/// is changed.
bool settle(const Flight& flight, const Ending& ending);

/// Ends it as launch_failed, origin controller, and logs the one line that names run and trace. The message is bounded.
bool settle_launch_failed(const Flight& flight, std::string_view message);

/// One WARNING line that names the run, its trace and its connection; nothing in it can start another line or forge
/// another field.
void log_ending(const char* what, const RunIdentity& run, std::string_view message);

} // namespace pdpp::store
