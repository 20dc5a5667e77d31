#pragma once
// The options of `pdpp serve`: from its command line, and from the file of --config, which can be read again.

#include "cli/log.hpp"
#include "http/gateway.hpp"
#include "http/wire/server.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <set>
#include <string>

namespace pdpp::cli {

struct ServeOptions {
    std::string config;
    std::string listen = "127.0.0.1:8080";
    std::string socket_mode = "0660";
    std::string admin; ///< empty: no such listener
    std::string public_url;
    std::size_t pool_size = 4;
    long statement_timeout_ms = 10'000;
    std::size_t status_cache_mb = 64;
    long drain_seconds = 10;
    long wait_limit_s = 60;
    std::chrono::milliseconds keep_alive = std::chrono::seconds(15);
    bool insecure_no_owner = false;
    LogOptions log;
    http::ServerLimits limits;
    std::size_t target_bytes = http::GatewayOptions{}.target_bytes;
};

/// What the command line said, and which options it gave.
struct ServeCommandLine {
    ServeOptions options;
    std::set<std::string> given;
};

/// Defines the options, which then write into `options`.
void add_serve_options(CLI::App& command, ServeOptions& options);

/// The names of the options that a parsed command line gave.
std::set<std::string> given_options(const CLI::App& command);

/// `from_command_line`, with what the file of --config says about the options that are not in `given`. The file holds
/// lines `option = value`, `#` begins a comment. Throws Failure if it cannot be read or says something that the command
/// line could not.
ServeOptions with_config(const ServeOptions& from_command_line, const std::set<std::string>& given);

/// The options that differ and take effect at a start only, as `--listen, --pool`; empty if there are none.
std::string needing_restart(const ServeOptions& running, const ServeOptions& wanted);

} // namespace pdpp::cli
