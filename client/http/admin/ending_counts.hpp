#pragma once
// What the metrics know from the database: how runs end, which it counts in windows of time that lose none and count
// none twice, and how full its queue of notifications is.

#include "http/watch/metrics.hpp"
#include "pq/pool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

class EndingCounts {
  public:
    /// Asks the primary among the hosts of `conninfo`: a standby cannot say which endings are still to come.
    EndingCounts(const boost::asio::any_io_executor& executor, const std::string& conninfo, ProcessMetrics& metrics);

    /// Adds the endings since the last call to the metrics; the first call finds out where to begin. Asks over a
    /// connection of its own, window after window until it has all, and waits for half a second at most: what comes
    /// later is added then. While a call is at work no other is made, and one that fails leaves the rest to the next;
    /// that is logged once.
    boost::asio::awaitable<void> count();

  private:
    boost::asio::awaitable<void> ask_and_add();
    boost::asio::awaitable<std::string> ask();
    bool add(std::string_view body); ///< whether there is more to ask for

    pq::Pool connection_;
    ProcessMetrics& metrics_;
    std::optional<std::string> since_; ///< where the next window begins, as the database said it
    bool asking_ = false;
    bool failing_ = false;
};

} // namespace pdpp::http
