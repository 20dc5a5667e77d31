#pragma once
// Messages: bounded where they are stored, one line where they are logged.

#include "run/text.hpp"

#include <cstddef>
#include <string_view>

namespace pdpp::run {

inline constexpr std::size_t max_message_characters = 500;

/// Room for 500 characters of UTF-8 and the ellipsis.
using Message = Text<4 * max_message_characters + 3>;

/// The message itself, or the first 500 characters and `…`. UTF-8; a character is never split.
[[nodiscard]] Message bounded_message(std::string_view message);

/// A control character grows to six bytes (`\u001b`).
using LogText = Text<6 * (max_message_characters + 1)>;

/// For a log line: control characters (C0, DEL, C1) and backslashes escaped as in JSON, so that nobody's message can
/// start a line of its own. Give it something bounded: an id or a bounded_message.
[[nodiscard]] LogText log_text(std::string_view text);

/// The same for the value of a `key=value` pair: spaces are escaped too, so that an id cannot forge the next pair.
[[nodiscard]] LogText log_word(std::string_view text);

} // namespace pdpp::run
