// Words out of bodies that nobody parses.

#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "http/status_body.hpp"

using namespace pdpp::http;

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

BOOST_AUTO_TEST_SUITE_END()
