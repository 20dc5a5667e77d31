#pragma once
// Entity tags and the requests that name them (RFC 9110 §8.8.3, §13.1.2).

#include <string>
#include <string_view>

namespace pdpp::http {

/// A strong tag, with its quotes: two bodies that have the same one are the same bytes, but for an accident of one in
/// 2^128. (XXH3: nobody gains by making two bodies that collide, and a digest that resists it takes ten times as long.)
std::string entity_tag(std::string_view body);

/// Whether If-None-Match names `tag`, by the weak comparison that it asks for (`W/` does not count), or is `*`. What is
/// malformed names nothing.
bool names_tag(std::string_view if_none_match, std::string_view tag);

} // namespace pdpp::http
