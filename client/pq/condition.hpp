#pragma once
// What coroutines wait on until something is as they want it. Unlike a Wake it is for any number of them, and keeps
// nothing: each looks for itself whether it has to wait.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pdpp::pq {

class Condition {
  public:
    explicit Condition(const boost::asio::any_io_executor& executor)
        : timer_(executor, boost::asio::steady_timer::time_point::max()) {}

    /// All who wait look again.
    void changed() { timer_.cancel(); }

    /// Returns when `holds()`, which is asked at once and after each change. Throws when it is cancelled.
    template <typename Predicate>
    boost::asio::awaitable<void> until(Predicate holds) {
        namespace asio = boost::asio;
        while (!holds()) {
            co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }

  private:
    boost::asio::steady_timer timer_;
};

} // namespace pdpp::pq
