#pragma once
// The rules of lists, of runs and of connections: page bounds, the words that filter, cursors.

#include "run/error.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "run/instant.hpp"
#include "run/text.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::run {

inline constexpr int default_list_size = 50;
inline constexpr int max_list_size = 500;

/// invalid_request outside 1…500.
[[nodiscard]] Check check_list_size(int page_size);

/// invalid_request for anything but `active` and the outcomes.
[[nodiscard]] Check check_status(std::string_view status);

/// A place in the order of the list, newest admission first: after all runs that were admitted later, and after those
/// of the same instant with a greater id. A run keeps its place for ever.
struct ListPosition {
    Instant admitted_at;
    std::string_view run_id;
};

/// Where a page ended. The tag shows that a list made it; it is a digest, not a secret: a cursor grants nothing.
struct ListCursor {
    Instant admitted_at;
    Text<max_id_bytes> run_id;
    std::uint64_t tag;

    [[nodiscard]] ListPosition position() const { return {admitted_at, run_id.view()}; }
};

using ListCursorText = Text<3 + 16 + 16 + 2 * max_id_bytes>;

/// Opaque and fit for a URL: `rl_` and hex digits.
[[nodiscard]] ListCursorText encode(const ListPosition& position, std::uint64_t tag);

/// Nothing for a text that encode() cannot have made.
[[nodiscard]] std::optional<ListCursor> decode_list_cursor(std::string_view text);

/// Where a page of connections ended, which are listed in the order of their ids.
struct ConnectionCursor {
    Text<max_id_bytes> connector_instance_id;
    std::uint64_t tag;
};

using ConnectionCursorText = Text<3 + 16 + 2 * max_id_bytes>;

/// Opaque and fit for a URL: `cl_` and hex digits.
[[nodiscard]] ConnectionCursorText encode_connection(std::string_view connector_instance_id, std::uint64_t tag);

/// Nothing for a text that encode_connection() cannot have made.
[[nodiscard]] std::optional<ConnectionCursor> decode_connection_cursor(std::string_view text);

} // namespace pdpp::run
