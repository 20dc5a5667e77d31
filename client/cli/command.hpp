#pragma once
// What the commands share. Each is a function of the session and of its own options that gives the exit code, and
// throws Failure for what it has to say instead; those that go on over an event loop are coroutines.

#include "cli/output.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>

namespace pdpp::cli {

/// What every command is told.
struct Session {
    std::string database; ///< the connection string of --db; empty if libpq's own defaults are to be used
    bool json;            ///< speak JSON: with --json, and where the output is no terminal
};

/// Tells a failure on standard error, and gives its exit code.
int report(const Failure& failure, bool json);

/// Prints on standard output. Throws std::system_error if it cannot be written.
void print(std::string_view text);

/// Throws Failure if the connection string can be that of no database.
void refuse_mistake(const Session& session);

/// Runs `work` on an event loop of its own, if there may be a database to work on (refuse_mistake). What it throws is
/// reported, but for Failure, which is thrown on.
int run_to_end(boost::asio::awaitable<int> work, const Session& session);

} // namespace pdpp::cli
