// The form parser of the WHATWG URL standard, §5.1.

#include "http/syntax/form.hpp"

#include <algorithm>

namespace pdpp::http {

namespace {

/// The value of a hexadecimal digit, or a negative number.
int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
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

std::vector<std::pair<std::string, std::string>> form_members(std::string_view body) {
    std::vector<std::pair<std::string, std::string>> members;
    while (!body.empty()) {
        const auto member = body.substr(0, body.find('&'));
        body.remove_prefix(std::min(member.size() + 1, body.size()));
        const auto equals = std::min(member.find('='), member.size());
        if (!member.empty()) {
            members.emplace_back(decoded(member.substr(0, equals)),
                                 decoded(member.substr(std::min(equals + 1, member.size()))));
        }
    }
    return members;
}

std::optional<std::string> form_value(std::string_view body, std::string_view name) {
    auto members = form_members(body);
    const auto found = std::ranges::find(members, name, &std::pair<std::string, std::string>::first);
    return found == members.end() ? std::nullopt : std::optional{std::move(found->second)};
}

} // namespace pdpp::http
