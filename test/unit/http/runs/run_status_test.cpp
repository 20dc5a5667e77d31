// A status with what answers take from it: read off once, and still there when it is handed on.

#include <boost/test/unit_test.hpp>

#include "http/runs/run_status.hpp"
#include "http/syntax/entity_tag.hpp"

#include <utility>

using namespace pdpp::http;

namespace {

const std::string ended = R"({"links": {"timeline": "/_ref/runs/run_1/timeline"}, "object": "run_status", )"
                          R"("run_id": "run_1", "status": "completed", "trace_id": "trc_1"})";

} // namespace

BOOST_AUTO_TEST_SUITE(http_run_status)

BOOST_AUTO_TEST_CASE(what_answers_take_is_read_off_the_body) {
    const StatusText text(ended);
    const auto& status = text.status();
    BOOST_TEST(status.body == ended);
    BOOST_TEST(status.etag == entity_tag(ended));
    BOOST_TEST(status.status == "completed");
    BOOST_TEST(status.trace_id == "trc_1");
    BOOST_TEST(status.timeline_link == "/_ref/runs/run_1/timeline");
}

BOOST_AUTO_TEST_CASE(it_stands_after_its_text_has_moved) {
    StatusText first(ended);
    StatusText second(std::move(first));
    StatusText third(R"({"status": "active"})");
    third = std::move(second);
    BOOST_TEST(third.status().body == ended);
    BOOST_TEST(third.status().status == "completed");
    BOOST_TEST(third.status().etag == entity_tag(ended));
    BOOST_TEST(std::move(third).take_body() == ended);
}

BOOST_AUTO_TEST_CASE(an_ending_is_the_last) {
    for (const auto* const word : {"completed", "failed", "cancelled", "abandoned"}) {
        BOOST_TEST(StatusText(R"({"status": ")" + std::string{word} + R"("})").status().is_last(), word);
    }
    for (const auto* const body : {R"({"status": "active"})", R"({"status": "done"})", R"({"error": {}})", "{}"}) {
        BOOST_TEST(!StatusText(body).status().is_last(), body);
    }
}

BOOST_AUTO_TEST_SUITE_END()
