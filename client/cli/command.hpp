#pragma once
// What the subcommands share: the options of the program as a whole, and running a coroutine to its end with every
// error turned into words and an exit code.

#include "cli/output.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace pdpp::cli {

/// What the chosen subcommand does; gives the exit code.
using Action = std::function<int()>;

/// The connection string of --db; empty if libpq's own defaults are to be used.
std::string conninfo(const CLI::App& app);

/// Whether to speak JSON on `descriptor`: with --json, and wherever it is not a terminal.
bool wants_json(const CLI::App& app, int descriptor);

/// Tells a failure on standard error, and gives its exit code.
int report(const Failure& failure, bool json);

/// Prints on standard output. Throws std::system_error if it cannot be written.
void print(std::string_view text);

/// Runs `work` on an event loop of its own. What it throws is reported.
int run_to_end(boost::asio::awaitable<int> work, bool json);

} // namespace pdpp::cli
