// What the program says to people and to programs.

#include <boost/test/unit_test.hpp>

#include "cli/output.hpp"
#include "pq/write.hpp"

using namespace pdpp::cli;
namespace pq = pdpp::pq;

namespace {

const std::string failed_status =
    R"({"links": {"timeline": "/_ref/runs/r/timeline"}, "object": "run_status", "run_id": "r", "status": "failed",)"
    R"( "failure": {"origin": "connector", "reason": "connector_exit_nonzero", "message": "exited\u001b[2J with 3",)"
    R"( "connector_error_message": null}, "trace_id": "trc_1", "started_at": "2026-01-02T03:04:05.678Z",)"
    R"( "admitted_at": "2026-01-02T03:04:05.000Z", "completed_at": "2026-01-02T03:04:06.130Z",)"
    R"( "connector_id": "mail", "terminal_reason": "connector_exit_nonzero", "cancel_requested_at": null,)"
    R"( "connector_instance_id": "mail-1"})";

const std::string completed_status =
    R"({"run_id": "r", "status": "completed", "failure": null, "terminal_reason": null})";

const std::string unknown_run =
    R"({"error": {"code": "not_found", "type": "not_found_error", "param": "run_id", "message": "Run not found: x"}})";

} // namespace

BOOST_AUTO_TEST_SUITE(cli_output)

BOOST_AUTO_TEST_CASE(status_for_people) {
    BOOST_TEST(status_text(failed_status) == "run           r\n"
                                             "status        failed\n"
                                             "reason        connector_exit_nonzero\n"
                                             "message       exited\\x1b[2J with 3\n"
                                             "origin        connector\n"
                                             "connector     mail\n"
                                             "connection    mail-1\n"
                                             "trace         trc_1\n"
                                             "admitted      2026-01-02T03:04:05.000Z\n"
                                             "started       2026-01-02T03:04:05.678Z\n"
                                             "ended         2026-01-02T03:04:06.130Z\n");
}

BOOST_AUTO_TEST_CASE(endings_in_a_line) {
    BOOST_TEST(ending_text(failed_status) == "run r failed: connector_exit_nonzero (exited\\x1b[2J with 3)\n");
    BOOST_TEST(ending_text(completed_status) == "run r completed\n");
    BOOST_TEST(acknowledgement_text(R"({"object": "run_ack", "run_id": "r"})") == "run r started\n");
}

BOOST_AUTO_TEST_CASE(timeline_for_people) {
    BOOST_TEST(timeline_text(R"({"data": [
        {"event_seq": 1, "occurred_at": "2026-01-02T03:04:05.000Z", "event_type": "run.admitted", "data": {}},
        {"event_seq": 2, "occurred_at": "2026-01-02T03:04:06.000Z", "event_type": "run.progress_reported",
         "data": {"count": 12345678901234567, "message": "a\nb"}}]})") ==
               "    1  2026-01-02T03:04:05.000Z  run.admitted\n"
               "    2  2026-01-02T03:04:06.000Z  run.progress_reported     "
               "{\"count\":12345678901234567,\"message\":\"a\\nb\"}\n");
    BOOST_TEST(timeline_text(R"({"data": []})") == "");
    BOOST_TEST(
        timeline_page(R"({"data": [], "truncated": true, "terminal_status": null, "next_cursor": "x"})").is_truncated);
    BOOST_TEST(!timeline_page(R"({"data": [1], "truncated": false, "terminal_status": "failed", "next_cursor": null})")
                    .is_truncated);
}

BOOST_AUTO_TEST_CASE(pages_say_where_to_go_on) {
    const auto going_on =
        timeline_page(R"({"data": [{}], "truncated": true, "terminal_status": "failed", "next_cursor": "tl_1"})");
    BOOST_TEST((!going_on.is_empty && going_on.is_truncated && going_on.has_ended));
    BOOST_TEST(going_on.next_cursor.value_or("") == "tl_1");
    const auto idle =
        timeline_page(R"({"data": [], "truncated": false, "terminal_status": null, "next_cursor": null})");
    BOOST_TEST((idle.is_empty && !idle.is_truncated && !idle.has_ended && !idle.next_cursor));
}

BOOST_AUTO_TEST_CASE(endings_are_known_words) {
    for (const auto* word : {"completed", "failed", "cancelled", "abandoned"}) {
        BOOST_TEST(is_terminal(word));
    }
    for (const auto* word : {"active", "", "Completed", "queued"}) {
        BOOST_TEST(!is_terminal(word));
    }
}

