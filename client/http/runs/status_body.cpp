#include "http/runs/status_body.hpp"

#include "run/event.hpp"

#include <cstring>

namespace pdpp::http {

namespace {

/// The string that follows the first `mark`, if it needs no unescaping.
std::string_view string_after(std::string_view body, std::string_view mark) {
    // not find(), which stops to look at each quotation mark
    const auto* const found = static_cast<const char*>(memmem(body.data(), body.size(), mark.data(), mark.size()));
    if (found == nullptr) {
        return {};
    }
    body.remove_prefix(static_cast<std::size_t>(found - body.data()) + mark.size());
    const auto end = body.find('"');
    const auto text = body.substr(0, end);
    return end == std::string_view::npos || text.find('\\') != std::string_view::npos ? std::string_view{} : text;
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

std::string_view timeline_link_in_body(std::string_view body) {
    constexpr std::string_view mark = R"({"links": {"timeline": ")"; // percent-encoded: nothing in it is escaped
    return body.starts_with(mark) ? string_after(body, mark) : std::string_view{};
}

bool is_terminal_status(std::string_view body) {
    return run::outcome_named(status_in_body(body)).has_value();
}

bool is_terminal_timeline(std::string_view body) {
    constexpr std::string_view mark = R"(, "terminal_status": ")"; // the longest key is the last
    const auto found = body.rfind(mark);
    if (found == std::string_view::npos) {
        return false;
    }
    const auto end = body.substr(found + mark.size());
    return end.ends_with(R"("})") && run::outcome_named(end.substr(0, end.size() - 2)).has_value();
}

} // namespace pdpp::http
