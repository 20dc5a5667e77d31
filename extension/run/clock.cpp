#include "run/clock.hpp"

#include <algorithm>
#include <limits>

namespace pdpp::run {

namespace {

constexpr std::int64_t first = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();

} // namespace

void WallClock::look(Instant wall, std::int64_t steady) {
    const std::int64_t offset = wall.unix_micros - steady;
    if (count_ == 0) {
        eras_[0] = {.begin = first, .end = last, .moved = 0};
        count_ = 1;
        offset_ = offset;
        latest_look_ = steady;
        return;
    }
    if (steady < latest_look_) {
        return;
    }
    const std::int64_t set = offset - offset_;
    if (set >= -tolerance && set <= tolerance) { // the offset stays what it was: many small settings add up to one
        latest_look_ = steady;
        return;
    }
    if (count_ == remembered) {
        std::shift_left(eras_.begin(), eras_.end(), 1);
        eras_.front().begin = first;
        --count_;
    }
    for (Era& era : eras_) {
        era.moved += set;
    }
    // It was set since the latest look. What it was set by less than is not known, so it may have shown that much more.
    eras_[count_ - 1].end = steady + offset_ + tolerance;
    eras_[count_] = {.begin = latest_look_ + offset - tolerance, .end = last, .moved = 0};
    ++count_;
    offset_ = offset;
    latest_look_ = steady;
}

Instant WallClock::in_present_time(Instant stamp, Instant now) const {
    std::int64_t furthest = first;
    for (std::size_t i = 0; i < count_; ++i) {
        const std::int64_t end = i + 1 == count_ ? later(now, tolerance).unix_micros : eras_[i].end;
        if (eras_[i].begin <= stamp.unix_micros && stamp.unix_micros <= end) {
            furthest = std::max(furthest, eras_[i].moved);
        }
    }
    return furthest == first ? stamp : later(stamp, furthest);
}

std::int64_t WallClock::furthest_forward() const {
    std::int64_t furthest = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        furthest = std::max(furthest, eras_[i].moved);
    }
    return furthest;
}

std::int64_t WallClock::furthest_back() const {
    std::int64_t furthest = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        furthest = std::min(furthest, eras_[i].moved);
    }
    return furthest;
}

} // namespace pdpp::run
