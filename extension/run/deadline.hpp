#pragma once
// Until when a run has to have ended, and whether that time has passed, whatever the clock was set to.

#include "run/clock.hpp"
#include "run/error.hpp"
#include "run/instant.hpp"

#include <cstdint>

namespace pdpp::run {

/// The longest time that a run can be given, in microseconds: about thirty years.
inline constexpr std::int64_t longest_timeout = 1'000'000'000'000'000;

/// A span as the server keeps it.
struct Span {
    std::int32_t months;
    std::int32_t days;
    std::int64_t micros;
};

/// Whether a run can be given this time: more than none, at most longest_timeout, and no months, whose length nobody
/// knows. A day has 24 hours.
[[nodiscard]] Check check_timeout(const Span& span, std::string_view param);

/// The microseconds of a span that check_timeout() has passed.
[[nodiscard]] constexpr std::int64_t micros_of(const Span& span) {
    return std::int64_t{span.days} * 86'400'000'000 + span.micros;
}

/// Two times of the wall clock: when a run was given so much time, and when that is over.
struct Deadline {
    Instant set_at;
    Instant at;

    [[nodiscard]] std::int64_t given() const { return between(set_at, at); }
};

/// So much time from now on.
[[nodiscard]] constexpr Deadline deadline_in(Instant now, std::int64_t micros) {
    return {.set_at = now, .at = later(now, micros)};
}

/// What is known of the time, to judge deadlines by.
struct Time {
    Instant now;
    const WallClock& past;
    Instant serving_since; ///< in present time: the server began to take writes
};

/// When a deadline is over, by the clock as it is now: after as much time as was given has passed since it was set. One
/// that was set before this server served counts from then: nothing is known of the clock before, and nobody could
/// settle the run meanwhile.
[[nodiscard]] Instant end_of(const Deadline& deadline, const Time& time);

enum class Due : std::uint8_t {
    in_time,
    over,
    of_time_to_come, ///< set at a time that has yet to come, as far as anybody knows: to be set anew
};

[[nodiscard]] Due due(const Deadline& deadline, const Time& time);

} // namespace pdpp::run
