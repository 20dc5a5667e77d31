// Naming requests.

#include "http/wire/request_id.hpp"

#include "pq/random.hpp"

#include <fmt/compile.h>

#include <array>
#include <cstdint>

namespace pdpp::http {

bool is_sane_request_id(std::string_view id) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    return !id.empty() && id.size() <= 128 && id.find_first_not_of(allowed) == std::string_view::npos;
}

std::string new_request_id() {
    using Number = std::array<std::uint64_t, 2>;
    // Asking the generator costs the same for many bytes as for a few; each is used once.
    thread_local std::array<Number, 64> numbers{};
    thread_local std::size_t used = numbers.size();
    if (used == numbers.size()) {
        pq::fill_random({reinterpret_cast<unsigned char*>(numbers.data()), sizeof numbers});
        used = 0;
    }
    const auto [high, low] = numbers.at(used++);
    std::string id(std::string_view{"req_"}.size() + std::size_t{2} * 16, '\0');
    fmt::format_to(id.data(), FMT_COMPILE("req_{:016x}{:016x}"), high, low);
    return id;
}

std::string request_id_of(const Request& request) {
    const std::string_view sent = request["Request-Id"];
    return is_sane_request_id(sent) ? std::string{sent} : new_request_id();
}

} // namespace pdpp::http
