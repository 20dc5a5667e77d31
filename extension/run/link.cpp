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

Link with_id(std::string_view path, std::string_view id) {
    Link link{path};
    for (const char c : id) {
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

} // namespace

Link self_link(std::string_view run_id) {
    return with_id("/_ref/runs/", run_id);
}

Link timeline_link(std::string_view run_id) {
    Link link = self_link(run_id);
    link.append("/timeline");
    return link;
}

Link start_link(std::string_view connector_instance_id) {
    Link link = with_id("/_ref/connections/", connector_instance_id);
    link.append("/run");
    return link;
}

Link runs_link(std::string_view connector_instance_id) {
    return with_id("/_ref/runs?connector_instance_id=", connector_instance_id);
}

} // namespace pdpp::run
