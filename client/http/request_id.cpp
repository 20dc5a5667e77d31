// Naming requests.

#include "http/request_id.hpp"

#include "pq/random.hpp"

namespace pdpp::http {

bool is_sane_request_id(std::string_view id) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    return !id.empty() && id.size() <= 128 && id.find_first_not_of(allowed) == std::string_view::npos;
}

std::string new_request_id() {
    return "req_" + pq::random_hex(16);
}

std::string request_id_of(const Request& request) {
    const std::string_view sent = request["Request-Id"];
    return is_sane_request_id(sent) ? std::string{sent} : new_request_id();
}

} // namespace pdpp::http
