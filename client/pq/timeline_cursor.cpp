#include "pq/timeline_cursor.hpp"

#include "run/timeline.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <boost/endian/conversion.hpp>

#include <array>

namespace pdpp::pq {

std::string timeline_cursor(std::string_view run_id, std::int64_t event_seq) {
    const auto text = fmt::format("pdpp timeline {} {}", event_seq, run_id);
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    const auto tag = boost::endian::load_big_u64(digest.data());
    return std::string{run::encode({.event_seq = event_seq, .tag = tag}).view()};
}

} // namespace pdpp::pq
