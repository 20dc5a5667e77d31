#pragma once
// Pauses between attempts, each twice as long as the one before.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>

namespace pdpp::pq {

class Backoff {
  public:
    Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest)
        : first_(first), longest_(longest), next_(first) {}

    /// After an attempt that went well the next pause is the first one again.
    void reset() noexcept { next_ = first_; }

    /// No attempt has failed yet, or since one went well.
    [[nodiscard]] bool is_fresh() const noexcept { return next_ == first_; }

    boost::asio::awaitable<void> pause() {
        const auto executor = co_await boost::asio::this_coro::executor;
        boost::asio::steady_timer timer(executor, next_);
        next_ = std::min(2 * next_, longest_);
        co_await timer.async_wait(boost::asio::use_awaitable);
    }

  private:
    std::chrono::milliseconds first_;
    std::chrono::milliseconds longest_;
    std::chrono::milliseconds next_;
};

} // namespace pdpp::pq
