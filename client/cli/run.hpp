#pragma once
// `pdpp run -- COMMAND…`: launches a command as a run, and stays with it to its end.

#include "cli/command.hpp"

#include <string>
#include <vector>

namespace pdpp::cli {

/// `child` is what follows `--` on the command line, word for word.
void add_run_command(CLI::App& app, Action& action, const std::vector<std::string>& child);

} // namespace pdpp::cli
