#pragma once
// Which database is set up or looked at, for whom, and as whom.

#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pdpp::cli {

struct Destination {
    std::string conninfo; ///< as it was given
    std::string role;     ///< of the gateway
    std::string database;
};

/// What the commands find that are called with the same --db, and whom they log in as: under sudo as the one who called
/// it. `role` is another role for the gateway; empty if it is that one.
Destination destination_of(const std::string& conninfo, const std::string& role);

/// Connects to a database of that server, the primary of several; root as the user that the server runs as, where it is
/// on this machine. The extension need not be there. Throws pq::Error.
boost::asio::awaitable<void> connect(pq::Connection& connection, const Destination& destination, std::string database,
                                     std::string application_name);

} // namespace pdpp::cli
