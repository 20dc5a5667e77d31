// The wall clock beside one that nobody sets.

#include <boost/test/unit_test.hpp>

#include "run/clock.hpp"

using namespace pdpp::run;

namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t hour = 3600 * second;
constexpr std::int64_t noon = 1'800'000'000 * second;

/// A host whose clock is looked at once a second.
struct Host {
    WallClock clock;
    std::int64_t steady = 5 * second;
    std::int64_t wall = noon;

    Host() { clock.look({wall}, steady); }

    void pass(std::int64_t seconds) {
        for (std::int64_t i = 0; i < seconds; ++i) {
            steady += second;
            wall += second;
            clock.look({wall}, steady);
        }
    }
    /// Nobody looks in the same moment.
    void set(std::int64_t by) {
        steady += second / 2;
        wall += second / 2 + by;
        clock.look({wall}, steady);
    }
    /// How long ago a stamp was made, by what is known.
    [[nodiscard]] std::int64_t age(std::int64_t stamp) const {
        return (wall - clock.in_present_time({stamp}, {wall}).unix_micros + second / 4) / second;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(clocks)

BOOST_AUTO_TEST_CASE(a_clock_that_nobody_sets) {
    Host host;
    const auto stamp = host.wall;
    host.pass(100);
    BOOST_TEST(host.age(stamp) == 100);
    BOOST_TEST(host.age(noon - hour) == 3700); // of a server before this one
    BOOST_TEST(host.clock.in_present_time({host.wall + hour}, {host.wall}).unix_micros == host.wall + hour);
    BOOST_TEST(host.clock.furthest_forward() == 0);
    BOOST_TEST(host.clock.furthest_back() == 0);
}

BOOST_AUTO_TEST_CASE(set_ahead) {
    Host host;
    const auto before = host.wall;
    host.pass(10);
    host.set(hour);
    const auto after = host.wall;
    host.pass(20);
    BOOST_TEST(host.age(before) == 30);
    BOOST_TEST(host.age(after) == 20);
    BOOST_TEST(host.clock.furthest_forward() == hour);
    host.pass(7200);
    BOOST_TEST(host.age(before) == 7230);
    BOOST_TEST(host.age(after) == 7220);
}

BOOST_AUTO_TEST_CASE(set_back) {
    Host host;
    host.pass(10);
    const auto before = host.wall;
    host.pass(10);
    host.set(-hour);
    const auto after = host.wall;
    host.pass(20);
    BOOST_TEST(host.age(before) == 30);
    BOOST_TEST(host.age(after) == 20);
    BOOST_TEST(host.clock.furthest_back() == -hour);
    // once it is the same time again, a stamp of then may be one of now: never too old
    host.pass(7200);
    BOOST_TEST(host.age(before) == 7230 - 3600);
    BOOST_TEST(host.age(after) == 7220);
}

BOOST_AUTO_TEST_CASE(back_and_ahead_again) {
    Host host;
    host.pass(10);
    const auto first = host.wall;
    host.pass(10);
    host.set(-hour);
    host.pass(10);
    const auto second_stamp = host.wall;
    host.pass(10);
    host.set(hour);
    host.pass(10);
    BOOST_TEST(host.age(first) == 41);
    BOOST_TEST(host.age(second_stamp) == 20);
    host.set(hour);
    BOOST_TEST(host.age(first) == 41);
    BOOST_TEST(host.age(second_stamp) == 21);
}

BOOST_AUTO_TEST_CASE(ahead_and_back_again) {
    Host host;
    const auto first = host.wall;
    host.pass(10);
    host.set(hour);
    host.pass(10);
    const auto second_stamp = host.wall;
    host.pass(10);
    host.set(-hour);
    host.pass(10);
    BOOST_TEST(host.age(first) == 41);
    BOOST_TEST(host.age(second_stamp) == 20);
}

BOOST_AUTO_TEST_CASE(nobody_looked_for_long) {
    Host host;
    const auto before = host.wall;
    host.steady += 10 * hour;
    host.wall += 11 * hour; // it was set at some moment between
    host.clock.look({host.wall}, host.steady);
    BOOST_TEST(host.age(before) == 36'000);
    // made after the setting, if it was at the beginning, or before: then it is younger than it looks
    BOOST_TEST(host.age(host.wall - 2 * hour) == 3600);
    BOOST_TEST(host.age(host.wall - 10 * second) == 10);
}

BOOST_AUTO_TEST_CASE(small_settings_add_up) {
    Host host;
    const auto before = host.wall;
    for (int i = 0; i < 4; ++i) {
        host.wall += second / 2;
        host.pass(1);
    }
    BOOST_TEST(host.clock.furthest_forward() > second);
    BOOST_TEST(host.age(before) <= 5);
}

// A clock that runs ahead of what is known by less than counts: its stamps of the last moment before it is set, and its
// first ones after that if it is behind, are its own all the same.
BOOST_AUTO_TEST_CASE(set_by_little_and_then_by_much) {
    Host host;
    host.pass(10);
    host.wall += second * 9 / 10;
    host.pass(1);
    const auto before = host.wall;
    host.set(-hour);
    host.pass(20);
    BOOST_TEST(host.age(before) <= 21);
    BOOST_TEST(host.age(before) >= 19);
    host.wall -= second * 9 / 10;
    const auto after = host.wall + 1;
    host.pass(1);
    host.set(hour);
    host.pass(5);
    BOOST_TEST(host.age(after) <= 8);
    BOOST_TEST(host.age(after) >= 5);
}

BOOST_AUTO_TEST_CASE(set_by_much_and_then_by_little) {
    Host host;
    host.pass(10);
    host.set(-hour);
    host.pass(10);
    const auto stamp = host.wall;
    host.wall -= second * 9 / 10;
    BOOST_TEST(host.clock.in_present_time({stamp}, {host.wall}).unix_micros == stamp);
    // a session that sees the sum of both
    WallClock session;
    session.look({noon}, 0);
    session.look({noon + 100 * second - hour - second * 9 / 10}, 100 * second);
    const auto before = noon + 100 * second - hour;
    BOOST_TEST(session.in_present_time({before}, {before - second * 9 / 10}).unix_micros == before);
}

BOOST_AUTO_TEST_CASE(an_older_look_says_nothing) {
    Host host;
    const auto wall = host.wall;
    const auto steady = host.steady;
    host.pass(1);
    host.set(hour);
    host.clock.look({wall + second}, steady + second);
    BOOST_TEST(host.clock.furthest_back() == 0);
    BOOST_TEST(host.clock.furthest_forward() == hour);
}

BOOST_AUTO_TEST_CASE(more_settings_than_are_remembered) {
    Host host;
    for (int i = 0; i < 50; ++i) {
        const auto stamp = host.wall;
        host.pass(5);
        host.set(i % 2 == 0 ? 2 * hour : -hour);
        host.pass(5);
        BOOST_TEST((host.age(stamp) == 10 || host.age(stamp) == 11));
    }
}

BOOST_AUTO_TEST_SUITE_END()
