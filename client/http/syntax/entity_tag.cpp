// Making tags with XXH3, and comparing them.

#include "http/syntax/entity_tag.hpp"

#include "http/syntax/base64url.hpp"
#include "http/syntax/header_list.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace pdpp::http {

std::string entity_tag(std::string_view body) {
    XXH128_canonical_t digest;
    XXH128_canonicalFromHash(&digest, XXH3_128bits(body.data(), body.size()));
    return '"' + base64url({reinterpret_cast<const char*>(digest.digest), sizeof digest.digest}) + '"';
}

bool names_tag(std::string_view list, std::string_view tag, TagComparison comparison) {
    if (trimmed(list) == "*") {
        return true;
    }
    return std::ranges::any_of(elements_of(list), [&](std::string_view named) {
        if (comparison == TagComparison::weak && named.starts_with("W/")) {
            named.remove_prefix(2);
        }
        return named == tag;
    });
}

} // namespace pdpp::http
