#pragma once
// A point in time, and how bodies print it.

#include "run/text.hpp"

#include <compare>
#include <cstdint>
#include <limits>

namespace pdpp::run {

/// Microseconds since 1970-01-01 00:00 UTC: PostgreSQL's precision on the epoch everybody else uses.
struct Instant {
    std::int64_t unix_micros = 0;
    friend constexpr auto operator<=>(Instant, Instant) = default; // NOLINT(modernize-use-nullptr): clang-tidy 14
};

/// So many microseconds later; the first or last instant there is, if that would be beyond.
[[nodiscard]] constexpr Instant later(Instant instant, std::int64_t micros) {
    constexpr std::int64_t first = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
    if (micros > 0 && instant.unix_micros > last - micros) {
        return {last};
    }
    if (micros < 0 && instant.unix_micros < first - micros) {
        return {first};
    }
    return {instant.unix_micros + micros};
}

/// Microseconds from one to the other; the most there are, if they are more.
[[nodiscard]] constexpr std::int64_t between(Instant from, Instant to) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    if (from.unix_micros < 0 && to.unix_micros > most + from.unix_micros) {
        return most;
    }
    if (from.unix_micros > 0 && to.unix_micros < -most + from.unix_micros) {
        return -most;
    }
    return to.unix_micros - from.unix_micros;
}

/// RFC 3339 in UTC with exactly three decimals and `Z`: `2026-01-31T08:09:10.045Z`. Cut, not rounded, so that a time
/// never prints as one that has not come yet.
[[nodiscard]] Text<32> rfc3339(Instant instant);

} // namespace pdpp::run
