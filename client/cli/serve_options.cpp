#include "cli/serve_options.hpp"

#include <algorithm>
#include <sched.h>
#include <string_view>
#include <thread>

namespace pdpp::cli {

std::size_t threads_of(const ServeOptions& options, std::size_t cores) {
    constexpr std::size_t most_by_default = 4;
    if (options.threads) {
        return *options.threads;
    }
    const auto with_connections = options.pool_size ? *options.pool_size / usual_pool_of_thread : most_by_default;
    return std::max<std::size_t>(std::min({cores, most_by_default, with_connections}), 1);
}

std::size_t pool_size_of(const ServeOptions& options, std::size_t threads) {
    return options.pool_size.value_or(threads * usual_pool_of_thread);
}

std::size_t usable_cores() {
    cpu_set_t allowed; // as of taskset, or of a container
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        return static_cast<std::size_t>(CPU_COUNT(&allowed));
    }
    return std::max(std::thread::hardware_concurrency(), 1U); // more cores than fit in there
}

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
    compare("--threads", running.threads, wanted.threads);
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
