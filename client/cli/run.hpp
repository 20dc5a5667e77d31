#pragma once
// `pdpp run -- COMMAND…`: launches a command as a run, and stays with it to its end.

#include "cli/command.hpp"

#include <optional>
#include <string>
#include <vector>

namespace pdpp::cli {

struct RunOptions {
    std::string connector_id; ///< empty: the command's base name
    std::optional<std::string> connector_instance_id;
    std::optional<double> timeout_seconds;
    std::string working_directory;
    std::string metrics_file;         ///< empty: none
    std::vector<std::string> command; ///< what follows `--` on the command line, word for word; not empty
};

boost::asio::awaitable<int> launch_command(Session session, RunOptions options);

} // namespace pdpp::cli
