#pragma once
// The launch guard where no background worker serves: whoever is connected all the time calls it.

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pdpp::pq {

/// Calls pdpp_reconcile() once a second, for ever, beside a background worker too: a pass that finds nothing to do
/// costs little. It has a connection of its own, named `pdpp guard`, so that a pass that takes long keeps nobody
/// waiting. A database that is away is waited for; a role that may not call it (one with the grant `owner` only) stops
/// trying. Both are logged once.
boost::asio::awaitable<void> keep_reconciling(std::string conninfo);

} // namespace pdpp::pq
