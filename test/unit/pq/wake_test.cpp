// Waking a coroutine: no wake-up is lost, and cancelling a wait ends it.

#include <boost/test/unit_test.hpp>

#include "pq/first_of.hpp"
#include "pq/wake.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

using namespace pdpp;
namespace asio = boost::asio;

namespace {

asio::awaitable<void> count_waits(pq::Wake& wake, int& waits, pq::Wake::Clock::time_point latest) {
    co_await wake.wait(latest);
    ++waits;
}

asio::awaitable<void> nothing() {
    co_return;
}

} // namespace

BOOST_AUTO_TEST_SUITE(wakes)

BOOST_AUTO_TEST_CASE(a_call_before_the_wait_is_kept_and_several_are_one) {
    asio::io_context loop;
    pq::Wake wake(loop.get_executor());
    int waits = 0;
    wake.up();
    wake.up();
    asio::co_spawn(loop, count_waits(wake, waits, pq::Wake::Clock::time_point::max()), asio::detached);
    loop.run();
    BOOST_TEST(waits == 1);
    loop.restart();
    asio::co_spawn(loop, count_waits(wake, waits, pq::Wake::Clock::time_point::max()), asio::detached);
    loop.poll();
    BOOST_TEST(waits == 1);
    wake.up();
    loop.restart();
    loop.run();
    BOOST_TEST(waits == 2);
}

BOOST_AUTO_TEST_CASE(the_latest_time) {
    asio::io_context loop;
    pq::Wake wake(loop.get_executor());
    int waits = 0;
    asio::co_spawn(loop, count_waits(wake, waits, pq::Wake::Clock::now() + std::chrono::milliseconds(5)),
                   asio::detached);
    loop.run();
    BOOST_TEST(waits == 1);
}

BOOST_AUTO_TEST_CASE(cancelling) {
    asio::io_context loop;
    pq::Wake wake(loop.get_executor());
    int waits = 0;
    asio::co_spawn(loop, pq::first_of(nothing(), count_waits(wake, waits, pq::Wake::Clock::time_point::max())),
                   asio::detached);
    loop.run();
    BOOST_TEST(waits == 0);
}

BOOST_AUTO_TEST_SUITE_END()
