#include "cli/status.hpp"

#include "pq/reads.hpp"

#include <boost/asio/this_coro.hpp>

#include <memory>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

asio::awaitable<int> show_status(std::string database, std::string run_id, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reads reads(executor, std::move(database));
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    const auto body = co_await reads.read("pdpp_run_status", std::move(arguments), is_ended_status);
    if (is_error_envelope(body)) {
        co_return report(failure_of_envelope(body), json);
    }
    print(json ? body + "\n" : status_text(body));
    co_return exit_code::success;
}

} // namespace

void add_status_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("status", "Show what a run's handle resolves to");
    const auto run_id = std::make_shared<std::string>();
    command->add_option("RUN", *run_id, "the run's id")->required();
    command->footer(
        "JSON output is the body of pdpp_run_status() as PostgreSQL prints it.\n"
        "Exits with 3 if no such run was ever handed out. A standby is believed about endings only: with 4 if\n"
        "it knows of none, and there is no primary to ask.\n\n"
        "Example:\n"
        "  pdpp status run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b");
    command->callback([&app, &action, run_id] {
        action = [&app, run_id] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(show_status(conninfo(app), *run_id, json), json);
        };
    });
}

} // namespace pdpp::cli
