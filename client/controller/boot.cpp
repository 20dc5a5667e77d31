#include "controller/boot.hpp"

#include "controller/text.hpp"
#include "pq/error.hpp"
#include "pq/run_channel.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace pdpp::controller {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto longest_pause = 2s;

std::vector<pq::Argument> epoch_argument(std::string epoch) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"boot_epoch", "uuid", std::move(epoch)});
    return arguments;
}

} // namespace

Boot::Boot(asio::any_io_executor executor, std::string conninfo, std::string controller_id)
    : executor_(std::move(executor)), conninfo_(std::move(conninfo)), controller_id_(std::move(controller_id)),
      session_(executor_) {}

asio::awaitable<void> Boot::begin() {
    co_await session_.open(conninfo_);
    co_await boot();
    co_await session_.listen(pq::run_channel);
}

asio::awaitable<void> Boot::boot() {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"controller_id", "text", controller_id_});
    const auto answer = co_await session_.call("pdpp_controller_boot", std::move(arguments), call_timeout);
    const auto body = json::parse(*answer);
    epoch_ = json::value_to<std::string>(body.at("boot_epoch"));
    spdlog::info("booted controller_id={} seq={} boot_epoch={}", printable(controller_id_),
                 json::value_to<std::int64_t>(body.at("seq")), epoch_);
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
asio::awaitable<bool> Boot::rejoin() {
    try {
        auto arguments = epoch_argument(epoch_);
        co_await session_.call("pdpp_controller_rejoin", std::move(arguments), call_timeout);
        spdlog::info("rejoined controller_id={} boot_epoch={}", printable(controller_id_), epoch_);
        co_return true;
    } catch (const pq::Error& error) {
        if (!pq::typed_refusal(error)) {
            throw;
        }
        spdlog::warn("boot lost controller_id={} boot_epoch={} message={}", printable(controller_id_), epoch_,
                     printable(error.what()));
    }
    co_return false;
}

/// Tries until there is a session again. The pauses begin short, so that a restart is over before anybody is missed.
asio::awaitable<void> Boot::restore(const std::function<asio::awaitable<void>()>& renewed) {
    asio::steady_timer timer(executor_);
    std::string known_trouble;
    for (std::chrono::milliseconds pause = 50ms;;
         pause = std::min<std::chrono::milliseconds>(pause * 2, longest_pause)) {
        std::string trouble;
        try {
            co_await session_.open(conninfo_, connect_timeout);
            const bool lives = co_await rejoin();
            if (!lives) {
                co_await boot();
            }
            co_await session_.listen(pq::run_channel);
            if (!lives) {
                co_await renewed();
            }
            co_return;
        } catch (const pq::Error& error) {
            trouble = error.what();
        }
        if (trouble != known_trouble) {
            spdlog::warn("no database controller_id={} message={}", printable(controller_id_), printable(trouble));
            known_trouble = std::move(trouble);
        }
        timer.expires_after(pause);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> Boot::keep(Heard heard, std::function<asio::awaitable<void>()> renewed) {
    for (;;) {
        heard(std::nullopt);
        try {
            for (;;) {
                const auto notification = co_await session_.notification();
                heard(notification.payload);
            }
        } catch (const pq::Error& error) {
            spdlog::warn("connection lost controller_id={} message={}", printable(controller_id_),
                         printable(error.what()));
        }
        co_await restore(renewed);
    }
}

} // namespace pdpp::controller
