#include "cli/controller.hpp"

#include "cli/metrics_file.hpp"
#include "cli/service_manager.hpp"
#include "controller/controller.hpp"
#include "log/log.hpp"
#include "pq/first_of.hpp"
#include "pq/reconcile.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// The file's connections, less what connectors must not inherit: the credentials of this process. A connection that
/// needs one of these names has it in its `env`. Throws ConnectionsError.
controller::Connections connections_in(const std::string& path) {
    auto connections = controller::read_connections(path);
    for (auto& [id, setup] : connections) {
        for (const auto* const name : {"PGPASSWORD", "PDPP_OWNER_PASSWORD"}) {
            setup.command.environment.try_emplace(name, std::nullopt);
        }
    }
    return connections;
}

/// At the start, when nothing goes on without them. Throws Failure.
controller::Connections first_connections(const std::string& path) {
    try {
        return connections_in(path);
    } catch (const controller::ConnectionsError& error) {
        throw Failure{exit_code::usage, "usage", error.what(), "See: pdpp controller --help", {}};
    }
}

void reload(controller::Controller& controller, const std::string& path) {
    try {
        controller.reload(connections_in(path));
    } catch (const controller::ConnectionsError& error) {
        log::write(log::Level::error, "the connections stay as they were: {}", error.what());
    }
}

/// Never returns by itself.
asio::awaitable<void> obey_signals(controller::Controller& controller, asio::signal_set& signals, std::string path) {
    for (;;) {
        const int signal = co_await signals.async_wait(asio::use_awaitable);
        if (signal == SIGHUP) {
            tell_reloading();
            reload(controller, path);
            tell_ready();
        } else {
            tell_stopping();
            controller.drain();
        }
    }
}

void tell_waiting(std::size_t endings) {
    tell_status(endings == 0 ? "All endings are recorded." : fmt::format("Endings not recorded yet: {}.", endings));
}

asio::awaitable<void> work_to_end(controller::Controller& controller, std::size_t& unrecorded) {
    unrecorded = co_await controller.work();
}

} // namespace

asio::awaitable<int> launch_connections(Session session, ControllerOptions options) {
    log::set_up(options.log);
    std::signal(SIGPIPE, SIG_IGN);                                  // whoever reads our log may go away
    auto connections = first_connections(options.connections_file); // before the database is asked
    const auto executor = co_await asio::this_coro::executor;
    asio::signal_set signals(executor, SIGINT, SIGTERM, SIGHUP);
    const MetricsFile metrics(std::move(options.metrics_file), options.controller_id);
    controller::Boot boot(executor, session.database, options.controller_id);
    co_await boot.begin();
    if (!boot.warning().empty()) {
        log::write(log::Level::warning, "{}", boot.warning());
    }
    tell_ready();
    const controller::ControllerOptions settings{.parallel = options.parallel,
                                                 .show_output = options.show_output,
                                                 .drain_limit = std::chrono::round<std::chrono::milliseconds>(
                                                     std::chrono::duration<double>(options.drain_seconds)),
                                                 .endings_waiting = [&metrics](std::size_t endings) {
                                                     tell_waiting(endings);
                                                     metrics.set_endings_waiting(endings);
                                                 }};
    controller::Controller controller(executor, boot, std::move(connections), settings);
    std::size_t unrecorded = 0;
    co_await pq::first_of(work_to_end(controller, unrecorded),
                          pq::first_of(obey_signals(controller, signals, options.connections_file),
                                       pq::keep_reconciling(std::move(session.database))));
    co_return unrecorded == 0 ? exit_code::success : exit_code::other_ending;
}

} // namespace pdpp::cli
