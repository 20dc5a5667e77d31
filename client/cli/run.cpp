#include "cli/run.hpp"

#include "controller/boot.hpp"
#include "controller/first_of.hpp"
#include "controller/launch.hpp"
#include "controller/mirror.hpp"
#include "controller/recorder.hpp"
#include "pq/body.hpp"
#include "pq/run_channel.hpp"
#include "pq/wake.hpp"

#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// How often the run is looked at although nothing was heard of it.
constexpr auto slow_round = std::chrono::seconds(5);

struct RunOptions {
    std::string connector_id;
    std::optional<std::string> connector_instance_id;
    std::optional<double> timeout_seconds;
    std::string working_directory;
};

/// Passes on two requests to stop; a third ends this program at once, as if nothing had been done about signals.
asio::awaitable<void> forward_interrupts(controller::Launch& launch, asio::signal_set& signals) {
    co_await signals.async_wait(asio::use_awaitable);
    launch.stop(controller::StopReason::owner_cancelled);
    co_await signals.async_wait(asio::use_awaitable);
    launch.hurry();
    signals.clear();
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer forever(executor, asio::steady_timer::time_point::max());
    co_await forever.async_wait(asio::use_awaitable);
}

asio::awaitable<void> look_again_and_again(controller::Launch& launch, pq::Wake& look) {
    for (;;) {
        co_await look.wait(pq::Wake::Clock::now() + slow_round);
        try {
            co_await launch.look();
        } catch (const pq::Error&) {
            // the next round looks again
        }
    }
}

/// Keeps the proof that this process lives, and stops the run when somebody has cancelled or ended it.
asio::awaitable<void> follow_database(controller::Boot& boot, controller::Launch& launch, std::string run_id) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Wake look(executor);
    const auto digest = pq::run_digest(run_id);
    const auto heard = [&](std::optional<std::string_view> about) {
        if (!about || *about == digest) {
            look.up();
        }
    };
    const auto renewed = []() -> asio::awaitable<void> { co_return; };
    co_await controller::first_of(boot.keep(heard, renewed), look_again_and_again(launch, look));
}

asio::awaitable<void> execute(controller::Launch& launch, std::string& ending) {
    ending = co_await launch.execute();
}

/// Our own words go to standard error: standard output is the child's.
void say(const std::string& text) {
    std::fputs(text.c_str(), stderr);
}

/// From the acknowledgement to the ending, which `ending` holds then.
asio::awaitable<void> see_through(controller::Boot& boot, controller::Recorder& recorder, controller::AdmittedRun run,
                                  controller::Command command, controller::Limits limits, asio::signal_set& signals,
                                  std::string& ending) {
    const auto executor = co_await asio::this_coro::executor;
    controller::Mirror output(executor, STDOUT_FILENO);
    controller::Mirror errors(executor, STDERR_FILENO);
    const auto run_id = run.run_id;
    controller::Launch launch(executor, recorder, std::move(run), std::move(command), limits, output, errors);
    co_await controller::first_of(execute(launch, ending), controller::first_of(forward_interrupts(launch, signals),
                                                                                follow_database(boot, launch, run_id)));
    // The run is settled. Whoever reads our output may take as long as they like; Ctrl-C leaves at once.
    signals.clear();
    co_await output.flushed();
    co_await errors.flushed();
    if (!errors.at_line_start()) {
        say("\n");
    }
}

controller::Limits limits_of(const RunOptions& options) {
    controller::Limits limits;
    if (options.timeout_seconds) {
        limits.time =
            std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(*options.timeout_seconds));
    }
    return limits;
}

asio::awaitable<int> run(std::string database, const RunOptions& options, const std::vector<std::string>& child,
                         bool json) {
    const auto executor = co_await asio::this_coro::executor;
    auto controller_id = fmt::format("run@{}:{}", asio::ip::host_name(), ::getpid());
    controller::Boot boot(executor, std::move(database), std::move(controller_id));
    co_await boot.begin();
    controller::Recorder recorder(executor, boot, 1);
    auto admitted = co_await recorder.admit(options.connector_id, options.connector_instance_id);
    asio::signal_set signals(executor, SIGINT, SIGTERM, SIGHUP);
    say(json ? admitted.acknowledgement + "\n" : acknowledgement_text(admitted.acknowledgement));
    if (!boot.warning().empty()) { // the first line is the handle
        spdlog::warn(boot.warning());
    }
    std::string ending = admitted.ended.value_or("");
    if (!admitted.ended) {
        controller::Command command{
            .arguments = child, .working_directory = options.working_directory, .environment = {}};
        co_await see_through(boot, recorder, std::move(admitted), std::move(command), limits_of(options), signals,
                             ending);
    }
    say(json ? ending + "\n" : ending_text(ending));
    co_return pq::string_in(ending, "status") == "completed" ? exit_code::success : exit_code::other_ending;
}

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

} // namespace

