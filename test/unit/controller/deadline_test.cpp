// The deadline of a run on this process's own clock.

#include <boost/test/unit_test.hpp>

#include "controller/deadline.hpp"

using namespace pdpp::controller;
using namespace std::chrono_literals;

namespace {

constexpr Deadline::Clock::time_point start{1000h};
constexpr auto never = Deadline::Clock::time_point::max();

/// In seconds from the start.
double to_stop(const Deadline& deadline, std::chrono::milliseconds grace) {
    return std::chrono::duration<double>(deadline.time_to_stop(grace) - start).count();
}

} // namespace

BOOST_AUTO_TEST_SUITE(controller_deadline)

BOOST_AUTO_TEST_CASE(none) {
    Deadline deadline;
    BOOST_TEST((deadline.time_to_stop(10s) == never));
    for (const auto* body : {R"({"recorded_at": "2026-01-31T08:09:10.045Z", "deadline_at": null})",
                             R"({"recorded_at": "2026-01-31T08:09:10.045Z"})", R"({"deadline_at": "soon"})"}) {
        deadline.note_start(body, start);
        deadline.note_status(R"({"deadline_at": "2026-01-31T08:09:10.045Z"})", start);
        BOOST_TEST((deadline.time_to_stop(10s) == never), body);
    }
}

BOOST_AUTO_TEST_CASE(the_grace_comes_before_it) {
    Deadline deadline;
    deadline.note_start(R"({"recorded_at": "2026-12-31T23:59:59.500Z", "deadline_at": "2027-01-01T01:00:00.000Z"})",
                        start);
    BOOST_TEST(to_stop(deadline, 10s) == 3600.5 - 11);
    BOOST_TEST(to_stop(deadline, 1h) == 3600.5 * 0.9, boost::test_tools::tolerance(1e-9)); // but a tenth at most
}

BOOST_AUTO_TEST_CASE(over_before_it_began) {
    Deadline deadline;
    deadline.note_start(R"({"recorded_at": "2026-01-31T08:09:10.045Z", "deadline_at": "2026-01-31T08:09:08.045Z"})",
                        start);
    BOOST_TEST(to_stop(deadline, 10s) == -2);
}

BOOST_AUTO_TEST_CASE(more_time) {
    Deadline deadline;
    deadline.note_start(R"({"recorded_at": "2026-01-31T08:00:00.000Z", "deadline_at": "2026-01-31T08:01:40.000Z"})",
                        start);
    BOOST_TEST(to_stop(deadline, 1s) == 98);
    deadline.note_status(R"({"deadline_at": "2026-01-31T08:01:40.000Z"})", start + 50s);
    BOOST_TEST(to_stop(deadline, 1s) == 98);
    deadline.note_status(R"({"deadline_at": "2026-01-31T08:03:20.000Z"})", start + 50s);
    BOOST_TEST(to_stop(deadline, 1s) == 198);
    deadline.note_status(R"({"deadline_at": null})", start + 50s);
    BOOST_TEST(to_stop(deadline, 1s) == 198);
}

BOOST_AUTO_TEST_CASE(between_two_times) {
    constexpr auto body = R"({"a": "2024-02-28T23:59:59.999Z", "b": "2024-03-01T00:00:00.001Z", "c": null, "d": 5})";
    BOOST_TEST((time_between(body, "a", "b") == 24h + 2ms));
    BOOST_TEST((time_between(body, "b", "a") == -24h - 2ms));
    for (const auto* other : {"c", "d", "e"}) {
        BOOST_TEST(!time_between(body, "a", other));
        BOOST_TEST(!time_between(body, other, "b"));
    }
}

BOOST_AUTO_TEST_SUITE_END()