BOOST_AUTO_TEST_CASE(the_handle_comes_first) {
    const auto text = handle_text(R"({"run_id": "r 1", "trace_id": "t"})", "dbname=app");
    BOOST_TEST(text.starts_with("r 1\ntrace         t\n"));
    BOOST_TEST(text.find("pdpp wait --db dbname=app 'r 1'\n") != std::string::npos);
    BOOST_TEST(cancel_text(R"({"run_id": "r\u001b"})") == "run r\\x1b was asked to end\n");
}

BOOST_AUTO_TEST_CASE(doubt_names_what_to_look_for) {
    const auto by_run = failure_of(pq::InDoubt({.run_id = "r", .trace_id = "t", .idempotency_key = {}}));
    BOOST_TEST(by_run.exit_code == exit_code::cannot_connect);
    BOOST_TEST(by_run.hint.ends_with("pdpp status r"));
    BOOST_TEST(failure_of(pq::InDoubt({.run_id = "r", .trace_id = {}, .idempotency_key = {}}), "app")
                   .hint.ends_with("pdpp status --db app r"));
    BOOST_TEST(by_run.details.at("run_id").as_string() == "r");
    BOOST_TEST(by_run.details.at("trace_id").as_string() == "t");
    const auto by_key = failure_of(pq::InDoubt({.run_id = {}, .trace_id = "t", .idempotency_key = "k"}));
    BOOST_TEST(by_key.hint.find("--idempotency-key") != std::string::npos);
    BOOST_TEST(by_key.details.at("idempotency_key").as_string() == "k");
}

BOOST_AUTO_TEST_CASE(an_unknown_run_is_an_envelope) {
    BOOST_TEST(is_error_envelope(unknown_run));
    BOOST_TEST(!is_error_envelope(failed_status));
    const auto failure = failure_of_envelope(unknown_run);
    BOOST_TEST(failure.exit_code == exit_code::unknown_run);
    BOOST_TEST(failure_text(failure).starts_with("pdpp: Run not found: x\n      "));
    BOOST_TEST(failure_json({3, "not_found", "Run not found: x", "", failure.details}) ==
               R"({"error":{"code":"not_found","message":"Run not found: x","type":"not_found_error",)"
               R"("param":"run_id"}})"
               "\n");
}

BOOST_AUTO_TEST_CASE(failures_have_their_exit_codes) {
    const auto code = [](pq::ErrorKind kind) { return failure_of(pq::Error(kind, "m")).exit_code; };
    BOOST_TEST(code(pq::ErrorKind::cannot_connect) == exit_code::cannot_connect);
    BOOST_TEST(code(pq::ErrorKind::not_let_in) == exit_code::cannot_connect);
    BOOST_TEST(code(pq::ErrorKind::connection_lost) == exit_code::cannot_connect);
    BOOST_TEST(code(pq::ErrorKind::in_doubt) == exit_code::cannot_connect);
    BOOST_TEST(code(pq::ErrorKind::timeout) == exit_code::cannot_connect);
    BOOST_TEST(code(pq::ErrorKind::refused) == exit_code::refused);
    BOOST_TEST(code(pq::ErrorKind::misused) == exit_code::other_ending);
}

BOOST_AUTO_TEST_CASE(a_typed_refusal_keeps_its_words) {
    const auto failure = failure_of(pq::Error(
        pq::ErrorKind::refused, "The connection has an active run", "PT409",
        R"({"code":"run_already_active","param":"connector_instance_id","active_run_id":"r"})", "Wait for it."));
    BOOST_TEST(failure.exit_code == exit_code::refused);
    BOOST_TEST(failure_text(failure) == "pdpp: The connection has an active run\n      Wait for it.\n");
    BOOST_TEST(failure_json(failure) ==
               R"({"error":{"code":"run_already_active","message":"The connection has an active run",)"
               R"("hint":"Wait for it.","active_run_id":"r","param":"connector_instance_id"}})"
               "\n");
}

BOOST_AUTO_TEST_CASE(a_failure_for_people_is_short_and_without_jargon) {
    const auto text = failure_text(
        failure_of(pq::Error(pq::ErrorKind::refused, "permission denied for function pdpp_run_now", "42501")));
    BOOST_TEST(text.find("42501") == std::string::npos);
    BOOST_TEST(text.find("pdpp_grant") != std::string::npos);
    const auto connect = failure_text(
        failure_of(pq::Error(pq::ErrorKind::cannot_connect, "connection refused\n\tIs the server running?\x1b[0m")));
    BOOST_TEST(connect.starts_with("pdpp: cannot connect to the database: connection refused\n      If the server "
                                   "there is down, start it. Check --db, "));
}

BOOST_AUTO_TEST_SUITE_END()
