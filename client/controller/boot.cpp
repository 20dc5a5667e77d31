#include "controller/boot.hpp"

#include "log/log.hpp"
#include "pq/backoff.hpp"
#include "pq/error.hpp"
#include "pq/hosts.hpp"
#include "pq/pooler.hpp"
#include "pq/run_channel.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace pdpp::controller {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

/// How often the session is looked at: well within the grace, whose default is five seconds.
constexpr auto look_pause = 1s;

constexpr auto shared_sessions =
    "there is a pooler between this program and the database, and it gives a session to several clients in turn: a "
    "launcher needs a session of its own, which is the proof that it lives";
constexpr auto what_to_do = "Connect directly to the server, or through a pool in session mode.";
constexpr auto session_mode =
    "there is a pooler between this program and the database. It must be in session mode and reset a session (DISCARD "
    "ALL) as soon as its client is gone, or the runs of a launcher that died stay active for as long as the pooler "
    "keeps the session. Better connect directly to the server";

std::vector<pq::Argument> epoch_argument(std::string epoch) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"boot_epoch", "uuid", std::move(epoch)});
    return arguments;
}

} // namespace

Boot::Boot(asio::any_io_executor executor, const std::string& conninfo, std::string controller_id)
    : executor_(std::move(executor)), conninfo_(pq::to_primary(conninfo)), controller_id_(std::move(controller_id)),
      session_(executor_) {}

asio::awaitable<void> Boot::begin() {
    co_await session_.open_primary(conninfo_);
    co_await look_for_pooler(session_);
    co_await boot(session_);
    co_await session_.listen(pq::run_channel);
    is_renewed_ = false;
}

asio::awaitable<void> Boot::look_for_pooler(pq::Connection& session) {
    const auto pooling = co_await pq::pooling_of(session, conninfo_, connect_timeout, call_timeout);
    if (pooling == pq::Pooling::shared) {
        throw pq::Error(pq::ErrorKind::refused, shared_sessions, {}, {}, what_to_do);
    }
    warning_ = pooling == pq::Pooling::session ? session_mode : "";
}

asio::awaitable<void> Boot::boot(pq::Connection& session) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"controller_id", "text", controller_id_});
    const auto answer = co_await session.body("pdpp_controller_boot", std::move(arguments), call_timeout);
    const auto body = json::parse(answer);
    epoch_ = json::value_to<std::string>(body.at("boot_epoch"));
    is_renewed_ = true;
    log::write(log::Level::info, "booted",
               {{"controller_id", controller_id_},
                {"seq", json::value_to<std::int64_t>(body.at("seq"))},
                {"boot_epoch", epoch_}});
}

asio::awaitable<void> Boot::join(pq::Connection& connection) const {
    try {
        auto arguments = epoch_argument(epoch_);
        co_await connection.call("pdpp_controller_rejoin", std::move(arguments), call_timeout);
    } catch (const pq::Error& error) {
        if (!pq::typed_refusal(error)) {
            throw;
        }
    }
}

/// False if the boot is dead.
asio::awaitable<bool> Boot::rejoin(pq::Connection& session) const {
    try {
        auto arguments = epoch_argument(epoch_);
        co_await session.call("pdpp_controller_rejoin", std::move(arguments), call_timeout);
        log::write(log::Level::info, "rejoined", {{"controller_id", controller_id_}, {"boot_epoch", epoch_}});
        co_return true;
    } catch (const pq::Error& error) {
        if (!pq::typed_refusal(error)) {
            throw;
        }
        log::write(log::Level::warning, "boot lost", {{"controller_id", controller_id_}, {"boot_epoch", epoch_}},
                   log::because(error.what()));
    }
    co_return false;
}

/// Makes `session`, which is new, one of the boot; or of a new boot, if that is dead.
asio::awaitable<void> Boot::take_up(pq::Connection& session) {
    const bool lives = co_await rejoin(session);
    if (!lives) {
        co_await boot(session);
    }
    co_await session.listen(pq::run_channel);
}

