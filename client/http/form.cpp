// The form parser of the WHATWG URL standard, §5.1.

#include "http/form.hpp"

#include <algorithm>

namespace pdpp::http {

namespace {

/// The value of a hexadecimal digit, or a negative number.
int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

std::string decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool has_two_more = text.size() - i > 2;
        if (text[i] == '+') {
            result.push_back(' ');
        } else if (text[i] == '%' && has_two_more && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            result.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
            i += 2;
        } else {
            result.push_back(text[i]);
        }
    }
    return result;
}

} // namespace

std::optional<std::string> form_value(std::string_view body, std::string_view name) {
    while (!body.empty()) {
        const auto member = body.substr(0, body.find('&'));
        body.remove_prefix(std::min(member.size() + 1, body.size()));
        const auto equals = member.find('=');
        if (!member.empty() && decoded(member.substr(0, equals)) == name)
            return equals == std::string_view::npos ? std::string{} : decoded(member.substr(equals + 1));
    }
    return std::nullopt;
}

} // namespace pdpp::http
