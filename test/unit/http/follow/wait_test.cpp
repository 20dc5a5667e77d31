// For how long a client would like to wait.

#include <boost/test/unit_test.hpp>

#include "http/follow/wait.hpp"

using namespace pdpp::http;

namespace {

/// In seconds; -1 without a wish.
long wanted(std::string_view prefer) {
    Request request;
    request.set(field::prefer, prefer);
    const auto wait = wanted_wait(request, std::chrono::seconds(60));
    return wait ? wait->count() : -1;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_wait)

BOOST_AUTO_TEST_CASE(whole_seconds_up_to_the_limit) {
    BOOST_TEST(wanted("wait=0") == 0);
    BOOST_TEST(wanted("respond-async, wait=10") == 10);
    BOOST_TEST(wanted("wait=060") == 60);
    BOOST_TEST(wanted("wait=61") == 60);
    BOOST_TEST(wanted("wait=99999999999999999999999") == 60);
}

BOOST_AUTO_TEST_CASE(anything_else_is_no_wish) {
    for (const auto* prefer :
         {"", "wait", "wait=", "wait=-1", "wait=+1", "wait=1.5", "wait=1s", "wait=\"1 \"", "x=1"}) {
        BOOST_TEST(wanted(prefer) == -1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
