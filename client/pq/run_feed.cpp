// One LISTEN for everybody.

#include "pq/run_feed.hpp"

#include "log/log.hpp"
#include "pq/backoff.hpp"
#include "pq/hosts.hpp"
#include "pq/run_channel.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
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

struct RunFeed::State {
    State(asio::any_io_executor executor_, std::string conninfo_, Met met_, Heard heard_)
        : executor(std::move(executor_)), conninfo(std::move(conninfo_)), fails_over(names_several_hosts(conninfo)),
          met(std::move(met_)), heard(std::move(heard_)) {}

    asio::awaitable<std::string> listen_once();
    asio::awaitable<std::string> hear(Connection& connection);
    void wake(std::string_view payload) const;
    void wake_all() const;

    asio::any_io_executor executor;
    std::string conninfo;
    bool fails_over;
    Met met;
    Heard heard;
    bool is_listening = false;
    bool was_ours = false; ///< a look found the session to be ours still, and the server the primary
    bool was_told = false; ///< the log knows that nothing is heard
    Wakers wakers;
};

void RunFeed::State::wake(std::string_view payload) const {
    const auto digest = read_digest(payload);
    if (!digest) {
        return;
    }
    if (heard) {
        heard(digest);
    }
    const auto [first, last] = wakers.equal_range(*digest);
    for (auto waker = first; waker != last; ++waker) {
        waker->second();
    }
}

void RunFeed::State::wake_all() const {
    for (const auto& [digest, waker] : wakers) {
        waker();
    }
}

/// Listens for as long as it goes well, and tells why it went no longer.
asio::awaitable<std::string> RunFeed::State::listen_once() {
    try {
        Connection connection(executor);
        co_await connection.open(conninfo, default_timeout, "pdpp feed");
        if (met) {
            co_await met(connection);
        }
        is_listening = co_await listen_for_runs(connection);
        if (!is_listening) {
            co_return "a hot standby cannot LISTEN";
        }
        if (heard) {
            heard(std::nullopt);
        }
        wake_all();
        auto why_not = co_await hear(connection);
        co_return why_not;
    } catch (const Error& error) {
        co_return error.what();
    }
}

/// For as long as the server is the primary and the session is ours; tells what it is not. A lone host is what it is,
/// and so is a primary that took no writes to begin with.
asio::awaitable<std::string> RunFeed::State::hear(Connection& connection) {
    using Clock = asio::steady_timer::clock_type;
    const bool may_be_replaced = fails_over && !connection.is_read_only();
    for (auto next_look = Clock::now() + look_pause;;) {
        const auto patience = std::chrono::ceil<std::chrono::milliseconds>(next_look - Clock::now());
        const auto notification = co_await connection.notification_within(patience);
        if (notification) {
            wake(notification->payload);
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
        was_ours = true;
        if (std::exchange(was_told, false)) {
            log::write(log::Level::info, "notified of changes to runs again");
        }
    }
}

RunFeed::RunFeed(const asio::any_io_executor& executor, std::string conninfo, Met met, Heard heard)
    : state_(std::make_shared<State>(executor, std::move(conninfo), std::move(met), std::move(heard))) {}

asio::awaitable<void> RunFeed::listen() {
    const auto state = state_;
    Backoff backoff(std::chrono::milliseconds(100), std::chrono::seconds(2));
    for (;;) {
        const auto trouble = co_await state->listen_once();
        state->is_listening = false;
        if (std::exchange(state->was_ours, false)) {
            backoff.reset();
        }
        if (!backoff.is_fresh() && !std::exchange(state->was_told, true)) { // a connection that is soon back is no news
            log::write(log::Level::warning, "not notified of changes to runs, looking every second: {:?}", trouble);
        }
        co_await backoff.pause();
    }
}

RunFeed::Subscription RunFeed::subscribe(std::string_view run_id, std::function<void()> wake) {
    return {state_, state_->wakers.emplace(*read_digest(run_digest(run_id)), std::move(wake))};
}

void RunFeed::wake_all() const {
    state_->wake_all();
}

std::chrono::milliseconds RunFeed::patience() const noexcept {
    return state_->is_listening ? safety_net : unheard_pause;
}

std::size_t RunFeed::subscriptions() const noexcept {
    return state_->wakers.size();
}

RunFeed::Subscription::Subscription(std::shared_ptr<State> state, Wakers::iterator place) noexcept
    : state_(std::move(state)), place_(place) {}

RunFeed::Subscription::~Subscription() {
    if (state_) { // not moved from
        state_->wakers.erase(place_);
    }
}

} // namespace pdpp::pq
