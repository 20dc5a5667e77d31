#include "cli/check.hpp"

#include "cli/superusers_call.hpp"
#include "pq/connection.hpp"
#include "text/text.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

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
        return value.is_string() ? printable(value.get_string()) : std::string("-");
    };
    return fmt::format("{}  {}  {}\n", shown("invariant"), shown("run_id"), shown("detail"));
}

asio::awaitable<pq::Result> violations_by(pq::Connection& connection) {
    std::optional<pq::Error> refusal;
    try {
        std::vector<pq::Argument> none;
        co_return co_await connection.rows("pdpp_check", std::move(none), longest_check, pq::Effect::reads);
    } catch (const pq::Error& error) {
        refusal = error;
    }
    co_await explain_refusal(connection, "pdpp_check()", *refusal);
    throw *refusal;
}

} // namespace

asio::awaitable<int> check(Session session, CheckOptions /*options*/) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Connection connection(executor);
    co_await connection.open_primary(std::move(session.database), pq::Effect::reads);
    const auto violations = co_await violations_by(connection);
    for (int row = 0; row < violations.rows(); ++row) {
        print(violation_text(violations, row, session.json));
    }
    if (violations.rows() == 0 && !session.json) {
        print("all is well\n");
    }
    co_return violations.rows() == 0 ? exit_code::success : exit_code::other_ending;
}

} // namespace pdpp::cli
