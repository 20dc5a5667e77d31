// Notifications, and whether the session that hears them is what it was.

#include "pq/connection.hpp"
#include "pq/wire.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

constexpr auto question_of_standing =
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'),"
    " pg_catalog.pg_backend_pid(), EXISTS (SELECT FROM pg_catalog.pg_listening_channels())";

} // namespace

asio::awaitable<void> Connection::listen(std::string channel, std::chrono::milliseconds timeout) {
    if (wire_->handle == nullptr) {
        throw Error(ErrorKind::misused, "the database connection is closed");
    }
    co_await query("LISTEN " + identifier(channel), {}, timeout);
    listens_ = true;
}

asio::awaitable<Notification> Connection::notification() {
    if (wire_->handle == nullptr || wire_->busy) {
        throw Error(ErrorKind::misused, "the database connection is closed or in use");
    }
    for (;;) {
        const std::unique_ptr<PGnotify, FreeMemory> arrived{PQnotifies(wire_->handle)};
        if (arrived) {
            co_return Notification{arrived->relname, arrived->extra};
        }
        co_await wire_->wait(Wire::WaitType::wait_read);
        if (PQconsumeInput(wire_->handle) == 0) {
            const auto lost = wire_->failure(ErrorKind::connection_lost);
            wire_->close();
            throw lost;
        }
    }
}

asio::awaitable<std::optional<Notification>> Connection::notification_within(std::chrono::milliseconds patience) {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(wire_->deadline.get_executor(), patience);
    // no results of the wait, which takes one and drops the other, and goes on over a failure
    std::optional<Notification> heard;
    std::optional<Error> failure;
    const auto hear = [&]() -> asio::awaitable<void> {
        try {
            heard = co_await notification();
        } catch (const Error& error) {
            failure = error;
        }
    };
    const auto wait = [&]() -> asio::awaitable<void> { co_await timer.async_wait(asio::use_awaitable); };
    co_await (hear() || wait());
    if (failure) {
        throw *failure;
    }
    co_return heard;
}

asio::awaitable<Standing> Connection::standing(std::chrono::milliseconds timeout) {
    const auto answer = co_await query(question_of_standing, {}, timeout, Effect::reads);
    // a pooler that gives a session to somebody else has it forget what it listens to
    if (number_in(answer.text(0, 2).value_or("")) != backend_pid_ || (listens_ && answer.text(0, 3) != "t")) {
        co_return Standing::not_ours;
    }
    co_return answer.text(0, 0) == "t" || answer.text(0, 1) == "on" ? Standing::replaced : Standing::primary;
}

} // namespace pdpp::pq
