// Permits: so many at once, in the order of coming, for as long as one's patience lasts.

#include <boost/test/unit_test.hpp>

#include "pq/permits.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <vector>

using namespace pdpp;
namespace asio = boost::asio;

namespace {

constexpr auto for_ever = std::chrono::steady_clock::time_point::max();

asio::awaitable<void> queue_up(pq::Permits& permits, std::vector<int>& served, int who,
                               std::chrono::steady_clock::time_point deadline) {
    const bool has_one = co_await permits.take(deadline);
    served.push_back(has_one ? who : -who);
}

} // namespace

BOOST_AUTO_TEST_SUITE(permits)

BOOST_AUTO_TEST_CASE(first_come_first_served) {
    asio::io_context loop;
    pq::Permits permits(loop.get_executor(), 2);
    std::vector<int> served;
    for (const int who : {1, 2, 3, 4}) {
        asio::co_spawn(loop, queue_up(permits, served, who, for_ever), asio::detached);
    }
    loop.poll();
    BOOST_TEST(served == (std::vector{1, 2}));
    BOOST_TEST(permits.taken() == 2);
    BOOST_TEST(permits.waiting() == 2);
    permits.give();
    loop.poll();
    BOOST_TEST(served == (std::vector{1, 2, 3}));
    BOOST_TEST(permits.taken() == 2);
    for (int i = 0; i < 3; ++i) {
        permits.give();
    }
    loop.poll();
    BOOST_TEST(served == (std::vector{1, 2, 3, 4}));
    BOOST_TEST(permits.taken() == 0);
    BOOST_TEST(permits.waiting() == 0);
}

BOOST_AUTO_TEST_CASE(who_has_waited_enough_leaves_the_line) {
    asio::io_context loop;
    pq::Permits permits(loop.get_executor(), 1);
    std::vector<int> served;
    asio::co_spawn(loop, queue_up(permits, served, 1, for_ever), asio::detached);
    asio::co_spawn(loop, queue_up(permits, served, 2, std::chrono::steady_clock::now()), asio::detached);
    loop.run();
    BOOST_TEST(served == (std::vector{1, -2}));
    BOOST_TEST(permits.waiting() == 0);
    permits.give();
    BOOST_TEST(permits.taken() == 0);
}

BOOST_AUTO_TEST_CASE(who_is_called_when_patience_ends_has_a_permit) {
    asio::io_context loop;
    pq::Permits permits(loop.get_executor(), 1);
    std::vector<int> served;
    asio::co_spawn(loop, queue_up(permits, served, 1, for_ever), asio::detached);
    asio::co_spawn(loop, queue_up(permits, served, 2, std::chrono::steady_clock::now()), asio::detached);
    while (served.empty() || permits.waiting() == 0) {
        loop.run_one();
    }
    permits.give();
    loop.restart();
    loop.run();
    BOOST_TEST(served == (std::vector{1, 2}));
    BOOST_TEST(permits.taken() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
