#include "http/pages/life.hpp"

#include "http/pages/times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace pdpp::http {

namespace {

/// What is at the edges can be seen whole.
constexpr double margin = 4;
constexpr double width = 1000;

class Scale {
  public:
    Scale(std::int64_t from, std::int64_t until)
        : from_(from), span_(static_cast<double>(std::max<std::int64_t>(until - from, 1))) {}

    [[nodiscard]] double x(std::int64_t at) const {
        const double share = std::clamp(static_cast<double>(at - from_) / span_, 0.0, 1.0);
        return std::round((margin + (width - 2 * margin) * share) * 10) / 10;
    }

  private:
    std::int64_t from_;
    double span_;
};

std::string words_of(const LifeTimes& times, std::string_view status, std::size_t late) {
    std::string words;
    const auto end = times.ended.value_or(times.now);
    if (times.started) {
        words = fmt::format("Waited {} for its launch, ", duration(*times.started - times.admitted));
        words += times.ended ? fmt::format("ran {}, ", duration(end - *times.started))
                             : fmt::format("has run {} so far", duration(end - *times.started));
    } else {
        words = times.ended ? fmt::format("Never started, waited {}, ", duration(end - times.admitted))
                            : fmt::format("Has waited {} for its launch so far", duration(end - times.admitted));
    }
    if (times.ended) {
        words += fmt::format("ended as {}", status);
    }
    if (late > 0) {
        words += fmt::format("; {} late outcome{} afterwards", late, late == 1 ? "" : "s");
    }
    return words + ".";
}

} // namespace

Life draw_life(const LifeTimes& times, std::string_view status, std::span<const ShownEvent* const> events) {
    Life life{.from = times.admitted,
              .until = times.ended,
              .parts = {},
              .signs = {},
              .ticks = {},
              .tick_path = {},
              .words = {},
              .scale = {}};
    std::size_t late = 0;
    for (const auto* const event : events) {
        life.ticks.push_back(event->millis);
        if (times.ended && event->millis > *life.until) {
            life.until = event->millis;
        }
        late += event->type == "run.late_outcome" ? 1 : 0;
    }
    std::ranges::sort(life.ticks);
    const Scale scale(life.from, life.until.value_or(times.now));
    const auto end = times.ended.value_or(times.now);

    const auto add_part = [&](std::string_view kind, std::int64_t from, std::int64_t to, bool goes_on) {
        life.parts.push_back({.kind = kind,
                              .x = scale.x(from),
                              .width = std::max(scale.x(to) - scale.x(from), 0.0),
                              .from = from,
                              .to = goes_on ? std::nullopt : std::optional(to)});
    };
    add_part("waiting", times.admitted, times.started.value_or(end), !times.started && !times.ended);
    if (times.started) {
        add_part("running", *times.started, end, !times.ended);
    }
    if (life.until && *life.until > end) {
        add_part("after", end, *life.until, false);
    }

    for (const auto* const event : events) {
        if (event->type == "run.cancel_requested") {
            life.signs.push_back(
                {.kind = "cancel", .x = scale.x(event->millis), .at = event->millis, .words = "cancel requested"});
        } else if (event->type == "run.late_outcome") {
            life.signs.push_back({.kind = "late",
                                  .x = scale.x(event->millis),
                                  .at = event->millis,
                                  .words = "a late outcome, kept as evidence"});
        }
    }
    if (times.ended) {
        life.signs.push_back({.kind = "end", .x = scale.x(end), .at = end, .words = std::string{status}});
    }
    std::set<double> places; // several events at one place are one tick
    for (const auto at : life.ticks) {
        if (const auto [place, is_new] = places.insert(scale.x(at)); is_new) {
            life.tick_path += fmt::format("M{} 48v10", *place);
        }
    }
    life.words = words_of(times, status, late);
    life.scale = duration(life.until.value_or(times.now) - life.from);
    return life;
}

} // namespace pdpp::http
