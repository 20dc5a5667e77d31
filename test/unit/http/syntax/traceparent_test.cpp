// Reading traceparent.

#include <boost/test/unit_test.hpp>

#include "http/syntax/traceparent.hpp"

#include <string>

using namespace pdpp::http;

namespace {

const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string span = "00f067aa0ba902b7";

} // namespace

BOOST_AUTO_TEST_SUITE(http_traceparent)

BOOST_AUTO_TEST_CASE(the_trace_id_is_taken_out) {
    for (const auto& text :
         {"00-" + trace + "-" + span + "-01", "00-" + trace + "-" + span + "-00", "01-" + trace + "-" + span + "-ff",
          "cc-" + trace + "-" + span + "-01-what the future brings"}) {
        BOOST_TEST(trace_id_in(text).value_or("none") == trace, text);
    }
}

BOOST_AUTO_TEST_CASE(what_is_malformed_is_none) {
    const std::string zeros(32, '0');
    const std::string capitals = "4BF92F3577B34DA6A3CE929D0E0E4736";
    for (const auto& text :
         {std::string{}, trace, "00-" + trace + "-" + span, "00-" + trace + "-" + span + "-1",
          "00-" + trace + "-" + span + "-0x", "00-" + trace + "-" + span + "-01-", "00-" + trace + "-" + span + "-01-x",
          "01-" + trace + "-" + span + "-01x", "ff-" + trace + "-" + span + "-01", "0-" + trace + "-" + span + "-011",
          "00-" + zeros + "-" + span + "-01", "00-" + trace + "-0000000000000000-01",
          "00-" + capitals + "-" + span + "-01", "0G-" + trace + "-" + span + "-01", "00_" + trace + "-" + span + "-01",
          " 00-" + trace + "-" + span + "-01", "00-" + trace + "--" + span + "01"}) {
        BOOST_TEST(trace_id_in(text).value_or("none") == "none", text);
    }
}

BOOST_AUTO_TEST_CASE(a_request_has_one_or_none) {
    Request request;
    BOOST_TEST((trace_of(request) == std::nullopt));
    request.insert("TraceParent", "00-" + trace + "-" + span + "-01");
    BOOST_TEST(trace_of(request).value() == trace);
    request.insert("traceparent", "00-" + trace + "-" + span + "-01");
    BOOST_TEST((trace_of(request) == std::nullopt));
}

BOOST_AUTO_TEST_SUITE_END()
