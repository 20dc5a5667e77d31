#pragma once
// `pdpp now CONNECTION` and `pdpp cancel RUN`: a run is asked for, and asked to end. Whoever launches it is another
// process.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_now_command(CLI::App& app, Action& action);
void add_cancel_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
