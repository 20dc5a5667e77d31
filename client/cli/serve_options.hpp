#pragma once
// The options of `pdpp serve`, which come from its command line and from the file of --config.

#include "http/gateway.hpp"
#include "http/wire/server.hpp"
#include "log/log.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace pdpp::cli {

struct ServeOptions {
    std::string config;
    std::string listen = "127.0.0.1:8080";
    std::string socket_mode = "0660";
    std::string admin; ///< empty: no such listener
    std::vector<std::string> admin_hosts;
    std::string public_url;
    std::optional<std::size_t> threads;   ///< see threads_of()
    std::optional<std::size_t> pool_size; ///< see pool_size_of()
    long statement_timeout_ms = 10'000;
    std::size_t status_cache_mb = 64;
    long drain_seconds = 10;
    long wait_limit_s = 60;
    std::chrono::milliseconds keep_alive = std::chrono::seconds(15);
    std::string upstream; ///< empty: nothing is handed on
    std::chrono::milliseconds upstream_timeout = http::UpstreamOptions{}.patience;
    bool insecure_no_owner = false;
    log::Options log;
    http::ServerLimits limits;
    std::size_t target_bytes = http::GatewayOptions{}.target_bytes;
};

/// What the command line said, and which options it gave.
struct ServeCommandLine {
    ServeOptions options;
    std::set<std::string> given;
};

/// A thread needs so many connections for all that is promised of them (docs/operating/gateway.md, Limits).
constexpr std::size_t usual_pool_of_thread = 4;
constexpr std::size_t most_threads = 64;

/// How many threads serve: what was asked for; else as many as there are cores to run on, at most four, and no more
/// than leave each the usual connections where their number was given.
std::size_t threads_of(const ServeOptions& options, std::size_t cores);

/// The connections of all threads: what was asked for, else the usual for each.
std::size_t pool_size_of(const ServeOptions& options, std::size_t threads);

/// The cores that this process may run on.
std::size_t usable_cores();

/// The options that differ and take effect at a start only, as `--listen, --pool`; empty if there are none.
std::string needing_restart(const ServeOptions& running, const ServeOptions& wanted);

} // namespace pdpp::cli
