// What is taken for a connector's message, and what is not.

#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "controller/connector_output.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

using namespace pdpp::controller;
using namespace std::string_literals;

namespace {

bool is_nothing(std::string_view line) {
    return std::holds_alternative<std::monostate>(parse_line(line));
}

Progress progress_of(std::string_view line) {
    return std::get<Progress>(parse_line(line));
}

Done done_of(std::string_view line) {
    return std::get<Done>(parse_line(line));
}

std::vector<std::string> lines_of(LineSplitter& splitter, const std::vector<std::string>& pieces) {
    std::vector<std::string> lines;
    const auto keep = [&](std::string_view line) { lines.emplace_back(line); };
    for (const auto& piece : pieces)
        splitter.feed(piece, keep);
    splitter.finish(keep);
    return lines;
}

} // namespace

BOOST_AUTO_TEST_SUITE(connector_output)

BOOST_AUTO_TEST_CASE(other_lines_are_ignored) {
    for (const auto* line :
         {"", "   ", "hello", "PROGRESS", "[1]", "\"PROGRESS\"", "{", "{}", "{\"type\":null}", "{\"type\":1}",
          "{\"type\":\"progress\"}", "{\"type\":\"RECORD\",\"data\":{}}", "{\"type\":\"PROGRESS\"} trailing",
          "{\"type\":\"PROGRESS\",\"message\":\"\xff\"}", "{\"type\":\"PROGRESS\",\"message\":\"\\ud800\"}",
          "[{\"type\":\"DONE\",\"status\":\"failed\"}]", "x{\"type\":\"DONE\",\"status\":\"failed\"}"})
        BOOST_TEST(is_nothing(line), line);
    BOOST_TEST(is_nothing("{\"type\":\"PROGRESS\",\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"));
}

BOOST_AUTO_TEST_CASE(progress_carries_its_fields) {
    const auto progress =
        progress_of(" {\"type\":\"PROGRESS\",\"stream\":\"mail\",\"message\":\"half\",\"count\":5,\"total\":10}\r");
    BOOST_TEST(progress.stream.value() == "mail");
    BOOST_TEST(progress.message.value() == "half");
    BOOST_TEST(progress.count.value() == 5);
    BOOST_TEST(progress.total.value() == 10);
    BOOST_TEST(boost::json::serialize(progress_data(progress)) ==
               R"({"stream":"mail","message":"half","count":5,"total":10})");
}

BOOST_AUTO_TEST_CASE(progress_fields_of_a_wrong_type_are_absent) {
    const auto progress =
        progress_of(R"({"type":"PROGRESS","stream":7,"message":null,"count":"5","total":-1,"extra":"secret"})");
    BOOST_TEST(boost::json::serialize(progress_data(progress)) ==
               R"({"stream":null,"message":null,"count":null,"total":null})");
}

BOOST_AUTO_TEST_CASE(counts_are_whole_numbers) {
    const auto count = [](const std::string& text) {
        return progress_of("{\"type\":\"PROGRESS\",\"count\":" + text + "}").count;
    };
    BOOST_TEST(count("0").value() == 0);
    BOOST_TEST(count("10.0").value() == 10);
    BOOST_TEST(count("1e3").value() == 1000);
    BOOST_TEST(count("9223372036854775807").value() == INT64_MAX);
    for (const auto* text : {"1.5", "-1", "-0.5", "1e30", "9223372036854775808", "true"})
        BOOST_TEST(!count(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(strings_are_bounded_and_without_nul) {
    const auto progress = progress_of("{\"type\":\"PROGRESS\",\"message\":\"a\\u0000" + std::string(600, 'b') + "\"}");
    BOOST_TEST(*progress.message == "a" + std::string(499, 'b') + "…");
    const auto done =
        done_of("{\"type\":\"DONE\",\"status\":\"failed\",\"error\":{\"message\":\"" + std::string(3000, 'x') + "\"}}");
    BOOST_TEST(*done.error_message == std::string(2000, 'x') + "…");
}

BOOST_AUTO_TEST_CASE(done_needs_a_known_status) {
    BOOST_TEST((done_of(R"({"type":"DONE","status":"succeeded"})").status == DoneStatus::succeeded));
    BOOST_TEST((done_of(R"({"type":"DONE","status":"failed"})").status == DoneStatus::failed));
    BOOST_TEST((done_of(R"({"type":"DONE","status":"cancelled"})").status == DoneStatus::cancelled));
    for (const auto* line : {R"({"type":"DONE"})", R"({"type":"DONE","status":"ok"})", R"({"type":"DONE","status":0})"})
        BOOST_TEST(is_nothing(line), line);
}

BOOST_AUTO_TEST_CASE(done_carries_its_fields) {
    const auto done =
        done_of(R"({"type":"DONE","status":"failed","records_emitted":3,"error":{"message":"no","stack":"secret"}})");
    BOOST_TEST(done.records_emitted.value() == 3);
    BOOST_TEST(done.error_message.value() == "no");
    const auto bare = done_of(R"({"type":"DONE","status":"failed","records_emitted":null,"error":"no"})");
    BOOST_TEST(!bare.records_emitted.has_value());
    BOOST_TEST(!bare.error_message.has_value());
}

BOOST_AUTO_TEST_CASE(lines_are_found_in_any_pieces) {
    LineSplitter splitter;
    const std::vector<std::string> expected{"one", "two", "three"};
    const auto lines = lines_of(splitter, {"o", "ne\ntw", "o\n", "\n", "three"});
    BOOST_TEST(lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_line_too_long_is_left_out_alone) {
    LineSplitter splitter(5);
    const std::vector<std::string> expected{"12345", "after"};
    const auto lines = lines_of(splitter, {"12345\n", "123", "456", "789\nafter\n", "654321"});
    BOOST_TEST(lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
