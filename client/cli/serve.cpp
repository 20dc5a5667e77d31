#include "cli/serve.hpp"

#include "cli/command_line.hpp"
#include "cli/owner_password.hpp"
#include "cli/service_manager.hpp"
#include "http/admin/admin.hpp"
#include "http/admin/readiness.hpp"
#include "http/gateways.hpp"
#include "http/upstream/address.hpp"
#include "http/wire/loops.hpp"
#include "http/wire/server.hpp"
#include "log/log.hpp"
#include "pq/hosts.hpp"
#include "pq/reconcile.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <sys/resource.h>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// Why the gateway does not start: the command line or the environment is wrong.
Failure refusal(std::string message, std::string hint) {
    return {exit_code::usage, "usage", std::move(message), std::move(hint), {}};
}

/// What the system refuses: it may have it a moment later, and a service manager tries again.
Failure cannot_listen(std::string_view option, const std::string& text, const boost::system::system_error& failure) {
    return {exit_code::other_ending,
            "cannot_listen",
            fmt::format("cannot listen on {}: {}", text, failure.code().message()),
            fmt::format("Choose another address with {} HOST:PORT.", option),
            {}};
}

/// Throws Failure.
http::Endpoint endpoint(asio::io_context& loop, std::string_view option, const std::string& text) {
    try {
        return http::parse_endpoint(loop, text);
    } catch (const std::invalid_argument& wrong) {
        throw refusal(fmt::format("{} {}", option, wrong.what()),
                      "Give it as HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, or as unix:/PATH.");
    } catch (const boost::system::system_error& failure) {
        throw cannot_listen(option, text, failure);
    }
}

/// Throws Failure.
http::Listener listener(asio::io_context& loop, std::string_view option, const std::string& text,
                        const std::string& socket_mode) {
    const auto address = endpoint(loop, option, text);
    try {
        return {loop, address, static_cast<mode_t>(std::stoul(socket_mode, nullptr, 8))};
    } catch (const boost::system::system_error& failure) {
        throw cannot_listen(option, text, failure);
    }
}

/// This machine, by the names that need no looking up, by the one that it listens on and by the one that it was given.
http::LocalHosts local_hosts(const ServeOptions& options, const std::optional<http::Origin>& public_origin) {
    std::vector<std::string> more;
    if (!options.listen.starts_with("unix:")) {
        more.push_back(options.listen.substr(0, options.listen.rfind(':')));
    }
    if (public_origin) {
        more.push_back(public_origin->host);
    }
    return http::LocalHosts(std::move(more));
}

/// Whom the admin listener answers; none if no browser reaches it.
std::optional<http::LocalHosts> admin_hosts(const ServeOptions& options, const http::Endpoint& address) {
    if (options.admin.starts_with("unix:")) {
        return std::nullopt;
    }
    auto names = options.admin_hosts;
    names.push_back(options.admin.substr(0, options.admin.rfind(':')));
    const auto url = http::to_string(address); // of the address that a name stands for
    const auto start = url.find("//") + 2;
    names.push_back(url.substr(start, url.rfind(':') - start));
    http::LocalHosts hosts(std::move(names));
    if (hosts.accept("0.0.0.0") || hosts.accept("[::]")) {
        hosts.accept_addresses();
    }
    return hosts;
}

/// Whoever wants no owner is not given the password of a file that happens to be there.
UsualFiles usual_files(const ServeOptions& options) {
    return options.insecure_no_owner ? UsualFiles::left_alone : UsualFiles::looked_for;
}

/// Throws Failure.
http::UpstreamOptions upstream_options(const ServeOptions& options, const std::optional<http::Origin>& public_origin) {
    try {
        return {.address = http::parse_upstream(options.upstream),
                .patience = options.upstream_timeout,
                .scheme = public_origin ? public_origin->scheme : "http"};
    } catch (const std::invalid_argument& wrong) {
        throw refusal(fmt::format("--upstream: {}", wrong.what()),
                      "Give it as http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:3000.");
    }
}

