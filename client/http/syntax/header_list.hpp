#pragma once
// Headers whose value is a comma-separated list (RFC 9110 §5.6.1), such as Accept, If-None-Match and Prefer.

#include "http/wire/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// `text` without the blanks and tabs around it.
std::string_view trimmed(std::string_view text);

/// All lines of the header `name`, which mean the same as one line that joins them; nothing if there is none.
std::optional<std::string> header_list(const Request& request, field name);

/// The elements of a list, trimmed, without the empty ones. Separators in quoted strings do not count. `list` must
/// outlive them.
std::vector<std::string_view> elements_of(std::string_view list, char separator = ',');

} // namespace pdpp::http
