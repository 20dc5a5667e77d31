#pragma once
// `pdpp doctor`: what is wrong with an installation, and what to do about it.

#include "cli/command.hpp"

#include <string>

namespace pdpp::cli {

struct DoctorOptions {
    std::string role;     ///< the gateway's; empty: whom `pdpp serve` logs in as
    std::string config;   ///< of the gateway; empty: it is not asked
    std::string upstream; ///< that the gateway hands on to; empty: that of the file
};

boost::asio::awaitable<int> doctor(Session session, DoctorOptions options);

} // namespace pdpp::cli
