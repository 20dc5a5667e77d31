// One LISTEN for everybody.

#include "pq/run_listener.hpp"

#include "log/log.hpp"
#include "pq/backoff.hpp"
#include "pq/hosts.hpp"
#include "pq/run_channel.hpp"

#include <boost/asio/steady_timer.hpp>

#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

/// How often the server is asked whether it is the primary still.
constexpr std::chrono::milliseconds look_pause(1000);

/// The number that a digest of a run prints; nothing for what is no digest.
std::optional<std::uint64_t> read_digest(std::string_view hex) {
    std::uint64_t digest = 0;
    const auto [stop, failure] = std::from_chars(hex.data(), hex.data() + hex.size(), digest, 16);
    if (hex.size() != 16 || failure != std::errc{} || stop != hex.data() + hex.size()) {
        return std::nullopt;
    }
    return digest;
}

} // namespace

RunListener::RunListener(asio::any_io_executor executor, std::string conninfo, Met met, Tell tell)
    : executor_(std::move(executor)), conninfo_(std::move(conninfo)), fails_over_(names_several_hosts(conninfo_)),
      met_(std::move(met)), tell_(std::move(tell)) {}

/// Listens for as long as it goes well, and tells why it went no longer.
asio::awaitable<std::string> RunListener::listen_once() {
    try {
        Connection connection(executor_);
        co_await connection.open(conninfo_, default_timeout, "pdpp feed");
        co_await met_(connection);
        const bool is_listening = co_await listen_for_runs(connection);
        if (!is_listening) {
            co_return "a hot standby cannot LISTEN";
        }
        tell_({.kind = RunNews::Kind::listening});
        auto why_not = co_await hear(connection);
        co_return why_not;
    } catch (const Error& error) {
        co_return error.what();
    }
}

/// For as long as the server is the primary and the session is ours; tells what it is not. A lone host is what it is,
/// and so is a primary that took no writes to begin with.
asio::awaitable<std::string> RunListener::hear(Connection& connection) {
    using Clock = asio::steady_timer::clock_type;
    const bool may_be_replaced = fails_over_ && !connection.is_read_only();
    for (auto next_look = Clock::now() + look_pause;;) {
        const auto patience = std::chrono::ceil<std::chrono::milliseconds>(next_look - Clock::now());
        const auto notification = co_await connection.notification_within(patience);
        if (const auto number = notification ? read_digest(notification->payload) : std::nullopt) {
            tell_({.kind = RunNews::Kind::committed, .run_number = *number});
        }
        if (Clock::now() < next_look) {
            continue;
        }
        next_look = Clock::now() + look_pause;
        const auto standing = co_await connection.standing();
        if (standing == Standing::not_ours) {
            co_return "a pooler has given the session to others meanwhile";
        }
        if (standing == Standing::replaced && may_be_replaced) {
            co_return "the server takes no writes any more";
        }
        was_ours_ = true;
        if (std::exchange(was_told_, false)) {
            log::write(log::Level::info, "notified of changes to runs again");
        }
    }
}

asio::awaitable<void> RunListener::listen() {
    Backoff backoff(std::chrono::milliseconds(100), std::chrono::seconds(2));
    for (;;) {
        const auto trouble = co_await listen_once();
        tell_({.kind = RunNews::Kind::deaf});
        if (std::exchange(was_ours_, false)) {
            backoff.reset();
        }
        if (!backoff.is_fresh() && !std::exchange(was_told_, true)) { // a connection that is soon back is no news
            log::write(log::Level::warning, "not notified of changes to runs, looking every second: {:?}", trouble);
        }
        co_await backoff.pause();
    }
}

} // namespace pdpp::pq
