#include "http/pages/reading.hpp"

#include "http/pages/times.hpp"
#include "pq/body.hpp"
#include "pq/jsonb_text.hpp"

#include <utility>

namespace pdpp::http {

namespace json = boost::json;

namespace {

ShownEvent read_event(std::string_view text) {
    auto body = pq::parse_body(text);
    auto& object = body.get_object();
    ShownEvent event{.type = std::string{text_at(object, "event_type")},
                     .occurred_at = std::string{text_at(object, "occurred_at")},
                     .stream_id = std::string{text_at(object, "stream_id")},
                     .source_kind = std::string{text_at(object, "source_kind")},
                     .data_text = std::string{pq::member_of(text, "data").value_or("{}")},
                     .data = {}};
    if (const auto* const seq = object.if_contains("event_seq"); seq != nullptr && seq->is_int64()) {
        event.seq = seq->get_int64();
    }
    event.millis = millis_of(event.occurred_at).value_or(0);
    if (auto* const data = object.if_contains("data"); data != nullptr && data->is_object()) {
        event.data = std::move(data->get_object());
    }
    return event;
}

} // namespace

std::string_view text_at(const json::object& object, std::string_view key) {
    const auto* const value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string_view{value->get_string()} : std::string_view{};
}

std::string_view stream_of(const ShownEvent& event) {
    const auto named = text_at(event.data, "stream");
    return named.empty() ? std::string_view{event.stream_id} : named;
}

std::optional<std::string> number_at(const ShownEvent& event, std::string_view key) {
    const auto* const value = event.data.if_contains(key);
    if (value == nullptr || !value->is_number()) {
        return std::nullopt;
    }
    return std::string{pq::member_of(event.data_text, key).value_or(std::string_view{})};
}

ShownEvents read_events(std::string_view timeline) {
    ShownEvents read;
    for (const auto event : pq::elements_of(pq::member_of(timeline, "data").value_or("[]"))) {
        read.events.push_back(read_event(event));
    }
    const auto cursor = pq::member_of(timeline, "next_cursor").value_or("null");
    if (cursor.starts_with('"')) {
        read.next_cursor = cursor.substr(1, cursor.size() - 2);
    }
    read.truncated = pq::member_of(timeline, "truncated") == "true";
    read.pruned = pq::member_of(timeline, "pruned") == "true";
    return read;
}

} // namespace pdpp::http
