// Parsing without the parser's own idea of how deep JSON may be.

#include "pq/body.hpp"

#include <boost/json/parse.hpp>

namespace pdpp::pq {

namespace json = boost::json;

json::value parse_body(std::string_view body) {
    json::parse_options options;
    options.max_depth = body.size(); // the parser keeps its place on the heap, and what is nested was stored so
    return json::parse(body, {}, options);
}

std::string string_in(std::string_view body, std::string_view key) {
    const auto value = parse_body(body);
    const auto* const member = value.as_object().if_contains(key);
    return member != nullptr && member->is_string() ? std::string{member->get_string()} : std::string{};
}

} // namespace pdpp::pq
