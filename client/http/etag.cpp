// Making tags with SHA-256, and comparing them.

#include "http/etag.hpp"

#include "http/base64url.hpp"
#include "http/header_list.hpp"
#include "http/sha256.hpp"

#include <algorithm>

namespace pdpp::http {

std::string entity_tag(std::string_view body) {
    constexpr std::size_t kept = 16;
    const auto digest = sha256(body);
    return '"' + base64url({reinterpret_cast<const char*>(digest.data()), kept}) + '"';
}

bool names_tag(std::string_view if_none_match, std::string_view tag) {
    if (trimmed(if_none_match) == "*")
        return true;
    return std::ranges::any_of(elements_of(if_none_match), [&](std::string_view named) {
        if (named.starts_with("W/"))
            named.remove_prefix(2);
        return named == tag;
    });
}

} // namespace pdpp::http
