#include "run/claim.hpp"

namespace pdpp::run {

namespace {

/// What is further away than a hundred thousand years is taken for infinite.
bool is_finite(Instant instant) {
    constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max() / 2;
    return instant.unix_micros > -far && instant.unix_micros < far;
}

} // namespace

bool is_in_time(Instant admitted_at, Instant launch_deadline, const ClaimTime& time) {
    if (launch_deadline > time.after) {
        return true;
    }
    if (admitted_at >= time.serving_since && admitted_at <= time.after) {
        return false;
    }
    if (!is_finite(launch_deadline) || !is_finite(admitted_at)) {
        return false;
    }
    if (launch_deadline < admitted_at) {
        return time.anew_until > time.after;
    }
    return between(admitted_at, launch_deadline) > between(time.serving_since, time.after);
}

} // namespace pdpp::run
