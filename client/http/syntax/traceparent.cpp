#include "http/syntax/traceparent.hpp"

#include <iterator>

namespace pdpp::http {

namespace {

bool is_hex(std::string_view digits) {
    return digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view digits) {
    return is_hex(digits) && digits.find_first_not_of('0') != std::string_view::npos;
}

} // namespace

std::optional<std::string> trace_id_in(std::string_view traceparent) {
    constexpr std::size_t size = std::string_view{"vv-tttttttttttttttttttttttttttttttt-pppppppppppppppp-ff"}.size();
    if (traceparent.size() < size || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-') {
        return std::nullopt;
    }
    const auto version = traceparent.substr(0, 2);
    const auto trace_id = traceparent.substr(3, 32);
    const auto parent_id = traceparent.substr(36, 16);
    const auto flags = traceparent.substr(53, 2);
    if (!is_hex(version) || version == "ff" || !is_id(trace_id) || !is_id(parent_id) || !is_hex(flags)) {
        return std::nullopt;
    }
    if (traceparent.size() > size && (version == "00" || traceparent[size] != '-')) {
        return std::nullopt;
    }
    return std::string{trace_id};
}

std::optional<std::string> trace_of(const Request& request) {
    const auto [first, last] = request.equal_range("traceparent");
    if (first == last || std::next(first) != last) {
        return std::nullopt;
    }
    return trace_id_in(first->value());
}

} // namespace pdpp::http
