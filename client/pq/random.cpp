#include "pq/random.hpp"

#include <boost/algorithm/hex.hpp>

#include <openssl/rand.h>

#include <iterator>
#include <stdexcept>
#include <vector>

namespace pdpp::pq {

void fill_random(std::span<unsigned char> bytes) {
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        throw std::runtime_error("the operating system gave no random bytes");
    }
}

std::string random_hex(std::size_t size) {
    std::vector<unsigned char> bytes(size);
    fill_random(bytes);
    std::string text;
    boost::algorithm::hex_lower(bytes, std::back_inserter(text));
    return text;
}

} // namespace pdpp::pq
