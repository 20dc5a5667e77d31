#pragma once
// What a coroutine waits on until another has something for it. A wake-up that comes while nobody waits is kept, so
// none is lost; several are one.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace pdpp::pq {

class Wake {
  public:
    using Clock = boost::asio::steady_timer::clock_type;

    explicit Wake(const boost::asio::any_io_executor& executor) : timer_(executor) {}

    void up() {
        called_ = true;
        timer_.cancel();
    }

    /// Returns when up() was called, since the last return at the latest, or at `latest`. Throws when it is cancelled.
    /// For one coroutine at a time.
    boost::asio::awaitable<void> wait(Clock::time_point latest = Clock::time_point::max()) {
        namespace asio = boost::asio;
        while (!called_ && Clock::now() < latest) {
            timer_.expires_at(latest);
            co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
            // on a line of its own: inside the condition gcc 12 spoils the coroutine's frame
            const auto cancellation = co_await asio::this_coro::cancellation_state;
            if (cancellation.cancelled() != asio::cancellation_type::none) {
                throw boost::system::system_error(asio::error::operation_aborted);
            }
        }
        called_ = false;
    }

  private:
    boost::asio::steady_timer timer_;
    bool called_ = false;
};

} // namespace pdpp::pq
