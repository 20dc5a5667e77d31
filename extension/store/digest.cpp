#include "store/digest.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <array>

namespace pdpp::store {

bytea* sha256(std::string_view bytes) {
    return DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, to_text(bytes)));
}

std::uint64_t sha256_head(std::string_view bytes) {
    const bytea* made = sha256(bytes); // the macro looks at it twice
    const auto* digest = reinterpret_cast<const unsigned char*>(VARDATA_ANY(made));
    std::uint64_t head = 0;
    for (int i = 0; i < 8; ++i) {
        head = head << 8 | digest[i];
    }
    return head;
}

void fill_with_random(std::span<std::byte> bytes) {
    // The system takes longer to begin than to finish, so it is asked for many at once. A backend forks no other, which
    // would have the same ones.
    static std::array<std::byte, most_random_bytes> stock;
    static std::size_t used = stock.size();
    if (bytes.size() > stock.size() - used) {
        used = stock.size(); // should it fail, what lies there now is nothing to go by
        if (!pg_strong_random(stock.data(), stock.size())) {
            ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
        }
        used = 0;
    }
    const std::span taken = std::span{stock}.subspan(used, bytes.size());
    std::ranges::copy(taken, bytes.begin());
    std::ranges::fill(taken, std::byte{});
    used += bytes.size();
}

} // namespace pdpp::store
