#include "cli/run.hpp"

#include "cli/metrics_file.hpp"
#include "cli/setup/next_steps.hpp"
#include "controller/boot.hpp"
#include "controller/launch.hpp"
#include "controller/mirror.hpp"
#include "controller/recorder.hpp"
#include "log/log.hpp"
#include "pq/body.hpp"
#include "pq/first_of.hpp"
#include "pq/run_channel.hpp"
#include "pq/wake.hpp"
#include "text/shell.hpp"

#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <unistd.h>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// How often the run is looked at although nothing was heard of it.
constexpr auto slow_round = std::chrono::seconds(5);

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
    co_await pq::first_of(boot.keep(heard, renewed), look_again_and_again(launch, look));
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
    co_await pq::first_of(execute(launch, ending),
                          pq::first_of(forward_interrupts(launch, signals), follow_database(boot, launch, run_id)));
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

/// What comes next, for a person: the handle resolves from now on.
std::string next_text(std::string_view ending, const Session& session) {
    const auto option = database_option(session.database);
    const auto run_id = in_shell(pq::string_in(ending, "run_id"));
    return fmt::format("next: pdpp status{0} {1}; from a gateway: GET /_ref/runs/{1}\n", option, run_id);
}

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

} // namespace

asio::awaitable<int> launch_command(Session session, RunOptions options) {
    log::set_up({.format = "text", .level = "warning"}); // the first line is the handle
    std::signal(SIGPIPE, SIG_IGN);                       // a reader of our output that goes away does not end the run
    const auto executor = co_await asio::this_coro::executor;
    auto controller_id = fmt::format("run@{}:{}", asio::ip::host_name(), ::getpid());
    const MetricsFile metrics(std::move(options.metrics_file), controller_id);
    controller::Boot boot(executor, session.database, std::move(controller_id));
    co_await boot.begin();
    controller::Recorder recorder(executor, boot, 1,
                                  [&metrics](std::size_t endings) { metrics.set_endings_waiting(endings); });
    const auto connector_id = options.connector_id.empty() ? base_name(options.command.front()) : options.connector_id;
    auto admitted = co_await recorder.admit(connector_id, options.connector_instance_id);
    asio::signal_set signals(executor, SIGINT, SIGTERM, SIGHUP);
    say(session.json ? admitted.acknowledgement + "\n" : acknowledgement_text(admitted.acknowledgement));
    if (!boot.warning().empty()) { // the first line is the handle
        log::write(log::Level::warning, "{}", boot.warning());
    }
    std::string ending = admitted.ended.value_or("");
    if (!admitted.ended) {
        controller::Command command{
            .arguments = std::move(options.command), .working_directory = options.working_directory, .environment = {}};
        co_await see_through(boot, recorder, std::move(admitted), std::move(command), limits_of(options), signals,
                             ending);
    }
    say(session.json ? ending + "\n" : ending_text(ending) + next_text(ending, session));
    co_return pq::string_in(ending, "status") == "completed" ? exit_code::success : exit_code::other_ending;
}

} // namespace pdpp::cli
