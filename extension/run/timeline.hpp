#pragma once
// The timeline's rules: page bounds, cursors, and what is never served.

#include "run/error.hpp"
#include "run/text.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::run {

inline constexpr int default_page_size = 2000;
inline constexpr int max_page_size = 5000;
inline constexpr std::size_t max_page_bytes = std::size_t{4} * 1024 * 1024;

/// invalid_request outside 1…5000.
[[nodiscard]] Check check_page_size(int page_size);

/// Where a page ended. Since sequence numbers are assigned in commit order, whatever commits later comes after it.
/// The tag ties the position to its run. It is a digest, not a secret: a cursor grants nothing.
struct Cursor {
    std::int64_t event_seq;
    std::uint64_t tag;
    friend bool operator==(const Cursor&, const Cursor&) = default;
};

using CursorText = Text<3 + 16 + 16>;

/// Opaque and fit for a URL: `tl_` and 32 hex digits.
[[nodiscard]] CursorText encode(const Cursor& cursor);

/// Nothing for a text that encode() cannot have made.
[[nodiscard]] std::optional<Cursor> decode_cursor(std::string_view text);

/// What stands in place of the object id of an object that is itself a credential; nothing for other objects.
[[nodiscard]] std::optional<std::string_view> redacted_object_id(std::string_view object_type);

/// The keys of an event's data whose values are credentials, at any depth.
inline constexpr std::array<std::string_view, 3> bearer_keys{"device_code", "user_code", "request_uri"};
[[nodiscard]] bool is_bearer_key(std::string_view key);

inline constexpr std::string_view redacted_bearer = "<redacted-bearer>";

} // namespace pdpp::run
