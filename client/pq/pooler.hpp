#pragma once
// Whether there is a pooler between a session and its server, and of what kind.

#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <string>

namespace pdpp::pq {

enum class Pooling {
    none,
    session, ///< a session belongs to one client for as long as that stays
    shared,  ///< several clients are given a session in turn: transaction or statement mode
};

/// A pooler in transaction or statement mode takes a session from a client as soon as that says nothing: another client
/// of the same pool gets it, or this one gets another. One that does neither is taken for one in session mode.
/// `session` was opened to `conninfo`. Throws Error.
boost::asio::awaitable<Pooling> pooling_of(Connection& session, std::string conninfo,
                                           std::chrono::milliseconds connect_timeout,
                                           std::chrono::milliseconds call_timeout);

} // namespace pdpp::pq
