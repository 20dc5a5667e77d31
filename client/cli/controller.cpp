#include "cli/controller.hpp"

#include "cli/log.hpp"
#include "cli/service_manager.hpp"
#include "controller/controller.hpp"
#include "controller/first_of.hpp"
#include "controller/text.hpp"
#include "pq/reconcile.hpp"

#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

struct ControllerOptions {
    std::string connections_file;
    std::string controller_id = asio::ip::host_name();
    std::size_t parallel = 8;
    double drain_seconds = 60;
    bool show_output = false;
    LogOptions log;
};

Failure file_failure(const controller::ConnectionsError& error) {
    return {exit_code::usage, "usage", error.what(), "See: pdpp controller --help", {}};
}

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

void reload(controller::Controller& controller, const std::string& path) {
    try {
        controller.reload(connections_in(path));
    } catch (const controller::ConnectionsError& error) {
        spdlog::error("the connections stay as they were: {}", controller::printable(error.what()));
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

/// `connections` were read before anything else was done: what is wrong with them is known before the database is
/// asked.
asio::awaitable<int> work(std::string database, controller::Connections connections, const ControllerOptions& options) {
    const auto executor = co_await asio::this_coro::executor;
    asio::signal_set signals(executor, SIGINT, SIGTERM, SIGHUP);
    controller::Boot boot(executor, database, options.controller_id);
    co_await boot.begin();
    if (!boot.warning().empty()) {
        spdlog::warn(boot.warning());
    }
    tell_ready();
    const controller::ControllerOptions settings{.parallel = options.parallel,
                                                 .show_output = options.show_output,
                                                 .drain_limit = std::chrono::round<std::chrono::milliseconds>(
                                                     std::chrono::duration<double>(options.drain_seconds)),
                                                 .endings_waiting = tell_waiting};
    controller::Controller controller(executor, boot, std::move(connections), settings);
    std::size_t unrecorded = 0;
    co_await controller::first_of(work_to_end(controller, unrecorded),
                                  controller::first_of(obey_signals(controller, signals, options.connections_file),
                                                       pq::keep_reconciling(std::move(database))));
    co_return unrecorded == 0 ? exit_code::success : exit_code::other_ending;
}

} // namespace

void add_controller_command(CLI::App& app, Action& action) {
    auto* const command =
        app.add_subcommand("controller", "Launch the runs of the connections in a file, until told to stop");
    const auto options = std::make_shared<ControllerOptions>();
    command->add_option("--connections", options->connections_file, "what can be launched, a JSON file (see below)")
        ->required()
        ->option_text("FILE");
    command->add_option("--controller-id", options->controller_id, "this controller's name, kept over its lives")
        ->capture_default_str()
        ->option_text("ID");
    command->add_option("--parallel", options->parallel, "runs at once, at most")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str()
        ->option_text("N");
    command->add_option("--drain-timeout", options->drain_seconds, "how long runs may go on after SIGTERM")
        ->check(CLI::Range(0.0, 1e9))
        ->capture_default_str()
        ->option_text("SECONDS");
    command->add_flag("--show-output", options->show_output, "log what connectors print (it may hold secrets)");
    add_log_options(*command, options->log);
    command->footer(
        "FILE is an array of objects:\n"
        "  [{\"connector_instance_id\": \"mail-anna\", \"connector_id\": \"mail\",\n"
        "    \"command\": [\"/opt/mail/fetch\", \"--all\"], \"env\": {\"LANG\": \"C\"}, \"cwd\": \"/var/lib/mail\",\n"
        "    \"timeout_seconds\": 3600, \"grace_seconds\": 10}]\n"
        "The first three keys are required. Without timeout_seconds a run takes as long as it takes; grace_seconds "
        "(10)\n"
        "lie between SIGTERM and SIGKILL. A variable that env gives null to is taken away; PGPASSWORD and\n"
        "PDPP_OWNER_PASSWORD are, unless env names them. Commands are launched as by `pdpp run`, with nothing to "
        "read,\n"
        "and what they print counts as there.\n\n"
        "A run that is cancelled, or runs out of time, gets SIGTERM, and SIGKILL after its grace, with all that it\n"
        "started. One that was ended by somebody else meanwhile is killed at once. What a command leaves running is\n"
        "killed when it ends.\n\n"
        "SIGHUP reads FILE again; if it is wrong, the connections stay as they were. SIGTERM and SIGINT drain: "
        "nothing\n"
        "more is claimed, runs may go on until the drain timeout and are then stopped (cancelled, "
        "controller_drained);\n"
        "a second signal stops them at once, a third kills them. SIGKILL loses nothing either: a guardian for\n"
        "each run kills all of its processes, and the database ends the runs.\n\n"
        "An ending that the database does not take is kept and tried again for as long as the controller lives; once\n"
        "a minute the log says so. If the drain timeout is over it is given up a few seconds later, and the database\n"
        "ends the run by itself.\n\n"
        "Exits with 0 when drained, 1 if an ending was given up, 2 if FILE is wrong, 4 if the database cannot be\n"
        "reached at the start. Later it is waited for.\n\n"
        "Example:\n"
        "  pdpp controller --connections /etc/pdpp/connections.json --db service=pdpp");
    command->callback([&app, &action, options] {
        action = [&app, options] {
            const bool json = wants_json(app, STDERR_FILENO);
            try {
                set_log(options->log);
                std::signal(SIGPIPE, SIG_IGN); // whoever reads our log may go away
                auto connections = connections_in(options->connections_file);
                return run_to_end(work(conninfo(app), std::move(connections), *options), json);
            } catch (const controller::ConnectionsError& error) {
                return report(file_failure(error), json);
            }
        };
    });
}

} // namespace pdpp::cli
