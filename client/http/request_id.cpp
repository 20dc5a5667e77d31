// Naming requests.

#include "http/request_id.hpp"

#include <boost/algorithm/hex.hpp>

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>

namespace pdpp::http {

bool is_sane_request_id(std::string_view id) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    return !id.empty() && id.size() <= 128 && id.find_first_not_of(allowed) == std::string_view::npos;
}

std::string new_request_id() {
    std::array<unsigned char, 16> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
        throw std::runtime_error("no random bytes for a request id");
    std::string id = "req_";
    boost::algorithm::hex_lower(random, std::back_inserter(id));
    return id;
}

std::string request_id_of(const Request& request) {
    const std::string_view sent = request["Request-Id"];
    return is_sane_request_id(sent) ? std::string{sent} : new_request_id();
}

} // namespace pdpp::http
