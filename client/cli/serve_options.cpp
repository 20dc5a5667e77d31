#include "cli/serve_options.hpp"

#include <string_view>

namespace pdpp::cli {

std::string needing_restart(const ServeOptions& running, const ServeOptions& wanted) {
    std::string names;
    const auto compare = [&](std::string_view name, const auto& ours, const auto& theirs) {
        if (ours != theirs) {
            names.append(names.empty() ? "" : ", ").append(name);
        }
    };
    compare("--listen", running.listen, wanted.listen);
    compare("--socket-mode", running.socket_mode, wanted.socket_mode);
    compare("--admin", running.admin, wanted.admin);
    compare("--admin-host", running.admin_hosts, wanted.admin_hosts);
    compare("--public-url", running.public_url, wanted.public_url);
    compare("--pool", running.pool_size, wanted.pool_size);
    compare("--statement-timeout", running.statement_timeout_ms, wanted.statement_timeout_ms);
    compare("--status-cache", running.status_cache_mb, wanted.status_cache_mb);
    compare("--wait-limit", running.wait_limit_s, wanted.wait_limit_s);
    compare("--keep-alive", running.keep_alive, wanted.keep_alive);
    compare("--upstream", running.upstream, wanted.upstream);
    compare("--upstream-timeout", running.upstream_timeout, wanted.upstream_timeout);
    compare("--insecure-no-owner", running.insecure_no_owner, wanted.insecure_no_owner);
    return names;
}

} // namespace pdpp::cli
