#pragma once
// `pdpp prune`: retention, batch after batch.

#include "cli/command.hpp"

namespace pdpp::cli {

void add_prune_command(CLI::App& app, Action& action);

} // namespace pdpp::cli
