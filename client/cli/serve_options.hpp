#pragma once
// The options of `pdpp serve`, which come from its command line and from the file of --config.

#include "http/gateway.hpp"
#include "http/wire/server.hpp"
#include "log/log.hpp"

#include <chrono>
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
    std::size_t pool_size = 4;
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

/// The options that differ and take effect at a start only, as `--listen, --pool`; empty if there are none.
std::string needing_restart(const ServeOptions& running, const ServeOptions& wanted);

} // namespace pdpp::cli
