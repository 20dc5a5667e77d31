// Counting wrong passwords.

#include <boost/test/unit_test.hpp>

#include "http/owner/login_throttle.hpp"

using pdpp::http::LoginThrottle;
using namespace std::chrono_literals;

namespace {

const LoginThrottle::Time start{1000h};

void fail(LoginThrottle& throttle, const std::string& peer, LoginThrottle::Time now, int times) {
    for (int i = 0; i < times; ++i) {
        BOOST_TEST(!throttle.must_wait(peer, now));
        throttle.failed(peer, now);
    }
}

std::int64_t wait(LoginThrottle& throttle, std::string_view peer, LoginThrottle::Time now) {
    return throttle.must_wait(peer, now).value_or(0s).count();
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_login_throttle)

BOOST_AUTO_TEST_CASE(five_a_minute_from_one_peer) {
    LoginThrottle throttle;
    fail(throttle, "a", start, 1);
    fail(throttle, "a", start + 10s, 4);
    BOOST_TEST(wait(throttle, "a", start + 10s) == 50);
    BOOST_TEST(wait(throttle, "a", start + 59'001ms) == 1);
    BOOST_TEST(wait(throttle, "b", start + 10s) == 0);
    BOOST_TEST(wait(throttle, "a", start + 60s) == 0);
    fail(throttle, "a", start + 60s, 1);
    BOOST_TEST(wait(throttle, "a", start + 60s) == 10);
}

BOOST_AUTO_TEST_CASE(thirty_a_minute_from_all) {
    LoginThrottle throttle;
    for (int peer = 0; peer < 6; ++peer) {
        fail(throttle, std::to_string(peer), start + std::chrono::seconds(peer), 5);
    }
    BOOST_TEST(wait(throttle, "new", start + 5s) == 55);
    BOOST_TEST(wait(throttle, "5", start + 5s) == 60);
    BOOST_TEST(wait(throttle, "new", start + 60s) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
