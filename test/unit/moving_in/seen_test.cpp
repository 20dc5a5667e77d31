// Numbers that were seen, and where others may turn up.

#include <boost/test/unit_test.hpp>

#include "moving_in/seen.hpp"

#include <limits>
#include <set>

using namespace pdpp::moving_in;

namespace {

constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
constexpr auto highest = std::numeric_limits<std::int64_t>::max();

bool is_missing(const SeenNumbers& seen, std::int64_t number) {
    bool found = false;
    for (const Range& range : seen.missing(0, 1000, 3)) {
        found = found || (range.first <= number && number <= range.last);
    }
    return found;
}

} // namespace

BOOST_AUTO_TEST_SUITE(seen_numbers)

BOOST_AUTO_TEST_CASE(a_number_is_seen_or_missing_in_whatever_order_they_come) {
    SeenNumbers seen;
    std::set<std::int64_t> all;
    std::uint32_t random = 7;
    for (int i = 0; i < 3000; ++i) {
        random = random * 1664525 + 1013904223;
        const std::int64_t number = (random >> 8) % 500;
        const std::int64_t length = (random >> 20) % 4;
        seen.add({number, number + length});
        for (auto each = number; each <= number + length; ++each) {
            all.insert(each);
        }
        for (const std::int64_t each : {number - 1, number, number + length + 1, std::int64_t{random % 500}}) {
            BOOST_REQUIRE_EQUAL(seen.contains(each), all.contains(each));
            BOOST_REQUIRE_EQUAL(is_missing(seen, each), !all.contains(each));
        }
    }
}

BOOST_AUTO_TEST_CASE(at_both_ends_there_may_be_more) {
    SeenNumbers seen;
    BOOST_TEST((seen.missing(0, 1, 1) == std::vector<Range>{{lowest, highest}}));
    seen.add({5, 7});
    BOOST_TEST((seen.missing(0, 1, 0) == std::vector<Range>{{lowest, 4}, {8, highest}}));
    BOOST_TEST((seen.missing(0, 1, 1) == std::vector<Range>{{lowest, 4}, {8, highest}}));
    seen.add({highest, highest});
    seen.add({lowest, lowest});
    BOOST_TEST(seen.gaps() == 3);
    BOOST_TEST((seen.missing(0, 10, 0) == std::vector<Range>{{lowest + 1, 4}, {8, highest - 1}}));
    BOOST_TEST((seen.missing(0, 0, 2) == std::vector<Range>{{lowest + 1, 4}, {8, highest - 1}}));
}

BOOST_AUTO_TEST_CASE(few_gaps_at_a_time_take_turns_but_for_the_newest) {
    SeenNumbers seen;
    for (std::int64_t number = 0; number < 10; ++number) {
        seen.add({number * 2, number * 2});
    }
    std::set<std::int64_t> looked_at;
    for (std::size_t from = 0; from < 8; from += 3) {
        const auto ranges = seen.missing(from, 3, 2);
        BOOST_TEST(ranges.size() == 6);
        BOOST_TEST((ranges[3] == Range{15, 15}));
        BOOST_TEST((ranges[4] == Range{17, 17}));
        BOOST_TEST((ranges.back() == Range{19, highest}));
        for (const Range& range : ranges) {
            looked_at.insert(range.last);
        }
    }
    BOOST_TEST(looked_at.size() == 11);
}

BOOST_AUTO_TEST_SUITE_END()
