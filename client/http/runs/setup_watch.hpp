#pragma once
// Whether the database is set up for the gateway: it lets it in, and the role may call what a gateway calls.

#include "pq/pool.hpp"

#include <boost/asio/awaitable.hpp>

namespace pdpp::http {

/// Looks again and again, until the loop ends. What is wrong is logged when it is first seen, once a minute from then
/// on, and when it is over. `pool` must outlive this.
boost::asio::awaitable<void> watch_setup(pq::Pool& pool);

} // namespace pdpp::http
