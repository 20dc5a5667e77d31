#include "pq/run_channel.hpp"

#include <boost/algorithm/hex.hpp>

#include <openssl/sha.h>

#include <array>
#include <iterator>

namespace pdpp::pq {

std::string run_digest(std::string_view run_id) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(run_id.data()), run_id.size(), digest.data());
    std::string hex;
    boost::algorithm::hex_lower(digest.begin(), digest.begin() + 8, std::back_inserter(hex));
    return hex;
}

} // namespace pdpp::pq
