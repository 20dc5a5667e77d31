#pragma once
// Whether a gateway answers where it is to listen.

#include "cli/doctor/finding.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pdpp::cli {

/// `listen` and `admin` are the addresses of `pdpp serve`; an empty one is not asked.
boost::asio::awaitable<Findings> probe_gateway(std::string listen, std::string admin);

} // namespace pdpp::cli
