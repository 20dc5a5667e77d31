// The memory for statuses that never change: what it finds, and how much it keeps.

#include <boost/test/unit_test.hpp>

#include "http/runs/status_cache.hpp"
#include "pq/run_channel.hpp"

using namespace pdpp::http;

namespace {

/// As it is kept; the text is not looked at.
RunStatus shown(std::string_view body) {
    return {.body = body, .etag = "\"tag\"", .status = {}, .trace_id = {}, .timeline_link = {}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_status_cache)

BOOST_AUTO_TEST_CASE(what_is_kept_is_found_under_exactly_its_id) {
    StatusCache cache(1 << 20);
    BOOST_TEST(!cache.find("run_1"));
    cache.insert("run_1", shown("body"));
    BOOST_TEST(cache.find("run_1")->body == "body");
    for (const std::string_view other : {"RUN_1", "run_1 ", "run_", "run_11", ""}) {
        BOOST_TEST(!cache.find(other), other);
    }
    BOOST_TEST(!cache.find(std::string_view("run_1\0", 6)));
}

BOOST_AUTO_TEST_CASE(keeping_twice_keeps_once) {
    StatusCache cache(1 << 20);
    cache.insert("run_1", shown("body"));
    const auto bytes = cache.bytes();
    cache.insert("run_1", shown("body"));
    BOOST_TEST(cache.bytes() == bytes);
    BOOST_TEST(cache.entries() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_kept_again_takes_the_place_of_what_was) {
    StatusCache cache(1 << 20);
    cache.insert("run_1", shown("body"));
    cache.insert("run_1", shown("another"));
    BOOST_TEST(cache.find("run_1")->body == "another");
    BOOST_TEST(cache.entries() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_in_doubt_is_not_fresh_but_there) {
    StatusCache cache(1 << 20);
    const auto now = StatusCache::Clock::now();
    cache.insert("run_1", shown("body"), now);
    cache.insert("run_2", shown("body"), now);
    cache.doubt(pdpp::pq::run_number("run_3"));
    cache.doubt(pdpp::pq::run_number("run_2"));
    BOOST_TEST(cache.find_fresh("run_1", now));
    BOOST_TEST(!cache.find_fresh("run_2", now));
    BOOST_TEST(cache.find("run_2"));
    cache.insert("run_2", shown("another"), now);
    BOOST_TEST(cache.find_fresh("run_2", now)->body == "another");
    cache.doubt_all();
    BOOST_TEST(!cache.find_fresh("run_1", now));
    BOOST_TEST(!cache.find_fresh("run_2", now));
    BOOST_TEST(cache.entries() == 2U);
}

BOOST_AUTO_TEST_CASE(what_was_kept_for_long_is_not_fresh) {
    StatusCache cache(1 << 20);
    const auto now = StatusCache::Clock::now();
    cache.insert("run_1", shown("body"), now);
    BOOST_TEST(cache.find_fresh("run_1", now));
    BOOST_TEST(cache.find_fresh("run_1", now + StatusCache::good_for - std::chrono::milliseconds(1)));
    BOOST_TEST(!cache.find_fresh("run_1", now + StatusCache::good_for));
    BOOST_TEST(cache.find("run_1")); // all the same
    cache.insert("run_1", shown("body"), now + StatusCache::good_for);
    BOOST_TEST(cache.find_fresh("run_1", now + StatusCache::good_for));
    BOOST_TEST(!cache.find_fresh("run_2", now));
}

BOOST_AUTO_TEST_CASE(memory_is_bounded) {
    constexpr std::size_t capacity = 100'000;
    StatusCache cache(capacity);
    for (int i = 0; i < 10'000; ++i) {
        cache.insert("run_" + std::to_string(i), shown(std::string(1 + i % 700, 'x')));
        BOOST_REQUIRE(cache.bytes() <= capacity);
    }
    BOOST_TEST(cache.entries() > 50U);
    BOOST_TEST(cache.bytes() > capacity / 2);
    BOOST_TEST(cache.find("run_9999"));
    BOOST_TEST(!cache.find("run_0"));
}

BOOST_AUTO_TEST_CASE(what_nobody_asks_for_goes_first) {
    StatusCache measure(1 << 20);
    measure.insert("1", shown("body"));
    StatusCache cache(3 * measure.bytes());
    for (const auto* const id : {"1", "2", "3"}) {
        cache.insert(id, shown("body"));
    }
    BOOST_TEST(cache.find("1"));
    cache.insert("4", shown("body"));
    BOOST_TEST(cache.find("1"));
    BOOST_TEST(!cache.find("2"));
    BOOST_TEST(cache.entries() == 3U);
}

BOOST_AUTO_TEST_CASE(a_memory_full_of_what_is_wanted_takes_what_is_new) {
    StatusCache measure(1 << 20);
    measure.insert("100", shown("body"));
    StatusCache cache(100 * measure.bytes());
    for (int i = 100; i < 300; ++i) {
        cache.insert(std::to_string(i), shown("body"));
        for (int wanted = 100; wanted <= i; ++wanted) {
            cache.find(std::to_string(wanted));
        }
        BOOST_TEST(cache.find(std::to_string(i)), i);
    }
    BOOST_TEST(cache.entries() == 100U);
}

BOOST_AUTO_TEST_CASE(what_is_too_large_is_not_kept_and_drives_nothing_out) {
    StatusCache cache(2000);
    cache.insert("small", shown("body"));
    cache.insert("large", shown(std::string(5000, 'x')));
    BOOST_TEST(!cache.find("large"));
    BOOST_TEST(cache.find("small"));
    StatusCache none(0);
    none.insert("small", shown("body"));
    BOOST_TEST(!none.find("small"));
    BOOST_TEST(none.bytes() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
