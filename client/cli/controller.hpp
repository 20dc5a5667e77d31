#pragma once
// `pdpp controller`: launches the runs of the connections in a file, until it is told to stop.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_controller_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
