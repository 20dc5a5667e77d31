// A condition: any number wait for it, each until it holds.

#include <boost/test/unit_test.hpp>

#include "pq/condition.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

using namespace pdpp;
namespace asio = boost::asio;

namespace {

asio::awaitable<void> wait_until_above(pq::Condition& condition, const int& number, int bound, int& through) {
    co_await condition.until([&] { return number > bound; });
    ++through;
}

} // namespace

BOOST_AUTO_TEST_SUITE(conditions)

BOOST_AUTO_TEST_CASE(each_waits_until_it_holds) {
    asio::io_context loop;
    pq::Condition condition(loop.get_executor());
    int number = 1;
    int through = 0;
    for (const int bound : {0, 1, 1, 2}) {
        asio::co_spawn(loop, wait_until_above(condition, number, bound, through), asio::detached);
    }
    loop.poll();
    BOOST_TEST(through == 1); // what holds already is not waited for
    condition.changed();
    loop.poll();
    BOOST_TEST(through == 1);
    number = 2;
    condition.changed();
    loop.poll();
    BOOST_TEST(through == 3);
    number = 3;
    condition.changed();
    loop.run();
    BOOST_TEST(through == 4);
}

BOOST_AUTO_TEST_SUITE_END()