http::GatewayOptions gateway_options(const ServeOptions& options, std::size_t threads, std::string database,
                                     const http::Endpoint& address) {
    const auto password = owner_password(usual_files(options));
    http::GatewayOptions gateway{
        .database = {.conninfo = std::move(database),
                     .pool_size = pool_size_of(options, threads),
                     .statement_timeout = std::chrono::milliseconds(options.statement_timeout_ms),
                     .status_cache_bytes = options.status_cache_mb << 20U},
        .owner = std::make_shared<http::Owner>(password, owner_subject()),
        .hosts = {},
        .public_origin = {},
        .target_bytes = options.target_bytes,
        .follow = {}};
    gateway.follow.wait_limit = std::chrono::seconds(options.wait_limit_s);
    gateway.follow.keep_alive = options.keep_alive;
    if (!password && !options.insecure_no_owner) {
        throw no_owner_password("Have a file made by pdpp init, or set PDPP_OWNER_PASSWORD_FILE to one that holds the "
                                "owner's password, or PDPP_OWNER_PASSWORD to the password. To serve everybody on this "
                                "machine without one, add --insecure-no-owner.");
    }
    if (!password && !http::is_local(address)) {
        throw refusal("--insecure-no-owner is for loopback addresses only",
                      "Listen on 127.0.0.1, [::1] or a unix socket, or give an owner's password: "
                      "PDPP_OWNER_PASSWORD_FILE or PDPP_OWNER_PASSWORD.");
    }
    if (!options.public_url.empty()) {
        gateway.public_origin = http::parse_origin(options.public_url);
        if (!gateway.public_origin) {
            throw refusal(fmt::format("--public-url {} is not the URL of a site", options.public_url),
                          "Give scheme and host, and the port if it is unusual: https://pdpp.example.org");
        }
    }
    if (!options.upstream.empty()) {
        gateway.upstream = upstream_options(options, gateway.public_origin);
    }
    if (!password) {
        gateway.hosts = local_hosts(options, gateway.public_origin);
    }
    return gateway;
}

/// Every connection takes a descriptor: as many as the hard limit allows, rather than the soft one's 1024.
void raise_descriptor_limit(const ServeOptions& options, std::size_t pool_size) {
    const auto wanted =
        static_cast<rlim_t>(options.limits.connections * (options.upstream.empty() ? 1 : 2) + pool_size + 100);
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        log::write(log::Level::warning, "only {} descriptors for --max-connections {}: raise LimitNOFILE or ulimit -n",
                   limit.rlim_cur, options.limits.connections);
    }
}

/// The gateway with its listeners, from the start to the end of the loops. All of it but the serving is done on the
/// first.
class Serving {
  public:
    Serving(http::Loops& loops, const ServeCommandLine& command_line, ServeOptions options, std::string database)
        : loops_(loops), command_line_(command_line), options_(std::move(options)),
          settings_(gateway_options(options_, loops.size(), std::move(database),
                                    endpoint(loop_, "--listen", options_.listen))),
          gateways_(loops, settings_),
          server_(gateways_.serving(), listener(loop_, "--listen", options_.listen, options_.socket_mode),
                  options_.limits),
          readiness_(loop_.get_executor(), settings_.database.conninfo, guard_),
          endings_(loop_.get_executor(), settings_.database.conninfo, gateways_.process_metrics()),
          admin_(readiness_, endings_, [this] { return gateways_.metrics_text(); }) {
        if (!options_.admin.empty()) {
            admin_server_.emplace(loop_, listener(loop_, "--admin", options_.admin, options_.socket_mode), admin_);
            if (auto hosts = admin_hosts(options_, admin_server_->endpoint())) {
                admin_.set_hosts(std::move(*hosts));
            }
        }
    }

