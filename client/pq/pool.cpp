// The pool: `size` permits, and the idle connections. Whoever holds a permit owns at most one
// connection, so opening and closing needs no further bookkeeping.

#include "pq/pool.hpp"

#include "pq/hosts.hpp"
#include "pq/permits.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace pdpp::pq {

namespace asio = boost::asio;
using Clock = asio::steady_timer::clock_type;

namespace {

std::chrono::milliseconds until(Clock::time_point deadline) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
}

} // namespace

struct Pool::State {
    State(asio::any_io_executor executor_, PoolOptions options_)
        : executor(std::move(executor_)), options(std::move(options_)),
          fails_over(names_several_hosts(options.conninfo)), permits(executor, options.size) {}

    std::unique_ptr<Connection> take_idle();
    asio::awaitable<void> open(Connection& connection, Clock::time_point deadline);

    asio::any_io_executor executor;
    PoolOptions options;
    bool fails_over;
    Permits permits;
    std::vector<std::unique_ptr<Connection>> idle; ///< the most recently used last
    std::optional<Error> trouble;                  ///< why the latest attempt to connect failed, if it did
};

std::unique_ptr<Connection> Pool::State::take_idle() {
    while (!idle.empty()) {
        auto connection = std::move(idle.back());
        idle.pop_back();
        if (connection->usable()) {
            return connection;
        }
    }
    return nullptr;
}

/// Whatever of it fails, nothing was asked for over the connection yet.
asio::awaitable<void> Pool::State::open(Connection& connection, Clock::time_point deadline) {
    try {
        co_await connection.open(options.conninfo, until(deadline));
        if (options.statement_timeout.count() > 0) {
            co_await connection.query("SET statement_timeout = " + std::to_string(options.statement_timeout.count()),
                                      {}, until(deadline), Effect::reads);
        }
        if (options.prepare) {
            co_await options.prepare(connection);
        }
        trouble.reset();
    } catch (const Error& error) {
        const bool is_lost = error.kind() != ErrorKind::refused && error.kind() != ErrorKind::cannot_connect &&
                             error.kind() != ErrorKind::not_let_in;
        trouble = is_lost ? Error(ErrorKind::cannot_connect, error.what(), error.sqlstate()) : error;
        throw *trouble;
    }
}

Pool::Pool(const asio::any_io_executor& executor, PoolOptions options)
    : state_(std::make_shared<State>(executor, std::move(options))) {}

asio::awaitable<Pool::Lease> Pool::acquire() {
    const auto state = state_; // which outlives the pool, or its being given another, for those who wait
    const auto deadline = Clock::now() + state->options.wait_limit;
    const bool permitted = co_await state->permits.take(deadline);
    if (!permitted && state->trouble) { // those that are in use are being made
        throw *state->trouble;
    }
    if (!permitted) {
        throw Error(ErrorKind::cannot_connect, "all database connections are in use");
    }
    Lease lease(state, state->take_idle());
    while (!lease.connection_) {
        auto connection = std::make_unique<Connection>(state->executor);
        bool failed = false;
        try {
            co_await state->open(*connection, deadline);
            lease.connection_ = std::move(connection);
            lease.is_new_ = true;
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::refused || error.kind() == ErrorKind::not_let_in ||
                until(deadline) <= state->options.backoff) {
                throw;
            }
            failed = true;
        }
        if (failed) {
            co_await asio::steady_timer(state->executor, state->options.backoff).async_wait(asio::use_awaitable);
        }
    }
    co_return lease;
}

Pool::Usage Pool::usage() const noexcept {
    const auto busy = state_->permits.taken();
    return {.open = busy + state_->idle.size(), .busy = busy, .waiting = state_->permits.waiting()};
}

Pool::Lease::Lease(std::shared_ptr<State> state, std::unique_ptr<Connection> connection) noexcept
    : state_(std::move(state)), connection_(std::move(connection)) {}

bool Pool::Lease::is_stale() const noexcept {
    return state_->fails_over && !connection_->is_standby() && connection_->is_read_only();
}

// NOLINTNEXTLINE(bugprone-exception-escape): a pool that is out of memory may end the program
Pool::Lease::~Lease() {
    if (!state_) { // moved from
        return;
    }
    if (connection_ && is_stale()) {
        state_->idle.clear(); // which are to the same server
    } else if (connection_ && connection_->usable() && !connection_->has_refused_writes()) { // the next may take them
        state_->idle.push_back(std::move(connection_));
    }
    state_->permits.give();
}

} // namespace pdpp::pq
