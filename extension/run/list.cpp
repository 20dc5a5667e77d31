#include "run/list.hpp"

namespace pdpp::run {

namespace {

constexpr std::string_view list_prefix = "rl_";
constexpr std::string_view connection_prefix = "cl_";

/// The text that hex digits spell; nothing for anything else, or more than an id can have.
std::optional<Text<max_id_bytes>> id_in(std::string_view digits) {
    if (digits.size() % 2 != 0 || digits.size() > 2 * max_id_bytes) {
        return {};
    }
    Text<max_id_bytes> id;
    for (; !digits.empty(); digits.remove_prefix(2)) {
        const auto high = hex_value(digits[0]);
        const auto low = hex_value(digits[1]);
        if (!high || !low) {
            return {};
        }
        id.append(static_cast<char>((*high << 4) | *low));
    }
    return id;
}

} // namespace

Check check_list_size(int page_size) {
    if (page_size < 1 || page_size > max_list_size) {
        return Fault{ErrorCode::invalid_request, "page_size", "must be between 1 and 500"};
    }
    return {};
}

Check check_status(std::string_view status) {
    if (status != active && !outcome_named(status)) {
        return Fault{ErrorCode::invalid_request, "status", "must be active, completed, failed, cancelled or abandoned"};
    }
    return {};
}

ListCursorText encode(const ListPosition& position, std::uint64_t tag) {
    ListCursorText text{list_prefix};
    text.append_number(static_cast<std::uint64_t>(position.admitted_at.unix_micros));
    text.append_number(tag);
    for (const char byte : position.run_id) {
        text.append_hex(static_cast<unsigned char>(byte));
    }
    return text;
}

std::optional<ListCursor> decode_list_cursor(std::string_view text) {
    if (text.size() < list_prefix.size() + 32 || !text.starts_with(list_prefix)) {
        return {};
    }
    text.remove_prefix(list_prefix.size());
    const auto admitted_at = number_in(text.substr(0, 16));
    const auto tag = number_in(text.substr(16, 16));
    const auto run_id = id_in(text.substr(32));
    if (!admitted_at || !tag || !run_id || static_cast<std::int64_t>(*admitted_at) < 0) {
        return {};
    }
    return ListCursor{Instant{static_cast<std::int64_t>(*admitted_at)}, *run_id, *tag};
}

ConnectionCursorText encode_connection(std::string_view connector_instance_id, std::uint64_t tag) {
    ConnectionCursorText text{connection_prefix};
    text.append_number(tag);
    for (const char byte : connector_instance_id) {
        text.append_hex(static_cast<unsigned char>(byte));
    }
    return text;
}

std::optional<ConnectionCursor> decode_connection_cursor(std::string_view text) {
    if (text.size() < connection_prefix.size() + 16 || !text.starts_with(connection_prefix)) {
        return {};
    }
    text.remove_prefix(connection_prefix.size());
    const auto tag = number_in(text.substr(0, 16));
    const auto connector_instance_id = id_in(text.substr(16));
    if (!tag || !connector_instance_id) {
        return {};
    }
    return ConnectionCursor{*connector_instance_id, *tag};
}

} // namespace pdpp::run
