#include "pq/run_channel.hpp"

#include <boost/algorithm/hex.hpp>

#include <openssl/sha.h>

#include <array>
#include <iterator>

namespace pdpp::pq {

std::string run_digest(std::string_view run_id) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(run_id.data()), run_id.size(), digest.data());
    std::string hex;
    boost::algorithm::hex_lower(digest.begin(), digest.begin() + 8, std::back_inserter(hex));
    return hex;
}

boost::asio::awaitable<bool> listen_for_runs(Connection& connection) {
    constexpr auto read_only_sql_transaction = "25006";
    try {
        co_await connection.listen(run_channel);
    } catch (const Error& error) {
        if (error.sqlstate() != read_only_sql_transaction)
            throw;
        co_return false;
    }
    co_return true;
}

} // namespace pdpp::pq
