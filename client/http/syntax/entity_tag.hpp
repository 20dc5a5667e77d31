#pragma once
// Entity tags and the requests that name them (RFC 9110 §8.8.3, §13.1).

#include <string>
#include <string_view>

namespace pdpp::http {

/// A strong tag, with its quotes: two bodies that have the same one are the same bytes, but for an accident of one in
/// 2^128. (XXH3: nobody gains by making two bodies that collide, and a digest that resists it takes ten times as long.)
std::string entity_tag(std::string_view body);

enum class TagComparison { weak, strong };

/// Whether the list of a conditional request names `tag`, or is `*`: If-None-Match by the weak comparison (`W/` does
/// not count), If-Match by the strong one (a weak tag is none of ours). What is malformed names nothing.
bool names_tag(std::string_view list, std::string_view tag, TagComparison comparison = TagComparison::weak);

} // namespace pdpp::http
