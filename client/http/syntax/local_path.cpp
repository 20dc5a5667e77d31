// Telling paths of ours from those of others.

#include "http/syntax/local_path.hpp"

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include <algorithm>

namespace pdpp::http {

bool is_local_path(std::string_view target) {
    return target.starts_with('/') && !target.starts_with("//") &&
           std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f' && c != '\\'; });
}

std::string percent_encoded(std::string_view text) {
    return boost::urls::encode(text, boost::urls::unreserved_chars);
}

std::string with_query(std::string_view path, std::span<const QueryParameter> query) {
    std::string url{path};
    char separator = '?';
    for (const auto& [name, value] : query) {
        if (!value.empty()) {
            url.append(1, separator).append(percent_encoded(name)).append("=").append(percent_encoded(value));
            separator = '&';
        }
    }
    return url;
}

} // namespace pdpp::http
