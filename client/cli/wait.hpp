#pragma once
// `pdpp wait RUN`: stays until a run has ended.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_wait_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
