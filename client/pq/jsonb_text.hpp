#pragma once
// Taking apart jsonb, and what json_agg makes of it, as PostgreSQL prints them, without reading the values in it:
// whatever comes out has every digit that went in, and a page of megabytes is neither parsed nor copied. Well-formed
// input is taken for granted.

#include <optional>
#include <string_view>
#include <vector>

namespace pdpp::pq {

/// The text of the value of `key`, as it stands in `object` (a string with its quotes); nothing if there is no such
/// member. `key` needs no escapes.
std::optional<std::string_view> member_of(std::string_view object, std::string_view key);

/// The texts of the elements of `array`.
std::vector<std::string_view> elements_of(std::string_view array);

} // namespace pdpp::pq
