#include "cli/prune.hpp"

#include "pq/body.hpp"
#include "pq/connection.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json/value_to.hpp>

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

constexpr auto longest_batch = std::chrono::minutes(10);

struct PruneOptions {
    std::optional<std::string> before;
    std::optional<std::string> older_than;
    int batch_size = 1000;
};

/// What one batch says.
struct Batch {
    std::int64_t events;
    std::int64_t left;
    bool left_is_exact;
};

Batch batch_in(std::string_view body) {
    const auto batch = pq::parse_body(body);
    return {boost::json::value_to<std::int64_t>(batch.at("events")),
            boost::json::value_to<std::int64_t>(batch.at("left")), batch.at("left_is_exact").as_bool()};
}

/// The same instant for every batch, by the database's clock and calendar.
asio::awaitable<std::string> cutoff(pq::Connection& connection, const PruneOptions& options) {
    std::vector<pq::Parameter> parameters{options.before ? options.before : options.older_than};
    const auto* const sql = options.before ? "SELECT $1::pg_catalog.timestamptz::pg_catalog.text"
                                           : "SELECT (pg_catalog.now() - $1::pg_catalog.interval)::pg_catalog.text";
    const auto result = co_await connection.query(sql, std::move(parameters), pq::default_timeout, pq::Effect::reads);
    co_return std::string{*result.text(0, 0)};
}

asio::awaitable<int> prune(std::string database, const PruneOptions& options, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Connection connection(executor);
    co_await connection.open_primary(std::move(database));
    const auto before = co_await cutoff(connection, options);
    std::int64_t removed = 0;
    for (;;) {
        std::vector<pq::Argument> arguments;
        arguments.push_back({"before", "timestamptz", before});
        arguments.push_back({"batch_size", "integer", std::to_string(options.batch_size)});
        const auto body = co_await connection.body("pdpp_prune", std::move(arguments), longest_batch);
        const auto batch = batch_in(body);
        removed += batch.events;
        if (json) {
            print(body + "\n");
        } else if (batch.events > 0) {
            print(fmt::format("{} events removed, {}{} left\n", removed, batch.left_is_exact ? "" : "more than ",
                              batch.left));
        }
        // what is left and cannot be had is locked by somebody who removes it too
        if (batch.left == 0 || batch.events == 0) {
            break;
        }
    }
    if (!json && removed == 0) {
        print("nothing to remove\n");
    }
    co_return exit_code::success;
}

} // namespace

void add_prune_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("prune", "Remove what runs that ended long ago said in between");
    const auto options = std::make_shared<PruneOptions>();
    auto* const when = command->add_option_group("when")->require_option(1);
    when->add_option("--before", options->before, "of runs that ended before this time")->option_text("TIME");
    when->add_option("--older-than", options->older_than, "of runs that ended longer ago than this")
        ->option_text("INTERVAL");
    command->add_option("--batch-size", options->batch_size, "events in a transaction (default: 1000)")
        ->check(CLI::Range(1, 100'000))
        ->option_text("N");
    command->footer(
        "Handles resolve as before, for ever: a run's admission, start and ending stay, and so do late outcomes. The\n"
        "timeline of such a run says that it was pruned. Each batch is a transaction of its own, which nobody waits\n"
        "for; interrupting does no harm. As JSON an object a batch. Calling pdpp_prune() is granted to nobody but\n"
        "superusers. TIME and INTERVAL are anything that PostgreSQL reads as one.\n\n"
        "Examples:\n"
        "  pdpp prune --older-than '90 days'\n"
        "  pdpp prune --before 2026-01-01 --batch-size 5000");
    command->callback([&app, &action, options] {
        action = [&app, options] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(prune(conninfo(app), *options, json), json);
        };
    });
}

} // namespace pdpp::cli
