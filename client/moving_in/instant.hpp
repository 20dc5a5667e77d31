#pragma once
// Times as the other server writes them: ISO 8601 as text.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::moving_in {

/// Microseconds since 1970; nothing if it is no such time. One without a zone is UTC.
std::optional<std::int64_t> parse_instant(std::string_view text);

/// `2026-08-01T10:00:01.500000Z`
std::string instant_text(std::int64_t unix_micros);

} // namespace pdpp::moving_in
