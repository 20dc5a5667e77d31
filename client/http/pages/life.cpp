#include "http/pages/life.hpp"

#include "http/pages/times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
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

/// What an event that came late is evidence of. Imports keep a second start the same way.
enum class Evidence { start, earlier_outcome, late_outcome };

Evidence evidence_in(const ShownEvent& event, const LifeTimes& times) {
    if (text_at(event.data, "event_type") == "run.started") {
        return Evidence::start;
    }
    return times.ended && event.millis < *times.ended ? Evidence::earlier_outcome : Evidence::late_outcome;
}

std::string counted(std::size_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string words_of(const LifeTimes& times, std::string_view status, const std::map<Evidence, std::size_t>& evidence,
                     bool more_late) {
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
    for (const auto& [kind, count] : evidence) {
        words += kind == Evidence::start ? "; " + counted(count, "further start")
                 : kind == Evidence::earlier_outcome
                     ? fmt::format("; {} before that", counted(count, "other outcome"))
                     : fmt::format("; {}{} afterwards", more_late ? "at least " : "", counted(count, "late outcome"));
    }
    return words + ".";
}

} // namespace

Life draw_life(const LifeTimes& times, std::string_view status, std::span<const ShownEvent* const> events,
               bool more_late) {
    Life life{.from = times.admitted,
              .until = times.ended,
              .parts = {},
              .signs = {},
              .ticks = {},
              .tick_path = {},
              .words = {},
              .scale = {}};
    std::map<Evidence, std::size_t> evidence;
    for (const auto* const event : events) {
        life.ticks.push_back(event->millis);
        if (times.ended && event->millis > *life.until) {
            life.until = event->millis;
        }
        if (event->type == "run.late_outcome") {
            ++evidence[evidence_in(*event, times)];
        }
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

    const auto add_sign = [&](std::string_view kind, std::int64_t at, std::string_view words) {
        const auto is_same = [&](const LifeSign& other) { return other.x == scale.x(at) && other.words == words; };
        if (std::ranges::none_of(life.signs, is_same)) { // several at one place are one
            life.signs.push_back({.kind = kind, .x = scale.x(at), .at = at, .words = std::string{words}});
        }
    };
    for (const auto* const event : events) {
        if (event->type == "run.cancel_requested") {
            add_sign("cancel", event->millis, "cancel requested");
        } else if (event->type == "run.late_outcome") {
            const auto what = evidence_in(*event, times);
            add_sign("late", event->millis,
                     what == Evidence::start             ? "a further start, kept as evidence"
                     : what == Evidence::earlier_outcome ? "another outcome, kept as evidence"
                                                         : "a late outcome, kept as evidence");
        }
    }
    if (times.cancel_requested && std::ranges::find(life.signs, "cancel", &LifeSign::kind) == life.signs.end()) {
        add_sign("cancel", *times.cancel_requested, "cancel requested");
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
    life.words = words_of(times, status, evidence, more_late);
    life.scale = duration(life.until.value_or(times.now) - life.from);
    return life;
}

} // namespace pdpp::http
