#pragma once
// Random bytes for ids, from the operating system's generator by way of OpenSSL.

#include <cstddef>
#include <span>
#include <string>

namespace pdpp::pq {

/// Fills `bytes`. Throws std::runtime_error if there are none to be had.
void fill_random(std::span<unsigned char> bytes);

/// `size` random bytes in lower-case hex.
std::string random_hex(std::size_t size);

} // namespace pdpp::pq
