#include "cli/prune.hpp"

#include "cli/superusers_call.hpp"
#include "pq/body.hpp"
#include "pq/connection.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json/value_to.hpp>

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

constexpr auto longest_batch = std::chrono::minutes(10);

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

asio::awaitable<std::string> next_batch(pq::Connection& connection, std::string before, std::int64_t batch_size) {
    std::optional<pq::Error> refusal;
    try {
        std::vector<pq::Argument> arguments;
        arguments.push_back({"before", "timestamptz", std::move(before)});
        arguments.push_back({"batch_size", "integer", std::to_string(batch_size)});
        co_return co_await connection.body("pdpp_prune", std::move(arguments), longest_batch);
    } catch (const pq::Error& error) {
        refusal = error;
    }
    co_await explain_refusal(connection, "pdpp_prune(timestamptz, integer)", *refusal);
    throw *refusal;
}

} // namespace

asio::awaitable<int> prune(Session session, PruneOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Connection connection(executor);
    co_await connection.open_primary(std::move(session.database));
    const auto before = co_await cutoff(connection, options);
    std::int64_t removed = 0;
    for (;;) {
        const auto body = co_await next_batch(connection, before, options.batch_size);
        const auto batch = batch_in(body);
        removed += batch.events;
        if (session.json) {
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
    if (!session.json && removed == 0) {
        print("nothing to remove\n");
    }
    co_return exit_code::success;
}

} // namespace pdpp::cli
