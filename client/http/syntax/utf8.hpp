#pragma once
// What counts as text: the strings that PostgreSQL accepts in a UTF-8 database.

#include <string_view>

namespace pdpp::http {

/// True for well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF) without U+0000.
bool is_text(std::string_view bytes);

} // namespace pdpp::http
