#pragma once
// The launch guard where no background worker serves: whoever is connected all the time calls it.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>
#include <string>

namespace pdpp::pq {

/// How keep_reconciling() fares.
struct GuardHealth {
    bool permitted = true;                                          ///< not refused for want of privilege
    std::optional<boost::asio::steady_timer::time_point> last_pass; ///< that succeeded
};

/// Calls pdpp_reconcile() once a second, for ever, beside a background worker too: a pass that finds nothing to do
/// costs little. It has a connection of its own, named `pdpp guard`, so that a pass that takes long keeps nobody
/// waiting. A database that is away is waited for; a role that may not call it (one with the grant `owner` only) stops
/// trying and closes the connection. Both are logged once. `health`, if given, is kept up to date.
boost::asio::awaitable<void> keep_reconciling(std::string conninfo, GuardHealth* health = nullptr);

} // namespace pdpp::pq
