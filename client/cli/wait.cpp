#include "cli/wait.hpp"

#include "controller/first_of.hpp"
#include "pq/body.hpp"
#include "pq/run_watch.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

struct WaitOptions {
    std::string run_id;
    std::optional<double> timeout_seconds;
};

/// Until the run has ended, or is unknown: `found` holds what the database said then.
asio::awaitable<void> watch(std::string database, std::string run_id, std::optional<std::string>& found) {
    const auto executor = co_await asio::this_coro::executor;
    pq::RunWatch run(executor, std::move(database), run_id);
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    for (;;) {
        auto body = co_await run.read("pdpp_run_status", arguments, is_ended_status);
        if (is_error_envelope(body) || is_terminal(pq::string_in(body, "status"))) {
            found = std::move(body);
            co_return;
        }
        co_await run.changed();
    }
}

asio::awaitable<void> until(asio::steady_timer& timer) {
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<int> wait_for_end(std::string database, const WaitOptions& options, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer patience(executor, asio::steady_timer::time_point::max());
    if (options.timeout_seconds) {
        patience.expires_after(
            std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(*options.timeout_seconds)));
    }
    std::optional<std::string> found;
    co_await controller::first_of(watch(std::move(database), options.run_id, found), until(patience));
    if (!found) {
        co_return report({exit_code::timed_out,
                          "wait_timed_out",
                          fmt::format("run {} has not ended within {} s", options.run_id, *options.timeout_seconds),
                          "It goes on: wait for it again, or ask for its end with: pdpp cancel",
                          {}},
                         json);
    }
    if (is_error_envelope(*found)) {
        co_return report(failure_of_envelope(*found), json);
    }
    print(json ? *found + "\n" : ending_text(*found));
    co_return pq::string_in(*found, "status") == "completed" ? exit_code::success : exit_code::other_ending;
}

} // namespace

void add_wait_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("wait", "Wait until a run has ended");
    const auto options = std::make_shared<WaitOptions>();
    command->add_option("RUN", options->run_id, "the run's id")->required();
    command->add_option("--timeout", options->timeout_seconds, "give up after this time (default: never)")
        ->check(CLI::Range(0.001, 1e9))
        ->option_text("SECONDS");
    command->footer(
        "Prints how the run ended; JSON output is the body of pdpp_run_status() as PostgreSQL prints it.\n"
        "The database tells when there is something to see (LISTEN); a lost connection is made again. On a hot\n"
        "standby that is the only host, and cannot listen, it looks once a second.\n"
        "Exits with 0 if the run completed, with 1 if it ended in any other way, with 124 after --timeout,\n"
        "with 3 if no such run was ever handed out, with 4 if only a standby is there and does not know it.\n\n"
        "Examples:\n"
        "  pdpp wait run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b\n"
        "  pdpp wait --timeout 60 \"$(pdpp now gmail-anna | jq -r .run_id)\" || echo 'no mail today'");
    command->callback([&app, &action, options] {
        action = [&app, options] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(wait_for_end(conninfo(app), *options, json), json);
        };
    });
}

} // namespace pdpp::cli
