#include "run/timeline.hpp"

#include <charconv>

namespace pdpp::run {

namespace {

constexpr std::string_view cursor_prefix = "tl_";

void append_hex(CursorText& text, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) {
        text.append_hex(static_cast<unsigned char>(number >> shift));
    }
}

std::optional<std::uint64_t> parse_hex(std::string_view digits) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
        return {};
    }
    return number;
}

} // namespace

Check check_page_size(int page_size) {
    if (page_size < 1 || page_size > max_page_size) {
        return Fault{ErrorCode::invalid_request, "page_size", "must be between 1 and 5000"};
    }
    return {};
}

CursorText encode(const Cursor& cursor) {
    CursorText text{cursor_prefix};
    append_hex(text, static_cast<std::uint64_t>(cursor.event_seq));
    append_hex(text, cursor.tag);
    return text;
}

std::optional<Cursor> decode_cursor(std::string_view text) {
    if (text.size() != cursor_prefix.size() + 32 || !text.starts_with(cursor_prefix)) {
        return {};
    }
    const auto event_seq = parse_hex(text.substr(cursor_prefix.size(), 16));
    const auto tag = parse_hex(text.substr(cursor_prefix.size() + 16));
    if (!event_seq || !tag) {
        return {};
    }
    const Cursor cursor{static_cast<std::int64_t>(*event_seq), *tag};
    // one spelling only: from_chars would also take upper case
    if (cursor.event_seq < 0 || encode(cursor).view() != text) {
        return {};
    }
    return cursor;
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
    return key == "device_code" || key == "user_code" || key == "request_uri";
}

} // namespace pdpp::run
