#pragma once
// `pdpp check`: what must hold for every run and does not.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_check_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
