// Several event loops: what is done on each, in which order, and how they end.

#include <boost/test/unit_test.hpp>

#include "http/wire/loops.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace pdpp::http;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr std::size_t count = 4;

/// Runs loops, with `work` on that of a number, until it is done.
template <typename Work>
void run(Loops& loops, std::size_t number, Work work) {
    asio::co_spawn(
        loops[number],
        [&loops, work]() -> asio::awaitable<void> {
            co_await work();
            loops.stop();
        },
        asio::detached);
    loops.run();
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_loops)

BOOST_AUTO_TEST_CASE(what_is_awaited_is_done_on_each_by_its_own_thread) {
    for (std::size_t number = 0; number < count; ++number) {
        Loops loops(count);
        std::vector<std::thread::id> done(count);
        bool is_back = false;
        run(loops, number, [&]() -> asio::awaitable<void> {
            const auto own = std::this_thread::get_id();
            Loops::Act act = [&](std::size_t at) { done[at] = std::this_thread::get_id(); };
            co_await loops.do_on_each(std::move(act));
            is_back = own == std::this_thread::get_id() && own == done[number];
        });
        BOOST_TEST(is_back);
        BOOST_TEST(std::set(done.begin(), done.end()).size() == count);
    }
}

BOOST_AUTO_TEST_CASE(each_is_told_all_in_order) {
    Loops loops(count);
    constexpr int told = 1000;
    std::vector<std::vector<int>> heard(count);
    run(loops, 0, [&]() -> asio::awaitable<void> {
        for (int i = 0; i < told; ++i) {
            loops.tell_each([&heard, i](std::size_t at) { heard[at].push_back(i); });
        }
        Loops::Act nothing = [](std::size_t) {};
        co_await loops.do_on_each(std::move(nothing));
    });
    for (const auto& each : heard) {
        BOOST_TEST(each.size() == told);
        BOOST_TEST(std::is_sorted(each.begin(), each.end()));
    }
}

BOOST_AUTO_TEST_CASE(what_is_thrown_comes_back) {
    for (const std::size_t thrower : {0, 3}) {
        Loops loops(count);
        std::atomic<std::size_t> done = 0;
        std::string thrown;
        run(loops, 1, [&]() -> asio::awaitable<void> {
            Loops::Act act = [&](std::size_t at) {
                ++done;
                if (at == thrower) {
                    throw std::runtime_error("no");
                }
            };
            try {
                co_await loops.do_on_each(std::move(act));
            } catch (const std::runtime_error& error) {
                thrown = error.what();
            }
        });
        BOOST_TEST(thrown == "no");
        BOOST_TEST(done == count);
    }
}

BOOST_AUTO_TEST_CASE(a_loop_goes_on_over_what_is_thrown_there) {
    Loops loops(2);
    std::atomic<int> done = 0;
    run(loops, 0, [&]() -> asio::awaitable<void> {
        for (std::size_t at = 0; at < 2; ++at) {
            asio::post(loops[at], [] { throw std::runtime_error("nobody expects this"); });
        }
        Loops::Act act = [&](std::size_t) { ++done; };
        co_await loops.do_on_each(std::move(act));
    });
    BOOST_TEST(done == 2);
}

BOOST_AUTO_TEST_CASE(one_loop_does_it_at_once) {
    Loops loops(1);
    std::string order;
    run(loops, 0, [&]() -> asio::awaitable<void> {
        loops.tell_each([&](std::size_t) { order += "told "; });
        order += "then ";
        Loops::Act act = [&](std::size_t) { order += "done"; };
        co_await loops.do_on_each(std::move(act));
    });
    BOOST_TEST(order == "told then done");
}

/// The frames that are left over are destroyed when nothing runs any more, those of the first loop last.
BOOST_AUTO_TEST_CASE(who_waits_for_another_loop_when_all_stop_is_dropped) {
    struct Noted {
        std::vector<std::string>& gone;
        std::string name;
        ~Noted() { gone.push_back(name); }
    };
    std::vector<std::string> gone;
    {
        Loops loops(3);
        for (std::size_t at = 0; at < 3; ++at) {
            asio::co_spawn(
                loops[at],
                [&loops, &gone, at]() -> asio::awaitable<void> {
                    const Noted noted{gone, std::to_string(at)};
                    asio::steady_timer timer(loops[at], 1h);
                    co_await timer.async_wait(asio::use_awaitable);
                },
                asio::detached);
        }
        run(loops, 0, [&]() -> asio::awaitable<void> {
            Loops::Act nothing = [](std::size_t) {};
            co_await loops.do_on_each(std::move(nothing));
        });
    }
    BOOST_TEST(gone == (std::vector<std::string>{"2", "1", "0"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
