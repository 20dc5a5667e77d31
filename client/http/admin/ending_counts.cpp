#include "http/admin/ending_counts.hpp"

#include "log/log.hpp"
#include "pq/hosts.hpp"
#include "pq/reads.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace pdpp::http {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

/// For a connection, and for the statement.
constexpr auto count_patience = std::chrono::seconds(2);
/// For a scrape, which has more to tell.
constexpr auto scrape_patience = std::chrono::milliseconds(500);

} // namespace

EndingCounts::EndingCounts(const asio::any_io_executor& executor, const std::string& conninfo, ProcessMetrics& metrics)
    : connection_(executor, {.conninfo = pq::to_primary(conninfo),
                             .size = 1,
                             .wait_limit = count_patience,
                             .statement_timeout = count_patience}),
      metrics_(metrics) {}

asio::awaitable<void> EndingCounts::count() {
    if (std::exchange(asking_, true)) {
        co_return;
    }
    const auto executor = co_await asio::this_coro::executor;
    const auto timer = std::make_shared<asio::steady_timer>(executor, scrape_patience);
    asio::co_spawn(executor, ask_and_add(), [this, timer](const std::exception_ptr&) {
        asking_ = false;
        timer->cancel();
    });
    boost::system::error_code cut_short;
    if (asking_) {
        co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, cut_short));
    }
}

asio::awaitable<void> EndingCounts::ask_and_add() {
    try {
        for (bool has_more = true; has_more;) {
            const auto body = co_await ask();
            has_more = add(body);
        }
        failing_ = false;
    } catch (const std::exception& error) {
        if (!std::exchange(failing_, true)) {
            log::write(log::Level::warning, "endings of runs are not counted: {:?}", error.what());
        }
    }
}

asio::awaitable<std::string> EndingCounts::ask() {
    std::vector<pq::Argument> arguments;
    arguments.push_back({.name = "since", .type = "timestamptz", .value = since_});
    auto connection = co_await connection_.acquire();
    if (connection->is_standby()) {
        connection->close(); // the next one may be the primary
        throw pq::no_primary();
    }
    const auto queue = co_await connection->query("select pg_catalog.pg_notification_queue_usage()", {}, count_patience,
                                                  pq::Effect::reads);
    metrics_.set_notification_queue_usage(std::stod(std::string{queue.text(0, 0).value_or("0")}));
    auto body = co_await connection->body("pdpp_run_endings", std::move(arguments), count_patience, pq::Effect::reads);
    if (connection.is_stale()) {
        throw pq::no_primary();
    }
    co_return body;
}

bool EndingCounts::add(std::string_view body) {
    const auto answer = json::parse(json::string_view(body.data(), body.size()));
    auto until = json::value_to<std::string>(answer.at("until"));
    for (const auto& ending : answer.at("data").as_array()) {
        const auto* const reason = ending.at("reason").if_string();
        metrics_.ended(ending.at("status").as_string(),
                       reason == nullptr ? std::string_view{} : std::string_view{*reason},
                       json::value_to<std::uint64_t>(ending.at("count")));
    }
    for (const auto& seconds : answer.at("detection").as_array()) {
        metrics_.detected(json::value_to<double>(seconds));
    }
    since_ = std::move(until);
    return answer.at("has_more").as_bool();
}

} // namespace pdpp::http
