#include "http/pages/event_rows.hpp"

#include "http/pages/times.hpp"
#include "pq/timeline_cursor.hpp"
#include "run/link.hpp"
#include "text/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace pdpp::http {

namespace json = boost::json;

namespace {

constexpr std::size_t gist_limit = 200;         // characters
constexpr std::size_t small_data = 500;         // bytes
constexpr std::size_t small_data_of_all = 6000; // of one page
constexpr std::size_t name_limit = 200;         // characters
constexpr std::size_t digits_limit = 60;
constexpr std::size_t streams_shown = 50;

/// How far, in words: `1,234 of 5,000`; empty if the event tells no count.
std::string count_words(const ShownEvent& event) {
    const auto shown = [](std::string_view number) { return storable(grouped(number), digits_limit); };
    const auto count = number_at(event, "count");
    const auto total = number_at(event, "total");
    return total   ? fmt::format("{}of {}", count ? shown(*count) + " " : "", shown(*total))
           : count ? shown(*count)
                   : std::string{};
}

std::string progress_words(const ShownEvent& event) {
    std::string words{stream_of(event)};
    for (const std::string& more : {count_words(event), std::string{text_at(event.data, "message")}}) {
        words.append(words.empty() || more.empty() ? "" : " ").append(more);
    }
    return words;
}

/// What a row says of its event in one line.
std::string gist_of(const ShownEvent& event) {
    if (event.type == "run.progress_reported") {
        return progress_words(event);
    }
    std::string words;
    for (const std::string_view key : {"reason", "failure_reason", "failure_message", "message", "outcome",
                                       "requested_by", "controller_id", "deadline_at"}) {
        const auto text = text_at(event.data, key);
        if (!text.empty() && words.find(text) == std::string::npos) {
            words.append(words.empty() ? "" : " · ").append(text);
        }
    }
    return words;
}

std::string_view class_of(std::string_view type) {
    for (const std::string_view ending : {"completed", "failed", "cancelled", "abandoned"}) {
        if (type == fmt::format("run.{}", ending)) {
            return ending;
        }
    }
    if (type == "run.admitted" || type == "run.started") {
        return "step";
    }
    if (type == "run.cancel_requested" || type == "run.late_outcome") {
        return "turn";
    }
    return {};
}

std::string data_url(std::string_view run_id, std::int64_t seq) {
    std::string url{run::timeline_link(run_id).view()};
    url += "?limit=1";
    if (seq > 1) {
        url.append("&cursor=").append(pq::timeline_cursor(run_id, seq - 1));
    }
    return url;
}

std::string size_text(std::size_t bytes) {
    return bytes < 1000 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1000);
}

} // namespace

void add_event_rows(PageValues& page, std::string_view run_id, std::span<const ShownEvent> events, const Room& room) {
    std::size_t shown = 0;
    for (const auto& event : events) {
        auto row = page.add("EVENT");
        row.number("SEQ", event.seq);
        row.text("CLASS", class_of(event.type));
        row.text("TIME", event.occurred_at);
        row.text("TEXT", readable_time(event.occurred_at));
        row.text("TYPE", storable(event.type, room.characters(name_limit)));
        if (const auto gist = gist_of(event); !gist.empty()) {
            row.add("GIST").text("WORDS", storable(gist, room.characters(gist_limit)));
        }
        if (event.data_text == "{}") {
            continue;
        }
        if (event.data_text.size() <= small_data &&
            shown + event.data_text.size() <= room.characters(small_data_of_all)) {
            shown += event.data_text.size();
            row.add("INLINE").text("DATA", event.data_text);
        } else {
            auto apart = row.add("APART");
            apart.text("DATA_URL", data_url(run_id, event.seq));
            apart.text("SIZE", size_text(event.data_text.size()));
        }
    }
}

namespace {

/// The newest event of each stream that tells of its progress, by the streams' names: a stream keeps its place,
/// whichever spoke last. `events` are newest first.
std::vector<const ShownEvent*> newest_of_streams(std::span<const ShownEvent* const> events) {
    std::map<std::string_view, const ShownEvent*> streams;
    for (const auto* const event : events) {
        if (event->type == "run.progress_reported") {
            streams.try_emplace(stream_of(*event), event);
        }
    }
    std::vector<const ShownEvent*> newest;
    newest.reserve(streams.size());
    for (const auto& [name, event] : streams) {
        newest.push_back(event);
    }
    return newest;
}

void add_stream(PageValues& list, const ShownEvent& event, std::int64_t looked_from, const Room& room) {
    auto stream = list.add("STREAM");
    const auto name = stream_of(event);
    stream.text("NAME", name.empty() ? "run" : storable(name, room.characters(name_limit)));
    const auto value_of = [&](std::string_view key) {
        return number_at(event, key) ? event.data.at(key).to_number<double>() : std::nan("");
    };
    const double count = value_of("count");
    const double total = value_of("total");
    if (const auto words = count_words(event); count >= 0 && total > 0 && std::isfinite(total)) {
        auto bar = stream.add("BAR");
        bar.text("COUNT", fmt::format("{}", std::min(count, total)));
        bar.text("TOTAL", fmt::format("{}", total));
        bar.text("COUNT_TEXT", words);
    } else if (!words.empty()) {
        stream.add("COUNTER").text("COUNT_TEXT", words);
    }
    if (const auto message = text_at(event.data, "message"); !message.empty()) {
        stream.add("SAYS").text("MESSAGE", storable(message, room.characters(gist_limit)));
    }
    if (event.seq < looked_from) {
        stream.add("TOLD").number("SEQ", event.seq);
    }
}

} // namespace

void add_progress(PageValues& page, const LookedAt& looked_at, std::string_view more_url, const Room& room) {
    const auto streams = newest_of_streams(looked_at.events);
    if (streams.empty() && looked_at.is_all()) {
        return;
    }
    auto list = page.add("PROGRESS");
    list.text("MORE_URL", more_url);
    const auto shown = std::min(streams.size(), room.rows(streams_shown));
    for (const auto* const event : std::span{streams}.first(shown)) {
        add_stream(list, *event, looked_at.from, room);
    }
    if (shown < streams.size()) {
        list.add("MORE_STREAMS")
            .text("MORE_WORDS", fmt::format("{} of {} streams are shown here.", shown, streams.size()));
    }
    if (!looked_at.is_all()) {
        auto few = list.add("FEW_LOOKED");
        few.text("FEW_WORDS",
                 fmt::format("{} among the newest {} of {} events or the first {}.",
                             streams.empty() ? "No stream spoke" : "Streams that spoke",
                             grouped(looked_at.last - looked_at.from + 1), grouped(looked_at.last), looked_at.first));
    }
}

} // namespace pdpp::http
