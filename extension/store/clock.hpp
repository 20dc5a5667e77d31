#pragma once
// Time that has really passed, whatever the server's clock was set to meanwhile. What is kept in tables are times of
// the wall clock, for people; what is due is judged with what is known about that clock.
//
// Where the module is preloaded the server knows since its start, and the workers look once a second. Else each session
// knows what it has seen, and how long ago the server was started.

#include "boundary.hpp"
#include "run/clock.hpp"

#include <optional>

namespace pdpp::store {

/// The wall clock as it is read now, with its past.
struct Clock {
    run::Instant now;
    run::WallClock past;

    /// A stamp as this clock would have made it (run::WallClock).
    [[nodiscard]] run::Instant in_present_time(run::Instant stamp) const { return past.in_present_time(stamp, now); }

    /// When this server began to take writes, in present time; nothing while it is not quite up.
    [[nodiscard]] std::optional<run::Instant> serving_since() const;
};

Clock read_clock();

/// Asks for the shared memory; from _PG_init, while preloading.
void prepare_clock();

} // namespace pdpp::store
