// Words out of bodies that nobody parses.

#include <boost/test/unit_test.hpp>

#include "http/runs/status_body.hpp"

using namespace pdpp::http;

namespace {

std::string status_of(std::string_view run_id, std::string_view status) {
    std::string body = R"({"links": {"timeline": "/_ref/runs/x/timeline"}, "object": "run_status", "run_id": ")";
    return body.append(run_id).append(R"(", "status": ")").append(status).append(R"(", "failure": null})");
}

std::string timeline_of(std::string_view data, std::string_view terminal_status) {
    std::string body = R"({"data": [{"data": {"text": ")";
    body.append(data).append(R"("}}], "limit": 1, "event_count": 1, "next_cursor": null, "terminal_status": )");
    return body.append(terminal_status).append("}");
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_status_body)

BOOST_AUTO_TEST_CASE(words_are_found) {
    constexpr std::string_view body =
        R"({"links": {"timeline": "/t"}, "object": "run_status", "run_id": "run_1", "status": "failed", )"
        R"("failure": {"message": "m"}, "trace_id": "trc_1"})";
    BOOST_TEST(status_in_body(body) == "failed");
    BOOST_TEST(run_id_in_body(body) == "run_1");
    BOOST_TEST(trace_id_in_body(body) == "trc_1");
}

BOOST_AUTO_TEST_CASE(words_inside_strings_are_not) {
    BOOST_TEST(status_in_body(R"({"run_id": "\"status\": \"completed\"", "status": "active"})") == "active");
    BOOST_TEST(trace_id_in_body(R"({"failure": {"message": "\"trace_id\": \"x\""}, "trace_id": "trc_1"})") == "trc_1");
}

BOOST_AUTO_TEST_CASE(what_is_missing_or_escaped_is_empty) {
    BOOST_TEST(status_in_body("") == "");
    BOOST_TEST(status_in_body(R"({"status": )") == "");
    BOOST_TEST(status_in_body(R"({"status": "fai)") == "");
    BOOST_TEST(trace_id_in_body(R"({"trace_id": null})") == "");
    BOOST_TEST(run_id_in_body(R"({"run_id": "a\"b"})") == "");
}

BOOST_AUTO_TEST_CASE(four_words_are_terminal) {
    for (const auto* const word : {"completed", "failed", "cancelled", "abandoned"}) {
        BOOST_TEST(status_in_body(status_of("run_1", word)) == word);
        BOOST_TEST(is_terminal_status(status_of("run_1", word)));
        BOOST_TEST(is_terminal_timeline(timeline_of("", '"' + std::string{word} + '"')));
    }
    BOOST_TEST(status_in_body(status_of("run_1", "active")) == "active");
    BOOST_TEST(!is_terminal_status(status_of("run_1", "active")));
    BOOST_TEST(!is_terminal_timeline(timeline_of("", "null")));
}

BOOST_AUTO_TEST_CASE(the_timeline_is_found) {
    BOOST_TEST(timeline_link_in_body(status_of("run_1", "active")) == "/_ref/runs/x/timeline");
    BOOST_TEST(timeline_link_in_body("{}").empty());
}

BOOST_AUTO_TEST_CASE(an_unknown_run_has_not_ended) {
    constexpr auto envelope = R"({"error": {"code": "not_found", "type": "not_found_error", "param": "run_id", )"
                              R"("message": "Run not found: , \"status\": \"failed\""}})";
    BOOST_TEST(status_in_body(envelope).empty());
    BOOST_TEST(!is_terminal_status(envelope));
    BOOST_TEST(!is_terminal_timeline(envelope));
}

BOOST_AUTO_TEST_CASE(an_id_cannot_forge_an_ending) {
    BOOST_TEST(!is_terminal_status(status_of(R"(x\", \"status\": \"failed)", "active")));
    BOOST_TEST(!is_terminal_status(status_of(R"(x\\\", \"status\": \"failed\\)", "active")));
}

BOOST_AUTO_TEST_CASE(data_cannot_forge_an_ending) {
    BOOST_TEST(!is_terminal_timeline(timeline_of(R"(\", \"terminal_status\": \"failed\"})", "null")));
    BOOST_TEST(!is_terminal_timeline(
        timeline_of(R"("}}], "x": {"a": 1, "terminal_status": "failed"}, "y": [{"b": {"c": ")", "null")));
}

BOOST_AUTO_TEST_SUITE_END()
