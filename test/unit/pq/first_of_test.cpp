// Two coroutines side by side: the first to end decides, also by failing, and the other does not go on.

#include <boost/test/unit_test.hpp>

#include "pq/first_of.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <stdexcept>

namespace asio = boost::asio;
using pdpp::pq::first_of;

namespace {

asio::awaitable<void> nothing_more() {
    co_return;
}

asio::awaitable<void> failure() {
    throw std::runtime_error("failed");
    co_return;
}

/// Waits for ever; `went_on` if it is let go otherwise than by being cancelled.
asio::awaitable<void> forever(bool& went_on) {
    asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await timer.async_wait(asio::use_awaitable);
    went_on = true;
}

/// Runs to the end: a coroutine that was left behind would keep the loop from ending.
std::exception_ptr run(asio::awaitable<void> work) {
    asio::io_context loop;
    std::exception_ptr error;
    asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown) { error = thrown; });
    loop.run();
    return error;
}

} // namespace

BOOST_AUTO_TEST_SUITE(side_by_side)

BOOST_AUTO_TEST_CASE(the_other_is_cancelled) {
    bool went_on = false;
    BOOST_TEST((run(first_of(nothing_more(), forever(went_on))) == nullptr));
    BOOST_TEST((run(first_of(forever(went_on), nothing_more())) == nullptr));
    BOOST_TEST(!went_on);
}

BOOST_AUTO_TEST_CASE(a_failure_ends_both) {
    bool went_on = false;
    BOOST_CHECK_THROW(std::rethrow_exception(run(first_of(forever(went_on), failure()))), std::runtime_error);
    BOOST_CHECK_THROW(std::rethrow_exception(run(first_of(failure(), forever(went_on)))), std::runtime_error);
    BOOST_TEST(!went_on);
}

BOOST_AUTO_TEST_SUITE_END()
