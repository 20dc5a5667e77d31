// Naming requests.

#include "http/wire/request_id.hpp"

#include "pq/random.hpp"

#include <boost/algorithm/hex.hpp>

#include <algorithm>
#include <array>

namespace pdpp::http {

bool is_sane_request_id(std::string_view id) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    return !id.empty() && id.size() <= 128 && id.find_first_not_of(allowed) == std::string_view::npos;
}

std::string new_request_id() {
    constexpr std::string_view prefix = "req_";
    using Bytes = std::array<unsigned char, 16>;
    // Asking the generator costs the same for many bytes as for a few; each is used once.
    thread_local std::array<Bytes, 64> stock{};
    thread_local std::size_t used = stock.size();
    if (used == stock.size()) {
        pq::fill_random({stock.front().data(), sizeof stock});
        used = 0;
    }
    const auto& bytes = stock.at(used++);
    std::string id(prefix.size() + 2 * bytes.size(), '\0');
    boost::algorithm::hex_lower(bytes, std::ranges::copy(prefix, id.begin()).out);
    return id;
}

std::string request_id_of(const Request& request) {
    const std::string_view sent = request["Request-Id"];
    return is_sane_request_id(sent) ? std::string{sent} : new_request_id();
}

} // namespace pdpp::http
