// The status projection, row by row.

#include <boost/test/unit_test.hpp>

#include "run/status.hpp"

#include <array>
#include <string>

using namespace pdpp::run;

namespace {

using Words = std::optional<std::string_view>;

constexpr Instant asked_at{500};
constexpr Instant due_at{600};

LifecycleEvent event(std::string_view type, std::int64_t at, std::string_view who) {
    return {.event_type = type,
            .occurred_at = Instant{at},
            .actor_id = who,
            .trace_id = who,
            .connector_instance_id = who,
            .scenario_id = {},
            .evidence = {}};
}

Lifecycle admitted() {
    return {.admitted = event("run.admitted", 100, "admission"), .started = {}, .ended = {}};
}

Lifecycle started() {
    auto lifecycle = admitted();
    lifecycle.started = event("run.started", 200, "start");
    return lifecycle;
}

Lifecycle ended(Lifecycle lifecycle, std::string_view type, Evidence evidence = {}) {
    lifecycle.ended = event(type, 300, "ending");
    lifecycle.ended->evidence = evidence;
    return lifecycle;
}

Status status_of(const Lifecycle& lifecycle) {
    return project(lifecycle, {.cancel_requested_at = asked_at, .deadline_at = due_at});
}

constexpr std::array ending_types{"run.completed", "run.failed", "run.cancelled", "run.abandoned"};

} // namespace

BOOST_AUTO_TEST_SUITE(run_status)

BOOST_AUTO_TEST_CASE(a_run_is_known_by_any_lifecycle_event) {
    BOOST_TEST(!Lifecycle{}.known());
    BOOST_TEST(admitted().known());
    BOOST_TEST((Lifecycle{.admitted = {}, .started = event("run.started", 1, "x"), .ended = {}}.known()));
    BOOST_TEST((Lifecycle{.admitted = {}, .started = {}, .ended = event("run.failed", 1, "x")}.known()));
}

BOOST_AUTO_TEST_CASE(status_word) {
    BOOST_TEST(status_of(admitted()).status == "active");
    BOOST_TEST(status_of(started()).status == "active");
    BOOST_TEST(status_of(ended(started(), "run.completed")).status == "completed");
    BOOST_TEST(status_of(ended(started(), "run.failed")).status == "failed");
    BOOST_TEST(status_of(ended(started(), "run.cancelled")).status == "cancelled");
    BOOST_TEST(status_of(ended(started(), "run.abandoned")).status == "abandoned");
    BOOST_TEST(status_of(ended(admitted(), "run.failed")).status == "failed");
}

BOOST_AUTO_TEST_CASE(who_it_was_the_start_says_else_the_ending_else_the_admission) {
    for (const auto field : {&Status::connector_id, &Status::trace_id, &Status::connector_instance_id}) {
        BOOST_TEST((status_of(admitted()).*field == Words{"admission"}));
        BOOST_TEST((status_of(started()).*field == Words{"start"}));
        BOOST_TEST((status_of(ended(started(), "run.failed")).*field == Words{"start"}));
        BOOST_TEST((status_of(ended(admitted(), "run.failed")).*field == Words{"ending"}));
        BOOST_TEST((status_of(ended(Lifecycle{}, "run.failed")).*field == Words{"ending"}));
    }
    auto repaired = ended(started(), "run.abandoned");
    repaired.started->trace_id.reset(); // it is the admission's
    BOOST_TEST((status_of(repaired).trace_id == Words{"admission"}));
    repaired.admitted.reset();
    BOOST_TEST((status_of(repaired).trace_id == Words{"ending"}));
}

BOOST_AUTO_TEST_CASE(an_event_that_does_not_say_is_passed_over) {
    auto lifecycle = ended(started(), "run.failed");
    lifecycle.started->actor_id = {};
    lifecycle.started->trace_id = {};
    lifecycle.started->connector_instance_id = {};
    BOOST_TEST((status_of(lifecycle).connector_id == Words{"ending"}));
    lifecycle.ended->actor_id = {};
    lifecycle.ended->trace_id = {};
    lifecycle.ended->connector_instance_id = {};
    BOOST_TEST((status_of(lifecycle).connector_id == Words{"admission"}));
    BOOST_TEST((status_of(lifecycle).connector_instance_id == Words{"admission"}));
    BOOST_TEST((trace_of(lifecycle) == Words{"admission"}));
    lifecycle.admitted = {};
    BOOST_TEST(!status_of(lifecycle).connector_id);
    BOOST_TEST(!trace_of(lifecycle));
}

BOOST_AUTO_TEST_CASE(trace_is_that_of_the_status) {
    for (const auto& lifecycle :
         {admitted(), started(), ended(started(), "run.failed"), ended(admitted(), "run.failed")}) {
        BOOST_TEST((trace_of(lifecycle) == status_of(lifecycle).trace_id));
    }
}

BOOST_AUTO_TEST_CASE(admitted_at_never_changes) {
    for (const auto& lifecycle :
         {admitted(), started(), ended(started(), "run.failed"), ended(admitted(), "run.failed")}) {
        BOOST_TEST((status_of(lifecycle).admitted_at == Instant{100}));
    }
    BOOST_TEST(!status_of(ended(Lifecycle{}, "run.failed")).admitted_at);
}

BOOST_AUTO_TEST_CASE(started_at) {
    BOOST_TEST((status_of(admitted()).started_at == Instant{100}));
    BOOST_TEST((status_of(started()).started_at == Instant{200}));
    BOOST_TEST((status_of(ended(started(), "run.failed")).started_at == Instant{200}));
    BOOST_TEST(!status_of(ended(admitted(), "run.failed")).started_at); // settled without starting
}

