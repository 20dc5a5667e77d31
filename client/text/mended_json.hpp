#pragma once
// JSON that a strict parser refuses, and everybody understands.

#include <string>
#include <string_view>

namespace pdpp {

/// `text` with what a strict parser refuses and everybody understands put right: within strings raw control characters
/// are escaped, and what is no UTF-8 and no UTF-16 (half of a surrogate pair, escaped) becomes U+FFFD. NUL is left out.
/// Whatever else is wrong stays so.
std::string mended_json(std::string_view text);

/// The same of a piece of a text, which ends with a whole character: whether it begins, and then whether it ends,
/// within a string.
std::string mended_json(std::string_view piece, bool& in_string);

} // namespace pdpp
