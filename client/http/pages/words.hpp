#pragma once
// How a status looks beside its word: a shape, never a colour alone.

#include <string>
#include <string_view>

namespace pdpp::http {

/// The shape, as the path of an SVG of 16 by 16.
std::string_view mark_of(std::string_view status);

/// The same as one character, for titles.
std::string_view sign_of(std::string_view status);

/// The name of its icon; `pdpp` for a word that is none.
std::string_view icon_of(std::string_view status);

} // namespace pdpp::http
