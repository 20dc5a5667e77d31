/*
 * A point in time, and how bodies print it.
 */
#pragma once

#include "run/text.hpp"

#include <compare>
#include <cstdint>

namespace pdpp::run {

/// Microseconds since 1970-01-01 00:00 UTC: PostgreSQL's precision on the epoch everybody else uses.
struct Instant {
    std::int64_t unix_micros = 0;
    friend constexpr auto operator<=>(Instant, Instant) = default; // NOLINT(modernize-use-nullptr): clang-tidy 14
};

/// RFC 3339 in UTC with exactly three decimals and `Z`: `2026-01-31T08:09:10.045Z`. Cut, not rounded, so that a time
/// never prints as one that has not come yet.
[[nodiscard]] Text<32> rfc3339(Instant instant);

} // namespace pdpp::run
