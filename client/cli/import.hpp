#pragma once
// `pdpp import`: the runs that another server recorded.

#include "cli/command.hpp"

#include <string>

namespace pdpp::cli {

struct MoveInOptions {
    std::string from; ///< `postgres:CONNINFO` or `sqlite:PATH`
    bool dry_run = false;
    bool follow = false;
    bool adjudicate = false;
    bool source_is_stopped = false;
};

boost::asio::awaitable<int> import_runs(Session session, MoveInOptions options);

} // namespace pdpp::cli
