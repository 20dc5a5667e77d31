#include "http/verified_sessions.hpp"

#include <openssl/sha.h>

#include <algorithm>

namespace pdpp::http {

VerifiedSessions::Digest VerifiedSessions::digest_of(std::string_view token) {
    Digest digest{};
    SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
    return digest;
}

std::optional<double> VerifiedSessions::expiry_of(std::string_view token) const {
    const auto found = expiries_.find(digest_of(token));
    return found == expiries_.end() ? std::nullopt : std::optional(found->second);
}

void VerifiedSessions::remember(std::string_view token, double expiry) {
    if (expiries_.size() >= limit_) // the one that expires first goes
        expiries_.erase(std::ranges::min_element(expiries_, {}, [](const auto& entry) { return entry.second; }));
    expiries_.insert_or_assign(digest_of(token), expiry);
}

} // namespace pdpp::http
