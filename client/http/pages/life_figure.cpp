#include "http/pages/life_figure.hpp"

#include "http/pages/times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>

namespace pdpp::http {

namespace {

constexpr std::size_t signs_drawn = 60;

/// What of the life is not drawn.
void add_what_is_not_drawn(PageValues& page, const RunPageParts& parts, std::size_t signs, std::size_t drawn) {
    std::string words;
    if (parts.newest.truncated) {
        words = fmt::format("Marks: the first {} and the newest {} of {} events.",
                            parts.first ? parts.first->events.size() : 0, parts.newest.events.size(),
                            grouped(last_seq(parts)));
    }
    if (!parts.signs.empty() && parts.signs.front().from > 1) {
        words += fmt::format(" Cancel requests and late outcomes: those among the newest {}.",
                             grouped(last_seq(parts) - parts.signs.front().from + 1));
    }
    if (drawn < signs) {
        words += fmt::format(" Of {} signs {} are drawn.", signs, drawn);
    }
    if (!words.empty()) {
        page.add("FEW_MARKS").text("MARKS_WORDS", words);
    }
}

} // namespace

void add_life(PageValues& page, const LifeTimes& times, std::string_view status, const RunPageParts& parts,
              const Room& room) {
    const bool more_late =
        std::ranges::any_of(parts.signs, [](const RecentEvents& each) { return each.found.truncated; });
    auto life = draw_life(times, status, events_read(parts, parts.signs), more_late);
    page.text("LIFE_WORDS", life.words);
    page.text("LIFE_SCALE", life.scale);
    page.number("LIFE_FROM", life.from);
    page.text("LIFE_UNTIL", life.until ? std::to_string(*life.until) : "");
    for (const auto& part : life.parts) {
        auto drawn = page.add("PART");
        const bool is_thick = part.kind == "running";
        drawn.text("CLASS", part.kind);
        drawn.text("X", fmt::format("{}", part.x));
        drawn.text("WIDTH", fmt::format("{:.1f}", part.width));
        drawn.text("Y", is_thick ? "12" : part.kind == "waiting" ? "20" : "25");
        drawn.text("HEIGHT", is_thick ? "28" : part.kind == "waiting" ? "12" : "2");
        drawn.number("FROM", part.from);
        drawn.text("TO", part.to ? std::to_string(*part.to) : "");
    }
    const auto found_signs = life.signs.size();
    if (const auto most = room.rows(signs_drawn); most < found_signs) { // but the end, which is the last
        life.signs.erase(life.signs.begin() + static_cast<std::ptrdiff_t>(most), life.signs.end() - 1);
    }
    for (const auto& sign : life.signs) {
        auto drawn = page.add("SIGN");
        drawn.text("CLASS", sign.kind);
        drawn.text("PATH", fmt::format("M{} 4v44", sign.x));
        drawn.number("AT", sign.at);
        drawn.text("WORDS", sign.words);
    }
    std::string tick_times;
    for (const auto at : life.ticks) {
        tick_times += fmt::format("{}{}", tick_times.empty() ? "" : " ", at - life.from);
    }
    page.text("TICKS", life.tick_path);
    page.text("TICK_TIMES", tick_times);
    const auto key = [&](std::string_view kind, std::string_view words) {
        auto shown = page.add("KEY");
        shown.text("CLASS", kind);
        shown.text("WORDS", words);
    };
    for (const auto& part : life.parts) {
        key(part.kind, part.kind == "waiting" ? "waiting for launch"
                       : part.kind == "after" ? "after the end"
                                              : "running");
    }
    key("tick", "event");
    const auto has = [&](std::string_view part_of_words) {
        return std::ranges::any_of(life.signs, [&](const LifeSign& sign) {
            return std::string_view{sign.words}.find(part_of_words) != std::string_view::npos;
        });
    };
    if (has("cancel")) {
        key("cancel", "cancel request");
    }
    if (has("outcome, kept")) {
        key("late", "late outcome");
    }
    if (has("start, kept")) {
        key("late", "further start");
    }
    add_what_is_not_drawn(page, parts, found_signs, life.signs.size());
    page.text("EVENT_COUNT_WORDS", grouped(last_seq(parts)));
}

} // namespace pdpp::http
