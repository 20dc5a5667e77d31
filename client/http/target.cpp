// Taking request targets apart, with Boost.URL.

#include "http/target.hpp"

#include "http/message.hpp"
#include "http/utf8.hpp"

#include <boost/url/grammar/lut_chars.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace pdpp::http {

namespace urls = boost::urls;

namespace {

std::string checked(std::string decoded) {
    if (!is_text(decoded))
        throw invalid_request("The request target holds a NUL or is not UTF-8 once decoded.");
    return decoded;
}

/// What a URL cannot hold and people write into queries all the same, such as `{a,b}`: no two readers take it for
/// different things.
constexpr urls::grammar::lut_chars written_raw{R"("<>[\]^`{|})"};

/// The same with these characters percent-encoded in the query, as clients should.
std::string with_encoded_query(std::string_view text) {
    const auto query = std::min(text.find('?'), text.size());
    std::string encoded{text.substr(0, query)};
    for (const char letter : text.substr(query)) {
        if (written_raw(letter))
            fmt::format_to(std::back_inserter(encoded), "%{:02X}", letter);
        else
            encoded += letter;
    }
    return encoded;
}

} // namespace

Target parse_target(std::string_view text) {
    const auto encoded = with_encoded_query(text);
    const auto parsed = urls::parse_origin_form(encoded);
    if (!parsed)
        throw invalid_request("The request target is malformed: characters that a URL cannot hold must be "
                              "percent-encoded, each as % and two hexadecimal digits.");
    Target target;
    for (const auto segment : parsed->encoded_segments())
        target.segments.push_back(checked(segment.decode()));
    for (const auto parameter : parsed->params())
        if (parameter.has_value || !parameter.key.empty()) // "?" and "&&" hold nothing
            target.query.push_back({checked(parameter.key), checked(parameter.value)});
    return target;
}

} // namespace pdpp::http
