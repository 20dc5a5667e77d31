#include "store/digest.hpp"

#include "boundary.hpp"

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

} // namespace pdpp::store
