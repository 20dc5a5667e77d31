// Hints that wait to be sent, and how many the server's queue of notifications takes.

#include <boost/test/unit_test.hpp>

#include "run/notify_queue.hpp"
#include "store/hint_ring.hpp"

#include <memory>
#include <vector>

using namespace pdpp::store;
using pdpp::run::hints_that_fit;

namespace {

std::vector<std::uint64_t> waiting(const HintRing& ring) {
    std::vector<std::uint64_t> all;
    for (std::uint64_t number = ring.first; number != ring.next; ++number) {
        all.push_back(ring.hints.at(number % HintRing::capacity));
    }
    return all;
}

std::vector<std::uint64_t> numbers(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> all;
    for (std::uint64_t n = from; n < to; ++n) {
        all.push_back(n);
    }
    return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(hints)

BOOST_AUTO_TEST_CASE(the_ring_goes_round_and_takes_what_was_reserved) {
    const auto ring = std::make_unique<HintRing>();
    std::int64_t now = 1;
    std::uint64_t next = 0;
    for (int lap = 0; lap < 200; ++lap) {
        BOOST_REQUIRE(ring->reserve(32, now));
        const auto fresh = numbers(next, next + 32);
        ring->put(fresh, now);
        BOOST_TEST(waiting(*ring) == fresh, boost::test_tools::per_element());
        next += 32;
        ring->remove_before(next, ++now);
    }
    BOOST_TEST(ring->empty());
    BOOST_TEST(ring->reserved == 0U);
}

BOOST_AUTO_TEST_CASE(room_that_is_promised_is_kept) {
    const auto ring = std::make_unique<HintRing>();
    BOOST_TEST(ring->reserve(HintRing::capacity, 1));
    BOOST_TEST(!ring->reserve(1, 1));
    ring->release(1);
    BOOST_TEST(ring->reserve(1, 1));
    ring->put(numbers(0, HintRing::capacity), 1);
    BOOST_TEST(!ring->reserve(1, 1));
    ring->remove_before(1, 2);
    BOOST_TEST(ring->reserve(1, 2));
}

BOOST_AUTO_TEST_CASE(the_oldest_has_waited_too_long) {
    const auto ring = std::make_unique<HintRing>();
    BOOST_TEST(ring->reserve(2, 1000));
    ring->put(numbers(0, 2), 1000);
    BOOST_TEST(ring->reserve(1, 1000 + HintRing::patience));
    BOOST_TEST(!ring->reserve(1, 1001 + HintRing::patience));
    ring->remove_before(1, 1001 + HintRing::patience); // the worker gets to it
    BOOST_TEST(ring->reserve(1, 1002 + HintRing::patience));
    ring->remove_before(0, 0); // what another has removed stays removed
    BOOST_TEST(ring->first == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_being_sent_may_wait_longer) {
    const auto ring = std::make_unique<HintRing>();
    BOOST_TEST(ring->reserve(2, 1000));
    ring->put(numbers(0, 2), 1000);
    BOOST_TEST(ring->begin_to_send() == 2U);
    BOOST_TEST(ring->reserve(1, 1001 + HintRing::patience));
    ring->put(numbers(2, 3), 1001 + HintRing::patience);
    BOOST_TEST(!ring->reserve(1, 1001 + HintRing::patience_in_line));
    ring->remove_before(2, 1002 + HintRing::patience_in_line);
    BOOST_TEST(ring->reserve(1, 1002 + HintRing::patience_in_line));
    ring->release(1);
    BOOST_TEST(!ring->reserve(1, 1003 + HintRing::patience_in_line + HintRing::patience)); // not taken up again
}

BOOST_AUTO_TEST_CASE(the_queue_keeps_room_for_others) {
    constexpr double gigabytes = 1048576; // pages
    BOOST_TEST(hints_that_fit(0, gigabytes) > 100'000'000U);
    BOOST_TEST(hints_that_fit(0.87, gigabytes) > 100'000U);
    BOOST_TEST(hints_that_fit(0.875, gigabytes) == 0U);
    BOOST_TEST(hints_that_fit(1, gigabytes) == 0U);
    // the least that max_notify_queue_pages allows: so many hints take 44 bytes each of at most 55 pages
    BOOST_TEST(hints_that_fit(0, 64) > 1024U);
    BOOST_TEST(hints_that_fit(0, 64) * 44 <= 55U * 8192);
    BOOST_TEST(hints_that_fit(0.5, 64) * 44 <= 23U * 8192);
    BOOST_TEST(hints_that_fit(0.86, 64) == 0U); // less than a page
}

BOOST_AUTO_TEST_SUITE_END()
