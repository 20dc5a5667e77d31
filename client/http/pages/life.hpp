#pragma once
// The life of a run drawn to scale: waiting for its launch, running, a tick for each event, a cancel request, what came
// after the end. Pure numbers, from 0 to 1000 across.

#include "http/pages/reading.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// When what happened, in milliseconds since 1970.
struct LifeTimes {
    std::int64_t admitted = 0;
    std::optional<std::int64_t> started;
    std::optional<std::int64_t> ended;
    std::int64_t now = 0;
    std::optional<std::int64_t> cancel_requested = {};
};

struct LifePart {
    std::string_view kind; ///< `waiting`, `running` or `after`
    double x = 0;
    double width = 0;
    std::int64_t from = 0;
    std::optional<std::int64_t> to; ///< nothing while it goes on
};

struct LifeSign {
    std::string_view kind; ///< `cancel`, `end` or `late`
    double x = 0;
    std::int64_t at = 0;
    std::string words;
};

struct Life {
    std::int64_t from = 0;
    std::optional<std::int64_t> until; ///< nothing while the run is active
    std::vector<LifePart> parts;
    std::vector<LifeSign> signs;
    std::vector<std::int64_t> ticks; ///< the events' times
    std::string tick_path;
    std::string words; ///< all of it, for those who cannot see it
    std::string scale; ///< how long it is from left to right
};

/// `more_late` says that there may be more late outcomes than those among `events`.
Life draw_life(const LifeTimes& times, std::string_view status, std::span<const ShownEvent* const> events,
               bool more_late = false);

} // namespace pdpp::http
