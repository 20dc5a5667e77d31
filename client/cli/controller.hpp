#pragma once
// `pdpp controller`: launches the runs of the connections in a file, until it is told to stop.

#include "cli/command.hpp"
#include "log/log.hpp"

#include <boost/asio/ip/host_name.hpp>

#include <cstddef>
#include <string>

namespace pdpp::cli {

struct ControllerOptions {
    std::string connections_file;
    std::string controller_id = boost::asio::ip::host_name();
    std::size_t parallel = 8;
    double drain_seconds = 60;
    bool show_output = false;
    std::string metrics_file; ///< empty: none
    log::Options log;
};

boost::asio::awaitable<int> launch_connections(Session session, ControllerOptions options);

} // namespace pdpp::cli
