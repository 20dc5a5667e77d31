#include "http/status_body.hpp"

namespace pdpp::http {

namespace {

/// The string that follows the first `mark`, if it needs no unescaping.
std::string_view string_after(std::string_view body, std::string_view mark) {
    const auto found = body.find(mark);
    if (found == std::string_view::npos)
        return {};
    body.remove_prefix(found + mark.size());
    const auto end = body.find_first_of("\"\\");
    if (end == std::string_view::npos || body[end] != '"')
        return {};
    return body.substr(0, end);
}

} // namespace

std::string_view status_in_body(std::string_view body) {
    return string_after(body, R"("status": ")");
}

std::string_view run_id_in_body(std::string_view body) {
    return string_after(body, R"("run_id": ")");
}

std::string_view trace_id_in_body(std::string_view body) {
    return string_after(body, R"("trace_id": ")");
}

} // namespace pdpp::http
