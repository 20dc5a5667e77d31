// Points in time as bodies print them: RFC 3339 in UTC, three decimals, cut and not rounded.

#include <boost/test/unit_test.hpp>

#include "run/instant.hpp"

#include <array>
#include <cstddef>
#include <ctime>
#include <limits>
#include <string>

using namespace pdpp::run;

namespace {

constexpr std::int64_t one_second = 1'000'000;

std::string_view printed(std::int64_t unix_micros) {
    static Text<32> text;
    text = rfc3339(Instant{unix_micros});
    return text.view();
}

} // namespace

BOOST_AUTO_TEST_SUITE(run_instant)

BOOST_AUTO_TEST_CASE(the_epoch) {
    BOOST_TEST(printed(0) == "1970-01-01T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(an_ordinary_day) {
    BOOST_TEST(printed(1769846950 * one_second + 45'000) == "2026-01-31T08:09:10.045Z");
}

BOOST_AUTO_TEST_CASE(leap_days) {
    BOOST_TEST(printed(951782400 * one_second) == "2000-02-29T00:00:00.000Z");
    BOOST_TEST(printed(1709251199 * one_second) == "2024-02-29T23:59:59.000Z");
    BOOST_TEST(printed(1709251200 * one_second) == "2024-03-01T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(cut_not_rounded) {
    BOOST_TEST(printed(999) == "1970-01-01T00:00:00.000Z");
    BOOST_TEST(printed(1'000) == "1970-01-01T00:00:00.001Z");
    BOOST_TEST(printed(1'999) == "1970-01-01T00:00:00.001Z");
    BOOST_TEST(printed(999'999) == "1970-01-01T00:00:00.999Z");
    BOOST_TEST(printed(1'735'689'599 * one_second + 999'999) == "2024-12-31T23:59:59.999Z");
}

BOOST_AUTO_TEST_CASE(before_1970_it_is_cut_towards_the_past_too) {
    BOOST_TEST(printed(-1) == "1969-12-31T23:59:59.999Z");
    BOOST_TEST(printed(-999) == "1969-12-31T23:59:59.999Z");
    BOOST_TEST(printed(-1'000) == "1969-12-31T23:59:59.999Z");
    BOOST_TEST(printed(-1'001) == "1969-12-31T23:59:59.998Z");
    BOOST_TEST(printed(-one_second) == "1969-12-31T23:59:59.000Z");
    BOOST_TEST(printed(-86400 * one_second) == "1969-12-31T00:00:00.000Z");
    BOOST_TEST(printed(-2208988800 * one_second) == "1900-01-01T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(every_day_that_has_four_digits_is_that_of_the_system) {
    std::size_t wrong = 0;
    for (std::time_t day = -719162; day <= 2932896; ++day) { // 0001-01-01 to 9999-12-31
        const std::time_t second = day * 86400 + 3723;
        std::tm clock{};
        gmtime_r(&second, &clock);
        std::array<char, 32> expected{};
        const auto length = std::strftime(expected.data(), expected.size(), "%m-%dT%H:%M:%S.000Z", &clock);
        const auto text = printed(second * one_second);
        const auto year = 1000 * (text[0] - '0') + 100 * (text[1] - '0') + 10 * (text[2] - '0') + text[3] - '0';
        wrong += year == clock.tm_year + 1900 && text.substr(5) == std::string_view(expected.data(), length) ? 0 : 1;
    }
    BOOST_TEST(wrong == 0U);
}

BOOST_AUTO_TEST_CASE(four_digits_of_year) {
    BOOST_TEST(printed(-62135596800 * one_second) == "0001-01-01T00:00:00.000Z");
    BOOST_TEST(printed(253402300799 * one_second + 999'999) == "9999-12-31T23:59:59.999Z");
}

BOOST_AUTO_TEST_CASE(instants_compare_by_time) {
    BOOST_TEST((Instant{1} < Instant{2}));
    BOOST_TEST((Instant{-1} < Instant{0}));
    BOOST_TEST((Instant{7} == Instant{7}));
}

BOOST_AUTO_TEST_CASE(nothing_comes_after_the_last_or_before_the_first) {
    constexpr std::int64_t first = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST(later({5}, 7).unix_micros == 12);
    BOOST_TEST(later({5}, -7).unix_micros == -2);
    BOOST_TEST(later({last - 1}, 1).unix_micros == last);
    BOOST_TEST(later({last - 1}, 2).unix_micros == last);
    BOOST_TEST(later({1}, last).unix_micros == last);
    BOOST_TEST(later({first + 1}, -1).unix_micros == first);
    BOOST_TEST(later({first + 1}, -2).unix_micros == first);
    BOOST_TEST(later({-2}, first).unix_micros == first);
    BOOST_TEST(later({last}, first).unix_micros == -1);
    BOOST_TEST(between({5}, {7}) == 2);
    BOOST_TEST(between({7}, {5}) == -2);
    BOOST_TEST(between({first}, {last}) == last);
    BOOST_TEST(between({last}, {first}) == -last);
    BOOST_TEST(between({first}, {first}) == 0);
    BOOST_TEST(between({last}, {last}) == 0);
    BOOST_TEST(between({-1}, {last}) == last);
    BOOST_TEST(between({1}, {first}) == -last);
}

BOOST_AUTO_TEST_CASE(printed_times_sort_as_the_times_do) {
    std::string before{printed(-3 * one_second)};
    for (std::int64_t micros = -3 * one_second; micros < 3 * one_second; micros += 1'000) {
        const std::string now{printed(micros)};
        BOOST_REQUIRE(before <= now);
        before = now;
    }
}

BOOST_AUTO_TEST_SUITE_END()
