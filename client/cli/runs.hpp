#pragma once
// `pdpp runs`: the runs there are, newest first.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_runs_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
