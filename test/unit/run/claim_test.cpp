// Whether a run that waits can still be claimed, whatever is known of the time.

#include <boost/test/unit_test.hpp>

#include "run/claim.hpp"

using namespace pdpp::run;

namespace {

constexpr std::int64_t claim_second = 1'000'000;
constexpr Instant claim_noon{1'800'000'000 * claim_second};

constexpr Instant at(std::int64_t seconds) {
    return later(claim_noon, seconds * claim_second);
}

/// A server since noon, `now` seconds later.
ClaimTime claim_time_at(std::int64_t now, std::int64_t anew_until = 60) {
    return {.after = at(now), .serving_since = claim_noon, .anew_until = at(anew_until)};
}

} // namespace

BOOST_AUTO_TEST_SUITE(claim)

BOOST_AUTO_TEST_CASE(until_the_launch_deadline) {
    BOOST_TEST(is_in_time(at(10), at(70), claim_time_at(69)));
    BOOST_TEST(!is_in_time(at(10), at(70), claim_time_at(70)));
    BOOST_TEST(!is_in_time(at(0), at(60), claim_time_at(61)));
}

BOOST_AUTO_TEST_CASE(time_before_the_server_served_does_not_count) {
    BOOST_TEST(is_in_time(at(-3600), at(-3540), claim_time_at(59)));
    BOOST_TEST(!is_in_time(at(-3600), at(-3540), claim_time_at(60)));
}

BOOST_AUTO_TEST_CASE(a_deadline_that_was_set_anew) {
    BOOST_TEST(is_in_time(at(3600), at(30), claim_time_at(31)));
    BOOST_TEST(!is_in_time(at(3600), at(30), claim_time_at(61)));
}

BOOST_AUTO_TEST_CASE(admitted_at_a_time_to_come) {
    BOOST_TEST(is_in_time(at(100), at(160), claim_time_at(31)));
    BOOST_TEST(is_in_time(at(100), at(100), claim_time_at(31)), "a deadline that is yet to come");
}

BOOST_AUTO_TEST_CASE(infinite_times) {
    constexpr Instant past{std::numeric_limits<std::int64_t>::min() + 1};
    constexpr Instant future{std::numeric_limits<std::int64_t>::max()};
    BOOST_TEST(is_in_time(at(10), future, claim_time_at(70)));
    BOOST_TEST(!is_in_time(at(-10), past, claim_time_at(1)));
    BOOST_TEST(!is_in_time(past, at(10), claim_time_at(70)));
    BOOST_TEST(!is_in_time(future, at(10), claim_time_at(70)));
}

BOOST_AUTO_TEST_SUITE_END()
