// LISTEN, with a slow look in between for the places where nothing is heard.

#include "pq/run_watch.hpp"

#include "pq/backoff.hpp"
#include "pq/run_channel.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds breath(200);

asio::awaitable<void> pause(std::chrono::milliseconds time) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

RunWatch::RunWatch(const asio::any_io_executor& executor, std::string conninfo, Digest digest)
    : digest_(std::move(digest.text)),
      reads_(executor, std::move(conninfo), [this](Connection& primary) { return begin(primary); }) {}

RunWatch::RunWatch(const asio::any_io_executor& executor, std::string conninfo, std::string_view run_id)
    : RunWatch(executor, std::move(conninfo), Digest{run_digest(run_id)}) {}

RunWatch::RunWatch(const asio::any_io_executor& executor, std::string conninfo)
    : RunWatch(executor, std::move(conninfo), Digest{}) {}

asio::awaitable<void> RunWatch::begin(Connection& primary) {
    const bool listening = co_await listen_for_runs(primary);
    listening_ = listening ? Listening::yes : Listening::impossible;
}

asio::awaitable<std::string> RunWatch::read(std::string function, std::vector<Argument> arguments, Finality is_final) {
    if (is_final && reads_.has_one_host()) {
        is_final = [](std::string_view body) { return !body.starts_with(R"({"error": {)"); };
    }
    Backoff backoff(std::chrono::milliseconds(100), std::chrono::seconds(2));
    for (;;) {
        try {
            auto body = co_await reads_.read(function, arguments, is_final);
            was_answered_ = true;
            co_return body;
        } catch (const Error& error) {
            if (!was_answered_ || !is_passing(error)) {
                throw;
            }
        }
        co_await backoff.pause();
    }
}

asio::awaitable<void> RunWatch::hear() {
    try {
        for (;;) {
            const auto heard = co_await reads_.primary().notification();
            if (!digest_ || heard.payload == *digest_) {
                co_return;
            }
        }
    } catch (const Error&) {
        co_return; // whatever happened to the connection, reading finds out
    }
}

/// Takes what comes, so that one look answers all of it.
asio::awaitable<void> RunWatch::overhear() {
    try {
        for (;;) {
            co_await reads_.primary().notification();
        }
    } catch (const Error&) {
        co_return;
    }
}

asio::awaitable<void> RunWatch::changed() {
    using namespace asio::experimental::awaitable_operators;
    if (listening_ == Listening::impossible) {
        co_await pause(unheard_pause);
        co_return;
    }
    co_await (hear() || pause(safety_net));
    if (!digest_) {
        co_await (overhear() || pause(breath));
    }
}

} // namespace pdpp::pq
