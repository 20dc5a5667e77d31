#pragma once
// The request target taken apart: path segments and query parameters, percent-decoded exactly once. Splitting comes
// before decoding, so a segment may contain slashes, and `.` and `..` are segments like any other.

#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

struct QueryParameter {
    std::string name;
    std::string value; ///< empty if there was no `=`
};

struct Target {
    std::vector<std::string> segments; ///< of "/a/b%2Fc": "a", "b/c"; of "/": none
    std::vector<QueryParameter> query; ///< in order; `+` means a space, as in forms
};

/// Reads an origin-form target. Throws Refusal 400 `invalid_request` if it is malformed, or decodes to a NUL or to what
/// is not UTF-8.
Target parse_target(std::string_view target);

} // namespace pdpp::http
