#pragma once
// The deadlines of runs in flight, judged by the time that has really passed, and moved. Whoever moves one holds the
// run's lock.

#include "run/deadline.hpp"
#include "store/clock.hpp"
#include "store/flight.hpp"

#include <cstdint>
#include <optional>

namespace pdpp::store {

/// Whether it is over.
run::Due due(const Clock& clock, const run::Deadline& deadline);

/// Gives the run so much time from now on, in microseconds, unless its deadline comes sooner. The one that stands then;
/// nothing where the database keeps none.
std::optional<run::Deadline> bound(const Flight& flight, std::int64_t micros);

/// The other way round: unless its deadline comes later. Nothing if it does, or there is none.
std::optional<run::Deadline> extend(const Flight& flight, std::int64_t micros);

} // namespace pdpp::store
