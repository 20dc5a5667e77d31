#pragma once
// Paths of this server, as links and redirects have them.

#include "http/syntax/target.hpp"

#include <span>
#include <string>
#include <string_view>

namespace pdpp::http {

/// Whether a browser that is sent to `target` stays with this server: a path, perhaps with a query, in printable ASCII.
/// Not `//host`, nor what browsers read as that: a backslash is a slash to them, and they pass over tabs and line ends.
bool is_local_path(std::string_view target);

/// `text` with all but RFC 3986's unreserved characters percent-encoded: a segment of a path, or a value in a query.
std::string percent_encoded(std::string_view text);

/// `path` with these behind it, but those without a value.
std::string with_query(std::string_view path, std::span<const QueryParameter> query);

} // namespace pdpp::http
