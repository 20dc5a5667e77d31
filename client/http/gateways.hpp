#pragma once
// The gateways of a process, one for each loop, and what they have in common: who the owner is, what is heard of runs,
// what is scraped. Each has its share of the connections and of the memory. To be called on the first loop.

#include "http/gateway.hpp"
#include "http/watch/metrics.hpp"
#include "http/wire/loops.hpp"
#include "http/wire/server.hpp"
#include "pq/run_listener.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pdpp::http {

/// The part of `all` that the one of that number has, of so many: the first have what does not divide.
constexpr std::size_t share_of(std::size_t all, std::size_t number, std::size_t count) {
    return all / count + (number < all % count ? 1 : 0);
}

class Gateways : private Database::All {
  public:
    /// `options` are those of the process.
    Gateways(Loops& loops, GatewayOptions options);

    /// What a server serves.
    std::vector<ServingLoop> serving();

    /// Serves those who wait for runs, until the loop ends.
    boost::asio::awaitable<void> follow_runs() { return listener_.listen(); }

    /// Tells in the log what keeps the database from serving, until the loop ends.
    boost::asio::awaitable<void> watch_database() { return gateways_.front()->watch_database(); }

    /// From now on this is the owner's password, unless there is to be none; if it is another one, all sessions have
    /// ended on all loops when this returns. And targets may be so long. Throws if there is no memory for it; then
    /// nothing has changed.
    boost::asio::awaitable<void> reload(std::optional<std::string> password, std::size_t target_bytes);

    ProcessMetrics& process_metrics() noexcept { return process_metrics_; }
    /// The metrics of all as of now, as text.
    boost::asio::awaitable<std::string> metrics_text();

  private:
    boost::asio::awaitable<void> tell(std::uint64_t run_number) override;
    boost::asio::awaitable<std::string> kept_ending(std::string run_id) override;
    boost::asio::awaitable<void> meet_primary(pq::Connection& connection);

    Loops& loops_;
    GatewayOptions options_;
    ProcessMetrics process_metrics_;
    std::vector<std::unique_ptr<Gateway>> gateways_;
    pq::RunListener listener_;
};

} // namespace pdpp::http
