#pragma once
// Whether a run that waits can still be claimed.

#include "run/instant.hpp"

#include <cstdint>

namespace pdpp::run {

/// The most that one claim takes. It holds all of them locked until it commits, and whatever its caller does not start
/// is lost to others until its launch deadline.
inline constexpr std::int64_t largest_claim = 1000;

/// What is known of the time when something is claimed. A clock that was set ahead says too early that a launch
/// deadline is over, and the time before this server served does not count (store/guard.cpp): where in doubt the guard
/// knows better.
struct ClaimTime {
    Instant after;         ///< what is due later is in time
    Instant serving_since; ///< the server began to take writes
    Instant anew_until;    ///< for one from before then whose deadline was set anew
};

/// Infinite times, written by hand, have no difference, and nobody has to wait for them.
[[nodiscard]] bool is_in_time(Instant admitted_at, Instant launch_deadline, const ClaimTime& time);

} // namespace pdpp::run
