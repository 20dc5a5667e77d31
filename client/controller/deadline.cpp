#include "controller/deadline.hpp"

#include "pq/body.hpp"

#include <algorithm>
#include <cstdio>

namespace pdpp::controller {

namespace {

using namespace std::chrono_literals;

/// `2026-01-31T08:09:10.045Z`, as the database prints all its times.
std::optional<Deadline::Stamp> stamp_in(std::string_view body, std::string_view key) {
    const auto text = pq::string_in(body, key);
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    int millis = 0;
    if (std::sscanf(text.c_str(), "%d-%u-%uT%d:%d:%d.%dZ", &year, &month, &day, &hour, &minute, &second, &millis) !=
        7) {
        return std::nullopt;
    }
    const std::chrono::sys_days date{std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{day}};
    return date + std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second} +
           std::chrono::milliseconds{millis};
}

} // namespace

std::optional<std::chrono::milliseconds> time_between(std::string_view body, std::string_view from,
                                                      std::string_view to) {
    const auto begin = stamp_in(body, from);
    const auto end = stamp_in(body, to);
    if (!begin || !end) {
        return std::nullopt;
    }
    return *end - *begin;
}

void Deadline::note_start(std::string_view body, Clock::time_point now) {
    stamp_ = stamp_in(body, "deadline_at");
    if (const auto given = time_between(body, "recorded_at", "deadline_at")) {
        set(now + *given, now);
    }
}

void Deadline::note_status(std::string_view body, Clock::time_point now) {
    const auto stamp = stamp_in(body, "deadline_at");
    if (stamp && stamp_ && *stamp != *stamp_) {
        set(at_ + (*stamp - *stamp_), now);
        stamp_ = stamp;
    }
}

void Deadline::set(Clock::time_point at, Clock::time_point now) {
    at_ = at;
    given_ = std::max(at - now, Clock::duration::zero());
}

Deadline::Clock::time_point Deadline::time_to_stop(std::chrono::milliseconds grace) const {
    if (at_ == Clock::time_point::max()) {
        return at_;
    }
    return at_ - std::min<Clock::duration>(grace + 1s, given_ / 10);
}

} // namespace pdpp::controller
