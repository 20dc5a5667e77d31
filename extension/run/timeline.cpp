#include "run/timeline.hpp"

#include <algorithm>

namespace pdpp::run {

namespace {

constexpr std::string_view timeline_prefix = "tl_";

} // namespace

Check check_page_size(int page_size) {
    if (page_size < 1 || page_size > max_page_size) {
        return Fault{ErrorCode::invalid_request, "page_size", "must be between 1 and 5000"};
    }
    return {};
}

CursorText encode(const Cursor& cursor) {
    CursorText text{timeline_prefix};
    text.append_number(static_cast<std::uint64_t>(cursor.event_seq));
    text.append_number(cursor.tag);
    return text;
}

std::optional<Cursor> decode_cursor(std::string_view text) {
    if (text.size() != timeline_prefix.size() + 32 || !text.starts_with(timeline_prefix)) {
        return {};
    }
    const auto event_seq = number_in(text.substr(timeline_prefix.size(), 16));
    const auto tag = number_in(text.substr(timeline_prefix.size() + 16));
    if (!event_seq || !tag || static_cast<std::int64_t>(*event_seq) < 0) {
        return {};
    }
    return Cursor{static_cast<std::int64_t>(*event_seq), *tag};
}

std::optional<std::string_view> redacted_object_id(std::string_view object_type) {
    if (object_type == "token") {
        return "<redacted-token-id>";
    }
    if (object_type == "pending_consent" || object_type == "owner_device_auth") {
        return "<redacted-device-code>";
    }
    return {};
}

bool is_bearer_key(std::string_view key) {
    return std::ranges::find(bearer_keys, key) != bearer_keys.end();
}

} // namespace pdpp::run
