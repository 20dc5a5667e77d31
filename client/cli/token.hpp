#pragma once
// `pdpp token`: a bearer token for the gateway's owner.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_token_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
