#include "run/import.hpp"

#include <boost/test/unit_test.hpp>

#include <initializer_list>
#include <string>

namespace {

using pdpp::run::History;
using pdpp::run::Instant;
using pdpp::run::tell;
using pdpp::run::Telling;

/// What becomes of events of these types, a letter for each.
std::string told(History history, std::initializer_list<std::string_view> types, bool has_id = true) {
    std::string letters;
    for (const auto type : types) {
        switch (tell(history, {.event_type = type, .has_id = has_id})) {
        case Telling::left_out:
            letters += '-';
            break;
        case Telling::as_it_is:
            letters += '=';
            break;
        case Telling::late:
            letters += 'l';
            break;
        }
    }
    return letters;
}

} // namespace

BOOST_AUTO_TEST_SUITE(import)

BOOST_AUTO_TEST_CASE(the_first_start_and_the_first_ending_stand) {
    BOOST_TEST(told({}, {"run.started", "run.note", "run.failed", "run.note"}) == "====");
    BOOST_TEST(told({}, {"run.started", "run.started", "run.failed", "run.completed"}) == "=l=l");
    BOOST_TEST(told({}, {"run.cancelled", "run.started", "run.started"}) == "=ll");
    BOOST_TEST(told({.is_started = true}, {"run.started", "run.abandoned"}) == "l=");
    BOOST_TEST(told({.is_ended = true}, {"run.started", "run.abandoned", "run.note"}) == "ll=");
    BOOST_TEST(told({}, {"run.admitted", "run.started"}) == "l=");
}

BOOST_AUTO_TEST_CASE(what_the_import_concludes_is_no_evidence) {
    BOOST_TEST(told({}, {"run.started", "run.failed", "run.failed", "run.started"}, false) == "==--");
    BOOST_TEST(told({.is_ended = true}, {"run.abandoned", "run.note"}, false) == "-=");
}

BOOST_AUTO_TEST_CASE(what_retention_may_have_taken_does_not_come_back) {
    const History pruned{.last_seq = 9, .is_started = true, .is_ended = true, .pruned_until = Instant{100}};
    const auto of = [&](std::string_view type, std::optional<Instant> at) {
        History history = pruned;
        return tell(history, {.event_type = type, .has_id = true, .recorded_at = at});
    };
    BOOST_CHECK(of("run.note", Instant{99}) == Telling::left_out);
    BOOST_CHECK(of("run.note", Instant{100}) == Telling::left_out);
    BOOST_CHECK(of("run.note", std::nullopt) == Telling::left_out);
    BOOST_CHECK(of("run.note", Instant{101}) == Telling::as_it_is);
    BOOST_CHECK(of("run.completed", Instant{99}) == Telling::late);
}

BOOST_AUTO_TEST_CASE(numbers_have_no_gaps_and_times_do_not_go_back) {
    History history{.last_seq = 1, .last_recorded_at = Instant{50}};
    const auto place = [&](std::string_view type, bool has_id, std::optional<Instant> at) {
        (void)tell(history, {.event_type = type, .has_id = has_id, .recorded_at = at});
        return std::pair(history.last_seq, history.last_recorded_at.unix_micros);
    };
    using Place = std::pair<std::int64_t, std::int64_t>;
    BOOST_CHECK(place("run.started", true, Instant{40}) == Place(2, 50));
    BOOST_CHECK(place("run.note", true, std::nullopt) == Place(3, 50));
    BOOST_CHECK(place("run.note", true, Instant{70}) == Place(4, 70));
    BOOST_CHECK(place("run.failed", true, Instant{60}) == Place(5, 70));
    BOOST_CHECK(place("run.abandoned", false, Instant{900}) == Place(5, 70)); // left out
    BOOST_CHECK(place("run.completed", true, Instant{80}) == Place(6, 80));
}

BOOST_AUTO_TEST_SUITE_END()
