#include "run/link.hpp"

namespace pdpp::run {

namespace {

constexpr bool is_unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

} // namespace

Link self_link(std::string_view run_id) {
    Link link{"/_ref/runs/"};
    for (const char c : run_id) {
        if (is_unreserved(c)) {
            link.append(c);
        } else {
            link.append('%');
            link.append_hex(static_cast<unsigned char>(c), "0123456789ABCDEF");
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
