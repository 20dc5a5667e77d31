#include "http/owner/verified_sessions.hpp"

#include "pq/random.hpp"

#include <openssl/crypto.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace pdpp::http {

namespace {

std::uint64_t random_number() {
    std::uint64_t number = 0;
    pq::fill_random({reinterpret_cast<unsigned char*>(&number), sizeof number});
    return number;
}

} // namespace

std::size_t VerifiedSessions::Hash::operator()(std::string_view token) const noexcept {
    return XXH3_64bits_withSeed(token.data(), token.size(), secret);
}

bool VerifiedSessions::IsSame::operator()(std::string_view left, std::string_view right) const noexcept {
    return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

VerifiedSessions::VerifiedSessions(std::size_t limit) : limit_(limit), expiries_(0, Hash{random_number()}) {}

std::optional<double> VerifiedSessions::expiry_of(std::string_view token) const {
    const auto found = expiries_.find(token);
    return found == expiries_.end() ? std::nullopt : std::optional(found->second);
}

void VerifiedSessions::remember(std::string_view token, double expiry) {
    if (expiries_.size() >= limit_) { // the one that expires first goes
        expiries_.erase(std::ranges::min_element(expiries_, {}, [](const auto& entry) { return entry.second; }));
    }
    expiries_.insert_or_assign(std::string{token}, expiry);
}

} // namespace pdpp::http
