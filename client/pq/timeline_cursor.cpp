#include "pq/timeline_cursor.hpp"

#include "pq/sha256.hpp"
#include "run/timeline.hpp"

#include <fmt/format.h>

#include <boost/endian/conversion.hpp>

namespace pdpp::pq {

std::string timeline_cursor(std::string_view run_id, std::int64_t event_seq) {
    const auto text = fmt::format("pdpp timeline {} {}", event_seq, run_id);
    const auto digest = sha256(text);
    const auto tag = boost::endian::load_big_u64(digest.data());
    return std::string{run::encode({.event_seq = event_seq, .tag = tag}).view()};
}

} // namespace pdpp::pq
