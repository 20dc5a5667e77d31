#pragma once
// `pdpp init`: from a running server to one that serves runs.

#include "cli/command.hpp"

#include <string>

namespace pdpp::cli {

struct InitOptions {
    std::string role; ///< of the gateway; empty: whom the next commands log in as
    bool create_database = false;
    bool dry_run = false;
    bool yes = false; ///< do not ask
};

boost::asio::awaitable<int> init(Session session, InitOptions options);

} // namespace pdpp::cli
