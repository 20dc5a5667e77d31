#pragma once
// `pdpp runs`: the runs there are, newest first.

#include "cli/command.hpp"
#include "cli/list.hpp"

#include <optional>
#include <string>

namespace pdpp::cli {

struct RunsOptions {
    std::optional<std::string> status;
    std::optional<std::string> connector_id;
    std::optional<std::string> connector_instance_id;
    std::optional<std::string> retry_of;
    std::optional<std::string> since;
    std::optional<std::string> until;
    ListOptions list;
    bool watch = false;
};

boost::asio::awaitable<int> show_runs(Session session, RunsOptions options);

} // namespace pdpp::cli
