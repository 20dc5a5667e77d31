#include "run/deadline.hpp"

#include <algorithm>

namespace pdpp::run {

namespace {

/// As far ahead as a stamp that this clock made may be.
Instant latest_of_now(const Time& time) {
    return later(time.now, WallClock::tolerance);
}

Instant begin_of(const Deadline& deadline, const Time& time) {
    return time.past.in_present_time(deadline.set_at, time.now);
}

} // namespace

Check check_timeout(const Span& span, std::string_view param) {
    constexpr std::int64_t day = 86'400'000'000;
    // as long as neither part is longer than this, their sum is a number
    constexpr std::int64_t longest_part = 4 * longest_timeout;
    const bool is_short = span.days >= -longest_part / day && span.days <= longest_part / day &&
                          span.micros >= -longest_part && span.micros <= longest_part;
    if (span.months == 0 && is_short && micros_of(span) > 0 && micros_of(span) <= longest_timeout) {
        return {};
    }
    return Fault{.code = ErrorCode::invalid_request,
                 .param = param,
                 .message = "must be more than 0 and at most 1000000000 seconds, without months or years"};
}

Instant end_of(const Deadline& deadline, const Time& time) {
    return later(std::max(begin_of(deadline, time), time.serving_since), deadline.given());
}

Due due(const Deadline& deadline, const Time& time) {
    if (begin_of(deadline, time) > latest_of_now(time)) {
        return Due::of_time_to_come;
    }
    return end_of(deadline, time) <= time.now ? Due::over : Due::in_time;
}

} // namespace pdpp::run
