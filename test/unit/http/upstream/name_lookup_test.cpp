// Looking the server's name up: nobody waits for longer than he will, however long the system's resolver takes.

#include <boost/test/unit_test.hpp>

#include "http/upstream/links.hpp"
#include "http/upstream/name_lookup.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <cstring>
#include <exception>
#include <functional>
#include <latch>
#include <memory>

using namespace pdpp::http;
namespace asio = boost::asio;

namespace {

constexpr auto silent_name = "silent.invalid";

/// Of the name that nobody answers about.
std::atomic<int> questions = 0;
std::unique_ptr<std::latch> silence;

} // namespace

/// Stands before the system's, for the whole program: one name is not answered until `silence` ends.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
    static const auto next = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    if (node != nullptr && std::strcmp(node, silent_name) == 0) {
        ++questions;
        silence->wait();
        node = "127.0.0.1";
    }
    return next(node, service, hints, found);
}

namespace {

constexpr std::chrono::milliseconds soon(10);

/// Runs `work` while the name is not answered.
void in_silence(const std::function<asio::awaitable<void>()>& work) {
    questions = 0;
    silence = std::make_unique<std::latch>(1);
    asio::io_context loop;
    std::exception_ptr failure;
    asio::co_spawn(loop, work, [&](std::exception_ptr thrown) {
        failure = thrown;
        if (!silence->try_wait()) {
            silence->count_down(); // else the resolver would keep the loop from ending
        }
    });
    loop.run();
    BOOST_TEST((failure == nullptr));
}

std::chrono::steady_clock::time_point later() {
    return std::chrono::steady_clock::now() + soon;
}

constexpr auto forever = std::chrono::steady_clock::time_point::max();

} // namespace

BOOST_AUTO_TEST_SUITE(name_lookup)

BOOST_AUTO_TEST_CASE(a_resolver_that_is_silent_holds_nobody) {
    in_silence([]() -> asio::awaitable<void> {
        NameLookup lookup(co_await asio::this_coro::executor, silent_name, "80");
        for (int i = 0; i < 3; ++i) {
            const auto answer = co_await lookup.answer(later());
            BOOST_TEST(answer.failure == asio::error::timed_out);
        }
        BOOST_TEST(questions == 1); // the first is still out
    });
}

BOOST_AUTO_TEST_CASE(what_it_says_at_last_is_for_whoever_waits_then) {
    in_silence([]() -> asio::awaitable<void> {
        NameLookup lookup(co_await asio::this_coro::executor, silent_name, "80");
        const auto late = co_await lookup.answer(later());
        BOOST_TEST(late.failure == asio::error::timed_out);
        silence->count_down();
        const auto answer = co_await lookup.answer(forever);
        BOOST_TEST(!answer.failure);
        BOOST_REQUIRE(!answer.endpoints.empty());
        BOOST_TEST(answer.endpoints.begin()->endpoint() ==
                   asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), 80));
        co_await lookup.answer(forever);
        BOOST_TEST(questions == 2); // what was answered is asked again
    });
}

BOOST_AUTO_TEST_CASE(a_connection_is_given_up_in_time) {
    in_silence([]() -> asio::awaitable<void> {
        Links links(co_await asio::this_coro::executor, parse_upstream("http://silent.invalid:80"), soon);
        const auto [link, failure] = co_await links.connect();
        BOOST_TEST(failure == asio::error::timed_out);
        BOOST_TEST(!link);
    });
}

BOOST_AUTO_TEST_SUITE_END()
