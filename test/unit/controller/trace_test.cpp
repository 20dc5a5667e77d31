// What a connector is told about its run.

#include <boost/test/unit_test.hpp>

#include "controller/trace.hpp"

#include <regex>

using namespace pdpp::controller;

BOOST_AUTO_TEST_SUITE(trace)

BOOST_AUTO_TEST_CASE(traceparent_of_32_hex_digits) {
    const std::string digits = "0123456789abcdef0123456789abcdef";
    const std::regex expected("00-" + digits + "-[0-9a-f]{16}-01");
    BOOST_TEST(std::regex_match(traceparent("trc_" + digits).value(), expected));
    BOOST_TEST(std::regex_match(traceparent(digits).value(), expected));
    BOOST_TEST(std::regex_match(traceparent("0123456789ABCDEF0123456789ABCDEF").value(), expected));
    BOOST_TEST(traceparent(digits).value() != traceparent(digits).value());
}

BOOST_AUTO_TEST_CASE(no_traceparent_of_other_ids) {
    for (const auto* id : {"", "trc_", "trc_0123", "0123456789abcdef0123456789abcdeg", "my-trace",
                           "00000000000000000000000000000000", "trc_0123456789abcdef0123456789abcdef0"}) {
        BOOST_TEST(!traceparent(id).has_value(), id);
    }
}

BOOST_AUTO_TEST_CASE(environment_replaces_a_foreign_traceparent) {
    const auto environment = run_environment("run_1", "my-trace");
    BOOST_TEST(environment.at("PDPP_RUN_ID").value() == "run_1");
    BOOST_TEST(environment.at("PDPP_TRACE_ID").value() == "my-trace");
    BOOST_TEST(!environment.at("TRACEPARENT").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
