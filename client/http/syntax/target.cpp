// Taking request targets apart, with Boost.URL.

#include "http/syntax/target.hpp"

#include "http/wire/errors.hpp"
#include "http/wire/message.hpp"
#include "text/text.hpp"

#include <boost/url/grammar/alnum_chars.hpp>
#include <boost/url/grammar/lut_chars.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace pdpp::http {

namespace urls = boost::urls;

namespace {

std::string checked(std::string decoded) {
    if (!is_storable(decoded)) {
        throw invalid_request("The request target holds a NUL or is not UTF-8 once decoded.");
    }
    return decoded;
}

/// What a URL cannot hold and people write into queries all the same, such as `{a,b}`: no two readers take it for
/// different things, so it is taken as if it were percent-encoded.
constexpr urls::grammar::lut_chars written_raw{R"("<>[\]^`{|})"};

/// What stands for itself in a path, and a path of nothing else only has to be cut at its slashes. (Dots do not
/// always.)
constexpr auto literal = urls::grammar::alnum_chars + urls::grammar::lut_chars{"-_~/"};

Target cut(std::string_view path) {
    Target target;
    target.segments.reserve(static_cast<std::size_t>(std::ranges::count(path, '/')));
    while (!path.empty()) {
        const auto end = std::min(path.find('/', 1), path.size());
        target.segments.emplace_back(path.substr(1, end - 1));
        path.remove_prefix(end);
    }
    return target;
}

} // namespace

Target parse_target(std::string_view text) {
    if (text.size() > 1 && text.starts_with('/') && !text.starts_with("//") && std::ranges::all_of(text, literal)) {
        return cut(text); // as most are, at a fifth of the cost
    }
    std::string encoded;
    const auto query = std::min(text.find('?'), text.size());
    if (std::ranges::any_of(text.substr(query), written_raw)) {
        encoded = text.substr(0, query);
        for (const char letter : text.substr(query)) {
            encoded += written_raw(letter) ? fmt::format("%{:02X}", letter) : std::string(1, letter);
        }
        text = encoded;
    }
    const auto parsed = urls::parse_origin_form(text);
    if (!parsed) {
        throw invalid_request("The request target is malformed: characters that a URL cannot hold must be "
                              "percent-encoded, each as % and two hexadecimal digits.");
    }
    Target target;
    for (const auto segment : parsed->encoded_segments()) {
        target.segments.push_back(checked(segment.decode()));
    }
    for (const auto parameter : parsed->params()) {
        if (parameter.has_value || !parameter.key.empty()) { // "?" and "&&" hold nothing
            target.query.push_back({checked(parameter.key), checked(parameter.value)});
        }
    }
    return target;
}

} // namespace pdpp::http
