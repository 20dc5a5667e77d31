#pragma once
// `pdpp timeline RUN`: everything that happened to a run, in order.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_timeline_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
