#include "run/link.hpp"

#include <array>

namespace pdpp::run {

namespace {

/// RFC 3986, 2.3, by byte.
constexpr auto is_unreserved = [] {
    std::array<bool, 256> unreserved{};
    for (const char c : std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"}) {
        unreserved[static_cast<unsigned char>(c)] = true;
    }
    return unreserved;
}();

} // namespace

Link self_link(std::string_view run_id) {
    Link link{"/_ref/runs/"};
    for (const char c : run_id) {
        const auto byte = static_cast<unsigned char>(c);
        if (is_unreserved[byte]) {
            link.append(c);
        } else {
            link.append('%');
            link.append_hex(byte, "0123456789ABCDEF");
        }
    }
    return link;
}

Link timeline_link(std::string_view run_id) {
    Link link = self_link(run_id);
    link.append("/timeline");
    return link;
}

} // namespace pdpp::run
