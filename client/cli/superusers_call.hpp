#pragma once
// Calls of functions that pdpp_grant() does not grant: those of `pdpp check` and `pdpp prune`.

#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pdpp::cli {

/// Throws what a failed call of `function`, a name with its argument types, is for the program: a Failure that names
/// the grant if the role may not call it, else `error` itself.
boost::asio::awaitable<void> explain_refusal(pq::Connection& connection, std::string function, pq::Error error);

} // namespace pdpp::cli
