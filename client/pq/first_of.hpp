#pragma once
// Two coroutines side by side until the first of them is through.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace pdpp::pq {

/// Runs both; when one ends, the other is cancelled and waited for, and the error of the one that ended first is thrown
/// if it had one. Unlike Asio's `||`, which waits on when the first to end has failed.
inline boost::asio::awaitable<void> first_of(boost::asio::awaitable<void> left, boost::asio::awaitable<void> right) {
    namespace asio = boost::asio;
    const auto executor = co_await asio::this_coro::executor;
    auto [order, left_error, right_error] =
        co_await asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(left), asio::deferred),
                                                         asio::co_spawn(executor, std::move(right), asio::deferred))
            .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    const auto error = order[0] == 0 ? left_error : right_error;
    if (error) {
        std::rethrow_exception(error);
    }
}

} // namespace pdpp::pq
