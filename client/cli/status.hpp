#pragma once
// `pdpp status RUN`: what a handle resolves to.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_status_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
