#include "http/owner/verified_sessions.hpp"

#include "pq/sha256.hpp"

#include <algorithm>

namespace pdpp::http {

std::optional<double> VerifiedSessions::expiry_of(std::string_view token) const {
    const auto found = expiries_.find(pq::sha256(token));
    return found == expiries_.end() ? std::nullopt : std::optional(found->second);
}

void VerifiedSessions::remember(std::string_view token, double expiry) {
    if (expiries_.size() >= limit_) { // the one that expires first goes
        expiries_.erase(std::ranges::min_element(expiries_, {}, [](const auto& entry) { return entry.second; }));
    }
    expiries_.insert_or_assign(pq::sha256(token), expiry);
}

} // namespace pdpp::http