    void start() {
        log::set_up(options_.log);
        raise_descriptor_limit(options_, settings_.database.pool_size);
        asio::co_spawn(loop_, obey_signals(), asio::detached);
        server_.start();
        if (settings_.owner->sessions() == nullptr) {
            log::write(log::Level::warning, "no owner's password: everybody on this machine may read every run");
        }
        if (const auto file = owner_password_file(usual_files(options_))) {
            log::write(log::Level::info, "the owner's password is that of {}; a session's token: pdpp token", *file);
        }
        log::write(log::Level::info, "serving by {} thread{}, {} database connections for reads and as many for writes",
                   loops_.size(), loops_.size() == 1 ? "" : "s", settings_.database.pool_size);
        log::write(log::Level::info, "listening on {}", http::to_string(server_.endpoint()));
        if (settings_.upstream) {
            log::write(log::Level::info, "what is not a read of a known run is handed on to {}", options_.upstream);
        }
        if (admin_server_) {
            admin_server_->start();
            log::write(log::Level::info, "admin listening on {}", http::to_string(admin_server_->endpoint()));
            asio::co_spawn(loop_, endings_.count(), asio::detached); // they are counted from now on
        }
        asio::co_spawn(loop_, gateways_.watch_database(), asio::detached);
        asio::co_spawn(loop_, gateways_.follow_runs(), asio::detached);
        asio::co_spawn(loop_, pq::keep_reconciling(primary_, &guard_), asio::detached);
        tell_ready();
    }

  private:
    /// The first SIGINT or SIGTERM lets what is in flight finish, a second one does not.
    asio::awaitable<void> obey_signals() {
        bool draining = false;
        for (;;) {
            const int signal = co_await signals_.async_wait(asio::use_awaitable);
            if (signal == SIGHUP) {
                co_await reload();
            } else if (std::exchange(draining, true)) {
                loops_.stop();
            } else {
                drain();
            }
        }
    }

    void drain() {
        log::write(log::Level::info, "stopping");
        tell_stopping();
        admin_.begin_draining();
        server_.drain(std::chrono::seconds(options_.drain_seconds));
    }

    /// All or nothing: what is wrong leaves everything as it was.
    asio::awaitable<void> reload() {
        tell_reloading();
        try {
            const auto wanted = with_config(command_line_);
            auto password = owner_password(usual_files(wanted));
            co_await gateways_.reload(std::move(password), wanted.target_bytes);
            server_.set_limits(wanted.limits);
            log::set_up(wanted.log);
            options_.log = wanted.log;
            options_.limits = wanted.limits;
            options_.target_bytes = wanted.target_bytes;
            options_.drain_seconds = wanted.drain_seconds;
            log::write(log::Level::info, "reloaded");
            if (const auto names = needing_restart(options_, wanted); !names.empty()) {
                log::write(log::Level::warning, "these take effect at the next start: {}", names);
            }
        } catch (const Failure& failure) {
            log::write(log::Level::error, "not reloaded: {}", failure.message);
        } catch (const std::exception& error) { // no memory for the password's key: the signals are obeyed all the same
            log::write(log::Level::error, "not reloaded: {}", error.what());
        }
        tell_ready();
    }

    http::Loops& loops_;
    asio::io_context& loop_ = loops_.first();
    asio::signal_set signals_{loop_, SIGINT, SIGTERM, SIGHUP};
    const ServeCommandLine& command_line_;
    ServeOptions options_;
    http::GatewayOptions settings_;
    std::string primary_ = pq::to_primary(settings_.database.conninfo);
    pq::GuardHealth guard_;
    http::Gateways gateways_;
    http::Server server_;
    http::Readiness readiness_;
    http::EndingCounts endings_;
    http::Admin admin_;
    std::optional<http::Server> admin_server_;
};

} // namespace

// NOLINTNEXTLINE(performance-unnecessary-value-param): all commands take the same
int serve(Session session, ServeCommandLine command_line) {
    refuse_mistake(session);
    auto options = with_config(command_line);
    http::Loops loops(threads_of(options, usable_cores()));
    Serving serving(loops, command_line, std::move(options), std::move(session.database));
    std::signal(SIGPIPE, SIG_IGN); // whoever reads our log may go away
    serving.start();
    loops.run();
    return exit_code::success;
}

} // namespace pdpp::cli
