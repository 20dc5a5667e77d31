#pragma once
// A few connections shared by many requests. At most `size` are open; each is made when it is first needed, and one
// that turns out to be cut is replaced before anything is sent over it.

#include "pq/connection.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace pdpp::pq {

struct PoolOptions {
    std::string conninfo;
    std::size_t size = 4;
    /// How long acquire() may take: waiting for a free connection and making a new one together.
    std::chrono::milliseconds wait_limit = std::chrono::seconds(2);
    /// The pause before the next attempt to connect after one that failed.
    std::chrono::milliseconds backoff = std::chrono::milliseconds(100);
    /// Given to the server for every statement; 0 leaves the server's own setting.
    std::chrono::milliseconds statement_timeout = std::chrono::milliseconds(0);
    /// Run on each connection when it has been made, before it is lent out. What it throws counts as a failed attempt.
    std::function<boost::asio::awaitable<void>(Connection&)> prepare = {};
};

class Pool {
    struct State;

  public:
    /// A connection on loan, given back at the end of the scope.
    class Lease {
      public:
        Lease(Lease&&) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease(); // NOLINT(bugprone-exception-escape): see there

        Connection& operator*() const noexcept { return *connection_; }
        Connection* operator->() const noexcept { return connection_.get(); }
        /// Whether the connection was made for this loan.
        [[nodiscard]] bool is_new() const noexcept { return is_new_; }
        /// Whether another server has taken the place of this one, by all that is known: several hosts are named, and
        /// this primary takes no writes. What was just read may be the past. The connection is not lent again.
        [[nodiscard]] bool is_stale() const noexcept;

      private:
        friend class Pool;
        Lease(std::shared_ptr<State> state, std::unique_ptr<Connection> connection) noexcept;

        std::shared_ptr<State> state_;
        std::unique_ptr<Connection> connection_;
        bool is_new_ = false;
    };

    Pool(const boost::asio::any_io_executor& executor, PoolOptions options);

    /// A connection that works, first come, first served. Throws Error `cannot_connect` when none is free, or none can
    /// be made, within the wait limit, which it tells apart for those in the queue too, and at once what does not pass
    /// by itself: `refused` when the database has no extension pdpp, and a connection that the server does not allow.
    boost::asio::awaitable<Lease> acquire();

    /// The pool as of now.
    struct Usage {
        std::size_t open;    ///< connections, those that are being made included
        std::size_t busy;    ///< of them: on loan
        std::size_t waiting; ///< calls of acquire() in the queue
    };
    [[nodiscard]] Usage usage() const noexcept;

  private:
    std::shared_ptr<State> state_;
};

} // namespace pdpp::pq