BOOST_AUTO_TEST_CASE(completed_at) {
    BOOST_TEST(!status_of(admitted()).completed_at);
    BOOST_TEST(!status_of(started()).completed_at);
    for (const auto* ending : ending_types) {
        BOOST_TEST((status_of(ended(started(), ending)).completed_at == Instant{300}));
    }
}

BOOST_AUTO_TEST_CASE(what_flight_state_says_counts_while_active) {
    for (const auto& lifecycle : {admitted(), started()}) {
        BOOST_TEST((status_of(lifecycle).in_flight.cancel_requested_at == asked_at));
        BOOST_TEST((status_of(lifecycle).in_flight.deadline_at == due_at));
        BOOST_TEST(!project(lifecycle, {}).in_flight.cancel_requested_at);
        BOOST_TEST(!project(lifecycle, {}).in_flight.deadline_at);
    }
    for (const auto* ending : ending_types) {
        BOOST_TEST(!status_of(ended(started(), ending)).in_flight.cancel_requested_at);
        BOOST_TEST(!status_of(ended(started(), ending)).in_flight.deadline_at);
    }
}

BOOST_AUTO_TEST_CASE(terminal_reason) {
    BOOST_TEST(!status_of(started()).terminal_reason);
    for (const auto* ending : ending_types) {
        const auto reason_of = [&](Evidence evidence) {
            return status_of(ended(started(), ending, evidence)).terminal_reason;
        };
        BOOST_TEST((reason_of({.reason = "r",
                               .failure_reason = "f",
                               .failure_message = {},
                               .message = {},
                               .failure_origin = {},
                               .connector_error_message = {}}) == Words{"r"}));
        BOOST_TEST((reason_of({.reason = "",
                               .failure_reason = "f",
                               .failure_message = {},
                               .message = {},
                               .failure_origin = {},
                               .connector_error_message = {}}) == Words{"f"}));
        BOOST_TEST(!reason_of({}));
    }
}

BOOST_AUTO_TEST_CASE(evidence_before_the_end_does_not_count) {
    auto lifecycle = started();
    lifecycle.admitted->evidence.reason = "no";
    lifecycle.started->evidence.failure_message = "no";
    BOOST_TEST(!status_of(lifecycle).terminal_reason);
    BOOST_TEST(!status_of(lifecycle).failure);
    BOOST_TEST(!status_of(ended(lifecycle, "run.failed")).failure->message);
}

BOOST_AUTO_TEST_CASE(failure_is_for_failed_and_abandoned) {
    BOOST_TEST(!status_of(started()).failure);
    BOOST_TEST(!status_of(ended(started(), "run.completed")).failure);
    BOOST_TEST(!status_of(ended(started(), "run.cancelled")).failure);
    BOOST_TEST(status_of(ended(started(), "run.failed")).failure.has_value());
    BOOST_TEST(status_of(ended(started(), "run.abandoned")).failure.has_value());
}

BOOST_AUTO_TEST_CASE(failure_without_evidence) {
    const auto failure = *status_of(ended(started(), "run.failed")).failure;
    BOOST_TEST(!failure.reason);
    BOOST_TEST(!failure.message);
    BOOST_TEST(!failure.origin);
    BOOST_TEST(!failure.connector_error_message);
}

BOOST_AUTO_TEST_CASE(failure_fields) {
    Evidence evidence{.reason = "reason",
                      .failure_reason = "failure reason",
                      .failure_message = "failure message",
                      .message = "message",
                      .failure_origin = "origin",
                      .connector_error_message = "connector"};
    auto failure = *status_of(ended(started(), "run.failed", evidence)).failure;
    BOOST_TEST((failure.reason == Words{"reason"}));
    BOOST_TEST((failure.message == Words{"failure message"}));
    BOOST_TEST((failure.origin == Words{"origin"}));
    BOOST_TEST((failure.connector_error_message == Words{"connector"}));

    evidence.reason = "";
    evidence.failure_message = "";
    failure = *status_of(ended(started(), "run.abandoned", evidence)).failure;
    BOOST_TEST((failure.reason == Words{"failure reason"}));
    BOOST_TEST((failure.message == Words{"message"}));
}

BOOST_AUTO_TEST_CASE(a_source_stands_in_for_a_connector_that_no_event_names) {
    auto lifecycle = ended(started(), "run.failed");
    const auto unnamed = [&](std::optional<LifecycleEvent>& event, Words source) {
        event->actor_id = {};
        event->source_in_data = source;
    };
    unnamed(lifecycle.started, "source of the start");
    unnamed(lifecycle.ended, "source of the ending");
    BOOST_TEST((status_of(lifecycle).connector_id == Words{"admission"}));
    unnamed(lifecycle.admitted, "source of the admission");
    BOOST_TEST((status_of(lifecycle).connector_id == Words{"source of the start"}));
    lifecycle.started->source_in_data = {};
    BOOST_TEST((status_of(lifecycle).connector_id == Words{"source of the ending"}));
    lifecycle.ended->source_in_data = {};
    BOOST_TEST((status_of(lifecycle).connector_id == Words{"source of the admission"}));
    lifecycle.admitted->source_in_data = {};
    BOOST_TEST((status_of(lifecycle).connector_id == Words{}));
}

BOOST_AUTO_TEST_SUITE_END()
