#include "http/runs/setup_watch.hpp"

#include "log/log.hpp"
#include "pq/advice.hpp"
#include "pq/grants.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

using Clock = asio::steady_timer::clock_type;

constexpr auto said_again_after = std::chrono::minutes(1);
constexpr auto pause = std::chrono::minutes(1);
constexpr auto pause_in_trouble = std::chrono::seconds(5);

/// What `role` lacks of what a gateway needs; empty if nothing.
std::string lacking_grants(const pq::Grants& grants, const std::string& role, const std::string& database) {
    if (grants.owner_lacks == 0 && grants.sees_schema) {
        return {};
    }
    return fmt::format("the role {} lacks what a gateway needs, and calls are answered 503 or 403 (42501); it is "
                       "granted, as a superuser of the server, by: {}, or: {}",
                       pq::as_regrole(role), pq::init_command(database, role),
                       grants.sees_schema ? pq::grant_for("pdpp_run_status", role)
                                          : std::string("grant usage on the schema of the extension"));
}

/// What keeps the gateway from its work; empty if nothing does.
asio::awaitable<std::string> trouble_with(pq::Pool& pool) {
    try {
        const auto connection = co_await pool.acquire();
        const auto grants = co_await pq::grants_of(*connection, {});
        co_return lacking_grants(grants, connection->role(), connection->database());
    } catch (const pq::Error& error) {
        co_return fmt::format("answering 503 until the database is there: {:?}{}{}", error.what(),
                              error.hint().empty() ? "" : " ", error.hint());
    }
}

} // namespace

asio::awaitable<void> watch_setup(pq::Pool& pool) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    std::string known;
    Clock::time_point said;
    for (;;) {
        auto trouble = co_await trouble_with(pool);
        const auto now = Clock::now();
        if (!trouble.empty() && (trouble != known || now - said >= said_again_after)) {
            log::write(log::Level::warning, "{}", trouble);
            said = now;
        }
        if (trouble.empty() && !known.empty()) {
            log::write(log::Level::info, "the database is there, and grants what is needed");
        }
        known = std::move(trouble);
        timer.expires_after(known.empty() ? Clock::duration{pause} : Clock::duration{pause_in_trouble});
        co_await timer.async_wait(asio::use_awaitable);
    }
}

} // namespace pdpp::http
