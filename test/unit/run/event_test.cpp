// The words of a run's life.

#include <boost/test/unit_test.hpp>

#include "run/event.hpp"

#include <array>

using namespace pdpp::run;

namespace {

constexpr std::array endings{Outcome::completed, Outcome::failed, Outcome::cancelled, Outcome::abandoned};

} // namespace

BOOST_AUTO_TEST_SUITE(run_event)

BOOST_AUTO_TEST_CASE(outcomes_and_their_words) {
    BOOST_TEST(word_of(Outcome::completed) == "completed");
    BOOST_TEST(word_of(Outcome::failed) == "failed");
    BOOST_TEST(word_of(Outcome::cancelled) == "cancelled");
    BOOST_TEST(word_of(Outcome::abandoned) == "abandoned");
}

BOOST_AUTO_TEST_CASE(outcomes_and_their_events) {
    BOOST_TEST(terminal_event_of(Outcome::completed) == "run.completed");
    BOOST_TEST(terminal_event_of(Outcome::failed) == "run.failed");
    BOOST_TEST(terminal_event_of(Outcome::cancelled) == "run.cancelled");
    BOOST_TEST(terminal_event_of(Outcome::abandoned) == "run.abandoned");
}

BOOST_AUTO_TEST_CASE(words_and_events_lead_back) {
    for (const auto outcome : endings) {
        BOOST_TEST((outcome_named(word_of(outcome)) == outcome));
        BOOST_TEST((outcome_of(terminal_event_of(outcome)) == outcome));
    }
}

BOOST_AUTO_TEST_CASE(a_start_is_by_the_runtime) {
    BOOST_TEST(actor_type_of("run.started") == "runtime");
    for (const auto* type : {"run.admitted", "run.failed", "run.progress_reported", ""}) {
        BOOST_TEST(actor_type_of(type) == "connector");
    }
}

BOOST_AUTO_TEST_CASE(no_other_word_is_an_outcome) {
    for (const auto* word :
         {"", "active", "started", "Completed", "completed ", " completed", "canceled", "run.completed", "complete"}) {
        BOOST_TEST(!outcome_named(word), word);
    }
    for (const auto* type :
         {"", "completed", "run.", "run.admitted", "run.started", "run.Failed", "run.failed ", "run.late_outcome"}) {
        BOOST_TEST(!outcome_of(type), type);
    }
}

BOOST_AUTO_TEST_CASE(phases) {
    BOOST_TEST((phase_of("run.admitted") == Phase::admitted));
    BOOST_TEST((phase_of("run.started") == Phase::started));
    for (const auto outcome : endings) {
        BOOST_TEST((phase_of(terminal_event_of(outcome)) == Phase::ended));
    }
    for (const auto* type : {"", "run.progress_reported", "run.cancel_requested", "run.late_outcome", "run.admitted ",
                             "Run.started", "admitted"}) {
        BOOST_TEST(!phase_of(type), type);
    }
}

BOOST_AUTO_TEST_CASE(phases_are_numbered_as_the_lifecycle_index_numbers_them) {
    BOOST_TEST(static_cast<int>(Phase::admitted) == 1);
    BOOST_TEST(static_cast<int>(Phase::started) == 2);
    BOOST_TEST(static_cast<int>(Phase::ended) == 3);
}

BOOST_AUTO_TEST_CASE(reserved_types) {
    for (const auto* type : {"run.admitted", "run.started", "run.completed", "run.failed", "run.cancelled",
                             "run.abandoned", "run.cancel_requested", "run.deadline_extended", "run.late_outcome"}) {
        BOOST_TEST(is_reserved(type), type);
    }
    for (const auto* type : {"", "run.progress_reported", "run.note", "run.late_outcomes", "cancel_requested"}) {
        BOOST_TEST(!is_reserved(type), type);
    }
}

BOOST_AUTO_TEST_CASE(active_is_no_outcome) {
    BOOST_TEST(active == "active");
    BOOST_TEST(!outcome_named(active));
}

BOOST_AUTO_TEST_SUITE_END()
