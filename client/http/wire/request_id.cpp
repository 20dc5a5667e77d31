// Naming requests.

#include "http/wire/request_id.hpp"

#include "pq/random.hpp"

#include <boost/algorithm/hex.hpp>

#include <array>
#include <iterator>

namespace pdpp::http {

bool is_sane_request_id(std::string_view id) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    return !id.empty() && id.size() <= 128 && id.find_first_not_of(allowed) == std::string_view::npos;
}

std::string new_request_id() {
    // Asking the generator costs the same for many bytes as for a few; each is used once.
    constexpr std::size_t id_size = 16;
    thread_local std::array<unsigned char, 64 * id_size> bytes{};
    thread_local std::size_t used = bytes.size();
    if (used == bytes.size()) {
        pq::fill_random(bytes);
        used = 0;
    }
    std::string id = "req_";
    boost::algorithm::hex_lower(bytes.begin() + used, bytes.begin() + used + id_size, std::back_inserter(id));
    used += id_size;
    return id;
}

std::string request_id_of(const Request& request) {
    const std::string_view sent = request["Request-Id"];
    return is_sane_request_id(sent) ? std::string{sent} : new_request_id();
}

} // namespace pdpp::http
