#include "http/pages/event_rows.hpp"

#include "http/pages/times.hpp"
#include "pq/timeline_cursor.hpp"
#include "run/link.hpp"
#include "text/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace pdpp::http {

namespace json = boost::json;

namespace {

constexpr std::size_t gist_limit = 200;         // characters
constexpr std::size_t small_data = 500;         // bytes
constexpr std::size_t small_data_of_all = 6000; // of one page
constexpr std::size_t streams_shown = 30;

std::optional<std::int64_t> count_at(const json::object& data, std::string_view key) {
    const auto* const value = data.if_contains(key);
    return value != nullptr && value->is_int64() && value->get_int64() >= 0 ? std::optional(value->get_int64())
                                                                            : std::nullopt;
}

std::string progress_words(const json::object& data) {
    std::string words{text_at(data, "stream")};
    const auto add = [&](std::string_view more) {
        words.append(words.empty() || more.empty() ? "" : " ").append(more);
    };
    const auto count = count_at(data, "count");
    const auto total = count_at(data, "total");
    if (count) {
        add(total ? fmt::format("{} of {}", grouped(*count), grouped(*total)) : grouped(*count));
    }
    add(text_at(data, "message"));
    return words;
}

/// What a row says of its event in one line.
std::string gist_of(const ShownEvent& event) {
    if (event.type == "run.progress_reported") {
        return progress_words(event.data);
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

void add_event_rows(PageValues& page, std::string_view run_id, std::span<const ShownEvent> events) {
    std::size_t shown = 0;
    for (const auto& event : events) {
        auto row = page.add("EVENT");
        row.number("SEQ", event.seq);
        row.text("CLASS", class_of(event.type));
        row.text("TIME", event.occurred_at);
        row.text("TEXT", readable_time(event.occurred_at));
        row.text("TYPE", event.type);
        if (const auto gist = gist_of(event); !gist.empty()) {
            row.add("GIST").text("WORDS", storable(gist, gist_limit));
        }
        if (event.data_text == "{}") {
            continue;
        }
        if (event.data_text.size() <= small_data && shown + event.data_text.size() <= small_data_of_all) {
            shown += event.data_text.size();
            row.add("INLINE").text("DATA", event.data_text);
        } else {
            auto apart = row.add("APART");
            apart.text("DATA_URL", data_url(run_id, event.seq));
            apart.text("SIZE", size_text(event.data_text.size()));
        }
    }
}

void add_progress(PageValues& page, std::span<const ShownEvent> events) {
    std::vector<const ShownEvent*> streams;
    for (const auto& event : events) {
        const auto is_same = [&](const ShownEvent* other) {
            return text_at(other->data, "stream") == text_at(event.data, "stream");
        };
        if (event.type == "run.progress_reported" && std::ranges::none_of(streams, is_same)) {
            streams.push_back(&event);
        }
    }
    if (streams.empty()) {
        return;
    }
    // a stream keeps its place, whichever spoke last
    std::ranges::sort(streams, {}, [](const ShownEvent* event) { return text_at(event->data, "stream"); });
    streams.resize(std::min(streams.size(), streams_shown));
    auto list = page.add("PROGRESS");
    for (const auto* const event : streams) {
        auto stream = list.add("STREAM");
        const auto name = text_at(event->data, "stream");
        stream.text("NAME", name.empty() ? "run" : name);
        const auto count = count_at(event->data, "count");
        const auto total = count_at(event->data, "total");
        if (count && total && *total > 0) {
            auto bar = stream.add("BAR");
            bar.number("COUNT", std::min(*count, *total));
            bar.number("TOTAL", *total);
            bar.text("COUNT_TEXT", grouped(*count));
            bar.text("TOTAL_TEXT", grouped(*total));
        } else if (count) {
            stream.add("COUNTER").text("COUNT_TEXT", grouped(*count));
        }
        if (const auto message = text_at(event->data, "message"); !message.empty()) {
            stream.add("SAYS").text("MESSAGE", storable(message, gist_limit));
        }
    }
}

} // namespace pdpp::http
