// Random ids.

#include <boost/test/unit_test.hpp>

#include "pq/random.hpp"

#include <regex>

using namespace pdpp::pq;

BOOST_AUTO_TEST_SUITE(pq_random)

BOOST_AUTO_TEST_CASE(random_ids_are_hex_and_differ) {
    const auto id = random_hex(16);
    BOOST_TEST(std::regex_match(id, std::regex("[0-9a-f]{32}")));
    BOOST_TEST(id != random_hex(16));
}

BOOST_AUTO_TEST_SUITE_END()
