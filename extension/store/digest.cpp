#include "store/digest.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <array>

namespace pdpp::store {

bytea* sha256(std::string_view bytes) {
    return DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, to_text(bytes)));
}

std::uint64_t sha256_head(std::string_view bytes) {
    const auto* digest = reinterpret_cast<const unsigned char*>(VARDATA_ANY(sha256(bytes)));
    std::uint64_t head = 0;
    for (int i = 0; i < 8; ++i) {
        head = head << 8 | digest[i];
    }
    return head;
}

void fill_with_random(std::span<std::byte> bytes) {
    // The system takes longer to begin than to finish, so it is asked for many at once. No process of a server is
    // forked from one that runs functions: nobody else has these.
    static std::array<std::byte, 512> store;
    static std::size_t used = store.size();
    if (bytes.size() > store.size() - used) {
        if (!pg_strong_random(store.data(), store.size())) {
            ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
        }
        used = 0;
    }
    const std::span taken = std::span{store}.subspan(used, bytes.size());
    std::ranges::copy(taken, bytes.begin());
    std::ranges::fill(taken, std::byte{}); // what was handed out is in one place only
    used += bytes.size();
}

} // namespace pdpp::store
