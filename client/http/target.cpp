// Taking request targets apart, with Boost.URL.

#include "http/target.hpp"

#include "http/message.hpp"
#include "http/utf8.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace pdpp::http {

namespace urls = boost::urls;

namespace {

std::string checked(std::string decoded) {
    if (!is_text(decoded))
        throw invalid_request("The request target holds a NUL or is not UTF-8 once decoded.");
    return decoded;
}

} // namespace

Target parse_target(std::string_view text) {
    const auto parsed = urls::parse_origin_form(text);
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
