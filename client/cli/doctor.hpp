#pragma once
// `pdpp doctor`: what is wrong with an installation, and what to do about it.

#include "cli/command.hpp"

#include <string>

namespace pdpp::cli {

struct DoctorOptions {
    std::string role;   ///< the gateway's; empty: whom `pdpp serve` logs in as
    std::string config; ///< of the gateway; empty: it is not asked
};

boost::asio::awaitable<int> doctor(Session session, DoctorOptions options);

} // namespace pdpp::cli
