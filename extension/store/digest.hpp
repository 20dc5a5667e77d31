#pragma once
// SHA-256 and randomness, by the server's own means.

#include "pg.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pdpp::store {

/// SHA-256 as a bytea in the current memory context.
bytea* sha256(std::string_view bytes);

/// The first eight bytes of SHA-256 as a number, most significant first.
std::uint64_t sha256_head(std::string_view bytes);

/// The most that are asked for at once.
inline constexpr std::size_t most_random_bytes = 512;

/// So many bytes nobody can guess; raises if the system has none.
void fill_with_random(std::span<std::byte> bytes);

/// The same as an array or a struct of arrays.
template <typename Bytes>
Bytes random_bytes() {
    static_assert(sizeof(Bytes) <= most_random_bytes);
    Bytes bytes{};
    fill_with_random(std::as_writable_bytes(std::span{&bytes, 1}));
    return bytes;
}

} // namespace pdpp::store
