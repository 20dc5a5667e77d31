#pragma once
// application/x-www-form-urlencoded bodies, read as browsers and `curl -d` write them.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::http {

/// The members of a form in order, by the WHATWG URL standard's parser: `+` is a space, %XX a byte, and whatever else
/// stands there (a blank, a lone %, any other character) stands for itself.
std::vector<std::pair<std::string, std::string>> form_members(std::string_view body);

/// The first value of `name` in a form. Nothing if there is no such member.
std::optional<std::string> form_value(std::string_view body, std::string_view name);

} // namespace pdpp::http
