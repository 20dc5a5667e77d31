#pragma once
// A counting semaphore: so many permits, and a line of those who wait for one.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>

namespace pdpp::pq {

class Permits {
  public:
    Permits(boost::asio::any_io_executor executor, std::size_t count);
    ~Permits();
    Permits(const Permits&) = delete;
    Permits& operator=(const Permits&) = delete;

    /// First come, first served; false if it is not one's turn before `deadline`. Whoever waits keeps this alive.
    boost::asio::awaitable<bool> take(std::chrono::steady_clock::time_point deadline);

    /// Gives back one that was taken: to the first in line, if there is one.
    void give();

    [[nodiscard]] std::size_t taken() const noexcept { return taken_; }
    /// Those in line. There is nobody but while all permits are taken.
    [[nodiscard]] std::size_t waiting() const noexcept { return line_.size(); }

  private:
    struct Waiter;

    boost::asio::any_io_executor executor_;
    std::size_t count_;
    std::size_t taken_ = 0;
    std::list<std::shared_ptr<Waiter>> line_;
};

} // namespace pdpp::pq
