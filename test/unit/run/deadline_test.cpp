// How long a run may take, and when that time is over, whatever the clock was set to.

#include <boost/test/unit_test.hpp>

#include "run/deadline.hpp"

using namespace pdpp::run;

namespace {

constexpr std::int64_t a_second = 1'000'000;
constexpr std::int64_t an_hour = 3600 * a_second;
constexpr Instant served_from{1'800'000'000 * a_second};

/// A server, since then, whose clock is looked at now and then.
struct Server {
    WallClock clock;
    std::int64_t steady = 0;
    Instant wall = served_from;
    Instant serving_since = served_from;

    Server() { clock.look(wall, steady); }

    void pass(std::int64_t micros) {
        steady += micros;
        wall = later(wall, micros);
        clock.look(wall, steady);
    }
    void set(std::int64_t by) {
        wall = later(wall, by);
        clock.look(wall, steady);
    }
    [[nodiscard]] Due says(const Deadline& deadline) const {
        return due(deadline, {.now = wall, .past = clock, .serving_since = serving_since});
    }
    /// After how much more time it says that it is over, to the second; the clock is not set meanwhile.
    [[nodiscard]] std::int64_t seconds_left(const Deadline& deadline) const {
        for (std::int64_t left = 0; left < 100'000; ++left) {
            Server ahead = *this;
            ahead.pass(left * a_second);
            if (ahead.says(deadline) == Due::over) {
                return left;
            }
        }
        return -1;
    }
};

bool is_time(const Span& span) {
    const auto fault = check_timeout(span, "timeout");
    return !fault;
}

} // namespace

BOOST_AUTO_TEST_SUITE(deadlines)

BOOST_AUTO_TEST_CASE(times_that_a_run_can_be_given) {
    BOOST_TEST(is_time({.months = 0, .days = 0, .micros = 1}));
    BOOST_TEST(is_time({.months = 0, .days = 1, .micros = -an_hour}));
    BOOST_TEST(is_time({.months = 0, .days = -1, .micros = 25 * an_hour}));
    BOOST_TEST(is_time({.months = 0, .days = 0, .micros = longest_timeout}));
    BOOST_TEST(micros_of({.months = 0, .days = 2, .micros = 5}) == 48 * an_hour + 5);
}

BOOST_AUTO_TEST_CASE(and_others) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    constexpr auto most_days = std::numeric_limits<std::int32_t>::max();
    constexpr auto least_days = std::numeric_limits<std::int32_t>::min();
    for (const Span& span :
         {Span{0, 0, 0}, Span{0, 0, -1}, Span{1, 0, 0}, Span{1, -29, 0}, Span{-1, 60, 0},
          Span{0, 0, longest_timeout + 1}, Span{0, 1, -24 * an_hour}, Span{0, most_days, 0}, Span{0, least_days, 0},
          Span{0, 0, most}, Span{0, 0, least}, Span{0, least_days, most}, Span{0, most_days, least},
          Span{most_days, most_days, most}, Span{least_days, least_days, least}}) {
        BOOST_TEST(!is_time(span), span.months << ' ' << span.days << ' ' << span.micros);
    }
    const auto fault = check_timeout({.months = 1, .days = 0, .micros = 0}, "timeout");
    BOOST_TEST((fault->code == ErrorCode::invalid_request));
    BOOST_TEST(fault->param == "timeout");
}

BOOST_AUTO_TEST_CASE(a_clock_that_nobody_sets) {
    Server server;
    server.pass(10 * a_second);
    const auto deadline = deadline_in(server.wall, 60 * a_second);
    BOOST_TEST(server.seconds_left(deadline) == 60);
    server.pass(59 * a_second);
    BOOST_TEST((server.says(deadline) == Due::in_time));
    server.pass(a_second);
    BOOST_TEST((server.says(deadline) == Due::over));
}

BOOST_AUTO_TEST_CASE(set_ahead_takes_nothing_away) {
    Server server;
    server.pass(10 * a_second);
    const auto deadline = deadline_in(server.wall, 60 * a_second);
    server.pass(20 * a_second);
    server.set(an_hour);
    BOOST_TEST(server.seconds_left(deadline) == 40);
}

BOOST_AUTO_TEST_CASE(set_back_adds_nothing) {
    Server server;
    server.pass(an_hour);
    const auto deadline = deadline_in(server.wall, 60 * a_second);
    server.pass(20 * a_second);
    server.set(-an_hour / 2);
    BOOST_TEST(server.seconds_left(deadline) == 40);
}

BOOST_AUTO_TEST_CASE(given_before_this_server_served) {
    Server server;
    const auto deadline = deadline_in(later(served_from, -50 * a_second), 60 * a_second);
    BOOST_TEST(server.seconds_left(deadline) == 60); // anew
    server.pass(30 * a_second);
    BOOST_TEST(server.seconds_left(deadline) == 30);
}

BOOST_AUTO_TEST_CASE(a_standby_is_promoted_whose_clock_is_behind) {
    Server server;
    const auto deadline = deadline_in(later(served_from, an_hour), 60 * a_second);
    BOOST_TEST((server.says(deadline) == Due::of_time_to_come));
    const auto anew = deadline_in(server.wall, deadline.given());
    BOOST_TEST(server.seconds_left(anew) == 60);
}

BOOST_AUTO_TEST_CASE(written_by_hand) {
    constexpr Instant never{std::numeric_limits<std::int64_t>::max()};
    constexpr Instant ever{std::numeric_limits<std::int64_t>::min()};
    Server server;
    server.pass(an_hour);
    BOOST_TEST((server.says({.set_at = server.wall, .at = never}) == Due::in_time));
    BOOST_TEST((server.says({.set_at = ever, .at = never}) == Due::in_time));
    BOOST_TEST((server.says({.set_at = server.wall, .at = ever}) == Due::over));
    BOOST_TEST((server.says({.set_at = ever, .at = ever}) == Due::over));
    BOOST_TEST((server.says({.set_at = server.wall, .at = later(server.wall, -1)}) == Due::over));
}

BOOST_AUTO_TEST_SUITE_END()
