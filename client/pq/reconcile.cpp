#include "pq/reconcile.hpp"

#include "log/log.hpp"
#include "pq/reopening.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

constexpr auto interval = std::chrono::seconds(1);
constexpr auto timeout = std::chrono::seconds(17);

} // namespace

asio::awaitable<void> keep_reconciling(std::string conninfo, GuardHealth* health) {
    GuardHealth unwatched;
    auto& [permitted, last_pass] = health == nullptr ? unwatched : *health;
    const auto executor = co_await asio::this_coro::executor;
    Reopening guard(executor, std::move(conninfo), "pdpp guard");
    asio::steady_timer timer(executor);
    bool failing = false;
    for (;;) {
        timer.expires_at(asio::steady_timer::time_point::max());
        if (permitted) {
            timer.expires_after(interval);
        }
        co_await timer.async_wait(asio::use_awaitable);
        try {
            std::vector<Argument> none;
            co_await guard.call("pdpp_reconcile", std::move(none), timeout, Effect::writes);
            failing = false;
            last_pass = asio::steady_timer::clock_type::now();
        } catch (const Error& error) {
            // a connection that is refused for that reason may be let in later
            permitted = error.kind() != ErrorKind::refused || error.sqlstate() != sqlstate::insufficient_privilege;
            if (!permitted) {
                guard.close();
                log::write(log::Level::info, "the launch guard is left to the background worker and to controllers: {}",
                           error.what());
            } else if (!std::exchange(failing, true)) {
                log::write(log::Level::warning, "cannot reconcile: {}", error.what());
            }
        }
    }
}

} // namespace pdpp::pq
