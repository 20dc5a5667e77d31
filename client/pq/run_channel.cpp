#include "pq/run_channel.hpp"

#include "pq/sha256.hpp"

#include <boost/algorithm/hex.hpp>

#include <iterator>
#include <numeric>

namespace pdpp::pq {

std::string run_digest(std::string_view run_id) {
    const auto digest = sha256(run_id);
    std::string hex;
    boost::algorithm::hex_lower(digest.begin(), digest.begin() + 8, std::back_inserter(hex));
    return hex;
}

std::uint64_t run_number(std::string_view run_id) {
    const auto digest = sha256(run_id);
    return std::accumulate(digest.begin(), digest.begin() + 8, std::uint64_t{0},
                           [](std::uint64_t number, unsigned char byte) { return number << 8 | byte; });
}

boost::asio::awaitable<bool> listen_for_runs(Connection& connection) {
    try {
        co_await connection.listen(run_channel);
    } catch (const Error& error) {
        if (error.sqlstate() != sqlstate::read_only_sql_transaction) {
            throw;
        }
        co_return false;
    }
    co_return true;
}

} // namespace pdpp::pq
