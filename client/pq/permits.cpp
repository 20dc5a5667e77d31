#include "pq/permits.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

/// Somebody in line. The timer is his patience; cancelling it is the call to come.
struct Permits::Waiter {
    Waiter(const asio::any_io_executor& executor, asio::steady_timer::time_point deadline)
        : patience(executor, deadline) {}
    asio::steady_timer patience;
    bool called = false;
};

Permits::Permits(asio::any_io_executor executor, std::size_t count) : executor_(std::move(executor)), count_(count) {}

Permits::~Permits() = default;

asio::awaitable<bool> Permits::take(std::chrono::steady_clock::time_point deadline) {
    if (taken_ < count_) {
        ++taken_;
        co_return true;
    }
    const auto waiter = std::make_shared<Waiter>(executor_, deadline);
    const auto place = line_.insert(line_.end(), waiter);
    boost::system::error_code ignored;
    co_await waiter->patience.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (!waiter->called) {
        line_.erase(place);
    }
    co_return waiter->called;
}

void Permits::give() {
    if (line_.empty()) {
        --taken_;
        return;
    }
    line_.front()->called = true;
    line_.front()->patience.cancel();
    line_.pop_front();
}

} // namespace pdpp::pq
