#pragma once
// `pdpp serve`: the HTTP gateway, until it is told to stop.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_serve_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
