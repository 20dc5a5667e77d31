#pragma once
// SHA-256 and randomness, by the server's own means.

#include "pg.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace pdpp::store {

/// SHA-256 as a bytea in the current memory context.
bytea* sha256(std::string_view bytes);

/// The first eight bytes of SHA-256 as a number, most significant first.
std::uint64_t sha256_head(std::string_view bytes);

/// Bytes nobody can guess, an array or a struct of arrays; raises if the system has none.
template <typename Bytes>
Bytes random_bytes() {
    Bytes bytes{};
    if (!pg_strong_random(&bytes, sizeof(bytes))) {
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
    }
    return bytes;
}

} // namespace pdpp::store
