// Telling paths of ours from those of others.

#include "http/syntax/local_path.hpp"

#include <algorithm>

namespace pdpp::http {

bool is_local_path(std::string_view target) {
    return target.starts_with('/') && !target.starts_with("//") &&
           std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f' && c != '\\'; });
}

std::string percent_encoded(std::string_view text) {
    constexpr std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos) {
            encoded += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            encoded += {'%', digits[byte / 16], digits[byte % 16]};
        }
    }
    return encoded;
}

} // namespace pdpp::http
