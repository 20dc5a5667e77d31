#pragma once
// Whether the server of `pdpp serve --upstream` is there, by the way that the gateway takes to it.

#include "cli/doctor/finding.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pdpp::cli {

/// Connects as the gateway does, and asks for `/`, of which it reads the head: whatever that is, it is there.
boost::asio::awaitable<Finding> probe_upstream(std::string url);

} // namespace pdpp::cli
