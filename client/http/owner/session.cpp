// Making and checking session tokens, with OpenSSL.

#include "http/owner/session.hpp"

#include "http/syntax/base64url.hpp"
#include "pq/sha256.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdexcept>

namespace pdpp::http {

namespace json = boost::json;

namespace {

const unsigned char* unsigned_bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::array<unsigned char, 32> derived_key(std::string_view password) {
    constexpr std::string_view salt = "pdpp-owner-session-kdf-v1";
    constexpr std::uint64_t cost = 16384, block_size = 8, parallelization = 1, memory_limit = 64 << 20;
    std::array<unsigned char, 32> key{};
    if (EVP_PBE_scrypt(password.data(), password.size(), unsigned_bytes(salt), salt.size(), cost, block_size,
                       parallelization, memory_limit, key.data(), key.size()) != 1) {
        throw std::runtime_error("the key of the owner's sessions cannot be derived");
    }
    return key;
}

std::int64_t seconds(OwnerSessions::Time time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

} // namespace

bool is_good(double expiry, OwnerSessions::Time now) {
    return expiry > static_cast<double>(seconds(now));
}

OwnerSessions::OwnerSessions(std::string_view password)
    : key_(derived_key(password)), password_digest_(pq::sha256(password)) {}

bool OwnerSessions::is_password(std::string_view candidate) const {
    const auto digest = pq::sha256(candidate);
    return CRYPTO_memcmp(digest.data(), password_digest_.data(), digest.size()) == 0;
}

std::string OwnerSessions::signature_of(std::string_view payload) const {
    Digest mac{};
    unsigned int size = 0;
    if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), unsigned_bytes(payload), payload.size(),
             mac.data(), &size) == nullptr) {
        throw std::runtime_error("a session token cannot be signed");
    }
    return base64url({reinterpret_cast<const char*>(mac.data()), size});
}

std::string OwnerSessions::issue(Time now, std::chrono::seconds lifetime, std::string_view subject) const {
    const json::object claims{{"exp", seconds(now + lifetime)}, {"iat", seconds(now)}, {"sub", subject}};
    const auto payload = base64url(json::serialize(claims));
    return payload + "." + signature_of(payload);
}

std::optional<double> OwnerSessions::expiry_of(std::string_view token) const {
    const auto dot = token.find('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    const auto payload = token.substr(0, dot);
    const auto signature = token.substr(dot + 1);
    const auto expected = signature_of(payload);
    if (signature.size() != expected.size() || CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) != 0) {
        return std::nullopt;
    }

    const auto text = from_base64url(payload);
    boost::system::error_code malformed;
    const auto claims = text ? json::parse(*text, malformed) : json::value{};
    if (malformed || !claims.is_object()) {
        return std::nullopt;
    }
    const auto* const expiry = claims.get_object().if_contains("exp");
    if (expiry == nullptr || !expiry->is_number()) {
        return std::nullopt;
    }
    return expiry->to_number<double>();
}

bool OwnerSessions::accepts(std::string_view token, Time now) const {
    const auto expiry = expiry_of(token);
    return expiry && is_good(*expiry, now);
}

} // namespace pdpp::http
