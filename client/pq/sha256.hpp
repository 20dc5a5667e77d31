#pragma once
// SHA-256 by OpenSSL, without looking the algorithm up for each digest: that takes longer than digesting a short text.

#include <array>
#include <string_view>

namespace pdpp::pq {

/// The digest of `text`. Throws std::runtime_error if OpenSSL cannot.
std::array<unsigned char, 32> sha256(std::string_view text);

} // namespace pdpp::pq