void add_run_command(CLI::App& app, Action& action, const std::vector<std::string>& child) {
    auto* const command = app.add_subcommand("run", "Launch a command as a run, and record how it ends:\n"
                                                    "pdpp run [OPTIONS] -- COMMAND [ARGUMENT...]");
    const auto options = std::make_shared<RunOptions>();
    command->add_option("--connector", options->connector_id, "the connector's id (default: the command's base name)")
        ->option_text("ID");
    command
        ->add_option("--connection", options->connector_instance_id,
                     "the connection's id (default: the connector's id); one run at a time for each")
        ->option_text("ID");
    command->add_option("--timeout", options->timeout_seconds, "stop the command after this time (default: never)")
        ->check(CLI::Range(0.001, 1e9))
        ->option_text("SECONDS");
    command->add_option("--cwd", options->working_directory, "the command's working directory")->option_text("DIR");
    command->footer(
        "The run's handle is printed first, on the first line of standard error; how it ended is the last line there.\n"
        "Where standard error is not a terminal, or with --json, both are JSON: the acknowledgement and the status.\n"
        "In between, the command's own standard output and standard error are passed on as they are.\n\n"
        "Lines of its standard output that are JSON objects like these are recorded as well, and nothing else is:\n"
        "  {\"type\":\"PROGRESS\",\"stream\":\"mail\",\"message\":\"fetching\",\"count\":10,\"total\":200}\n"
        "  {\"type\":\"DONE\",\"status\":\"succeeded\",\"records_emitted\":200}\n"
        "  {\"type\":\"DONE\",\"status\":\"failed\",\"error\":{\"message\":\"the password was refused\"}}\n"
        "A DONE decides how the run ended (succeeded, failed, cancelled), whatever the exit code; one that cannot be\n"
        "understood ends it as failed (connector_report_unreadable). In a flood of PROGRESS the newest are kept: 100 "
        "at\n"
        "once, then 10 a second.\n\n"
        "The command runs in a process group of its own, with PDPP_RUN_ID, PDPP_TRACE_ID and TRACEPARENT in its\n"
        "environment; it cannot read from the terminal, but from a pipe or file. When it ends, what it left running\n"
        "is killed, daemons too. Ctrl-C (or SIGTERM, SIGHUP) asks it and all that it started to end with SIGTERM,\n"
        "and kills them after 10 seconds or a second Ctrl-C; so does --timeout. SIGKILL of pdpp kills them as well. "
        "An\n"
        "ending that the database does not take is tried again for as long as it takes; a third Ctrl-C gives it up,\n"
        "and the database ends the run by itself.\n\n"
        "Exits with 0 if the run completed, with 1 if it ended in any other way.\n\n"
        "Examples:\n"
        "  pdpp run -- ./fetch-mail --since yesterday\n"
        "  pdpp run --connector gmail --connection gmail-anna --timeout 600 -- node gmail.js\n"
        "  pdpp run -- ./fetch-mail 2>run.log >mail.json; head -n 1 run.log | jq -r .run_id");
    command->callback([&app, &action, options, &child] {
        if (child.empty()) {
            throw CLI::RequiredError("a command behind --");
        }
        if (options->connector_id.empty()) {
            options->connector_id = base_name(child.front());
        }
        action = [&app, options, &child] {
            spdlog::set_level(spdlog::level::warn); // the first line is the handle
            std::signal(SIGPIPE, SIG_IGN);          // a reader of our output that goes away does not end the run
            const bool json = wants_json(app, STDERR_FILENO);
            return run_to_end(run(conninfo(app), *options, child, json), json);
        };
    });
}

} // namespace pdpp::cli