/// Tells of a new boot, whatever went wrong since it began: nothing is offered for it before.
asio::awaitable<void> Boot::tell_if_renewed(const Renewed& renewed) {
    if (is_renewed_) {
        co_await renewed();
        is_renewed_ = false;
    }
}

/// Tries until there is a session again. The pauses begin short, so that a restart is over before anybody is missed.
asio::awaitable<void> Boot::restore(const Renewed& renewed) {
    pq::Backoff backoff(50ms, 2s);
    std::string known_trouble;
    for (;;) {
        std::string trouble;
        try {
            co_await session_.open_primary(conninfo_, pq::Effect::writes, connect_timeout);
            co_await look_for_pooler(session_);
            if (!warning_.empty()) {
                log::write(log::Level::warning, "{}", warning_);
            }
            co_await take_up(session_);
            co_await tell_if_renewed(renewed);
            co_return;
        } catch (const pq::Error& error) {
            trouble = fmt::format("{}{}{}", error.what(), error.hint().empty() ? "" : ": ", error.hint());
        }
        if (trouble != known_trouble) {
            log::write(log::Level::warning, "no database", {{"controller_id", controller_id_}}, log::because(trouble));
            known_trouble = std::move(trouble);
        }
        co_await backoff.pause();
    }
}

/// Whether another server has become the primary, and has the session now. The session with the server that takes no
/// writes is kept until the other one holds the boot: that may be for a moment only, and both may be the same server.
asio::awaitable<bool> Boot::follow_primary(const Renewed& renewed) {
    if (!std::exchange(is_searching_, true)) {
        log::write(log::Level::warning, "the server takes no writes, looking for the primary",
                   {{"controller_id", controller_id_}});
    }
    pq::Connection found(executor_);
    try {
        co_await found.open_primary(conninfo_, pq::Effect::writes, connect_timeout);
        co_await look_for_pooler(found);
        co_await take_up(found);
    } catch (const pq::Error&) {
        if (is_renewed_) { // a boot that has no session: the one that is there takes it up
            doubt();
        }
        co_return false;
    }
    session_ = std::move(found);
    is_searching_ = false;
    co_await tell_if_renewed(renewed);
    co_return true;
}

/// For as long as the session stays what it was. Throws pq::Error.
asio::awaitable<void> Boot::listen(const Heard& heard, const Renewed& renewed) {
    using Clock = asio::steady_timer::clock_type;
    for (auto next_look = Clock::now() + look_pause;;) {
        const auto patience = std::chrono::ceil<std::chrono::milliseconds>(next_look - Clock::now());
        const auto notification = co_await session_.notification_within(patience);
        if (notification) {
            heard(notification->payload);
        }
        if (Clock::now() < next_look) {
            continue;
        }
        next_look = Clock::now() + look_pause;
        const auto standing = co_await session_.standing(call_timeout);
        if (standing == pq::Standing::not_ours) {
            session_.close();
            throw pq::Error(pq::ErrorKind::connection_lost,
                            "a pooler has exchanged or reset the session, which was the proof that this process lives");
        }
        if (standing == pq::Standing::primary) {
            is_searching_ = false;
            if (std::exchange(is_doubted_, false)) {
                co_await take_up(session_);
                co_await tell_if_renewed(renewed);
                heard(std::nullopt);
            }
            continue;
        }
        const bool has_moved = co_await follow_primary(renewed);
        if (has_moved) {
            heard(std::nullopt);
        }
    }
}

asio::awaitable<void> Boot::keep(Heard heard, std::function<asio::awaitable<void>()> renewed) {
    for (;;) {
        heard(std::nullopt);
        try {
            co_await listen(heard, renewed);
        } catch (const pq::Error& error) {
            log::write(log::Level::warning, "connection lost", {{"controller_id", controller_id_}},
                       log::because(error.what()));
        }
        co_await restore(renewed);
    }
}

} // namespace pdpp::controller
