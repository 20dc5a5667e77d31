#include "cli/check.hpp"

#include "controller/text.hpp"
#include "pq/connection.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// It reads the whole history.
constexpr auto longest_check = std::chrono::hours(24);

std::string violation_text(const pq::Result& result, int row, bool json) {
    constexpr std::array<std::string_view, 3> columns = {"invariant", "run_id", "detail"};
    boost::json::object violation;
    for (int column = 0; column < 3; ++column) {
        const auto text = result.text(row, column);
        violation[columns.at(static_cast<std::size_t>(column))] =
            text ? boost::json::value(*text) : boost::json::value(nullptr);
    }
    if (json) {
        return boost::json::serialize(violation) + "\n";
    }
    const auto shown = [&](std::string_view column) {
        const auto& value = violation[column];
        return value.is_string() ? controller::printable(value.get_string()) : std::string("-");
    };
    return fmt::format("{}  {}  {}\n", shown("invariant"), shown("run_id"), shown("detail"));
}

asio::awaitable<int> check(std::string database, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Connection connection(executor);
    co_await connection.open_primary(std::move(database), pq::Effect::reads);
    std::vector<pq::Argument> none;
    const auto violations = co_await connection.rows("pdpp_check", std::move(none), longest_check, pq::Effect::reads);
    for (int row = 0; row < violations.rows(); ++row) {
        print(violation_text(violations, row, json));
    }
    if (violations.rows() == 0 && !json) {
        print("all is well\n");
    }
    co_return violations.rows() == 0 ? exit_code::success : exit_code::other_ending;
}

} // namespace

void add_check_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("check", "Check what must hold for every run, over the whole history");
    command->footer(
        "A line for each violation: the invariant, the run, what was found; as JSON an object a line. What the\n"
        "invariants are stands in docs/design/check.md. It reads everything, in one snapshot, and locks nothing: a\n"
        "million runs take about half a minute. Calling pdpp_check() is granted to nobody but superusers.\n\n"
        "Exits with 0 if there is none, with 1 if there is one, with 4 if there is no primary: what a standby has not\n"
        "heard of cannot be checked there.\n\n"
        "Example:\n"
        "  pdpp check --db service=pdpp");
    command->callback([&app, &action] {
        action = [&app] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(check(conninfo(app), json), json);
        };
    });
}

} // namespace pdpp::cli
