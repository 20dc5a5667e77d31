// Remembering tokens: under themselves only, and not without bound.

#include <boost/test/unit_test.hpp>

#include "http/owner/verified_sessions.hpp"

#include <string>

using namespace pdpp::http;

BOOST_AUTO_TEST_SUITE(http_verified_sessions)

BOOST_AUTO_TEST_CASE(a_token_is_known_once_it_is_remembered) {
    VerifiedSessions sessions;
    BOOST_TEST(!sessions.expiry_of("token"));
    sessions.remember("token", 42);
    BOOST_TEST(sessions.expiry_of("token").value() == 42);
    for (const auto* const other : {"Token", "token ", "toke", ""}) {
        BOOST_TEST(!sessions.expiry_of(other), other);
    }
}

BOOST_AUTO_TEST_CASE(the_one_that_expires_first_goes_first) {
    VerifiedSessions sessions(2);
    sessions.remember("long", 300);
    sessions.remember("short", 100);
    sessions.remember("middle", 200);
    BOOST_TEST(sessions.size() == 2U);
    BOOST_TEST(sessions.expiry_of("long").has_value());
    BOOST_TEST(sessions.expiry_of("middle").has_value());
    BOOST_TEST(!sessions.expiry_of("short"));
}

BOOST_AUTO_TEST_SUITE_END()
