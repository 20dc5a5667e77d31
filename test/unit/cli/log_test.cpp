// Lines of the log as JSON objects.

#include <boost/test/unit_test.hpp>

#include "cli/log.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <spdlog/details/log_msg.h>

using namespace pdpp::cli;
namespace json = boost::json;

namespace {

std::string line_for(std::string_view text, spdlog::level::level_enum level = spdlog::level::info) {
    const spdlog::log_clock::time_point time(std::chrono::milliseconds(1'700'000'000'007));
    spdlog::memory_buf_t out;
    JsonFormatter().format({time, {}, "pdpp", level, text}, out);
    return {out.data(), out.size()};
}

json::object object_for(std::string_view text) {
    return json::parse(line_for(text)).as_object();
}

} // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(a_line_is_one_object) {
    BOOST_TEST(line_for("listening on http://127.0.0.1:8080") ==
               R"({"time":"2023-11-14T22:13:20.007Z","level":"info","message":"listening on http://127.0.0.1:8080"})"
               "\n");
    BOOST_TEST(line_for("", spdlog::level::warn) ==
               R"({"time":"2023-11-14T22:13:20.007Z","level":"warning","message":""})"
               "\n");
}

BOOST_AUTO_TEST_CASE(what_it_begins_with_becomes_members) {
    const auto line = object_for("request_id=12 run_id=run_1 status=503 duration_ms=0.250 the rest, a=b");
    BOOST_TEST(line.at("request_id").as_string() == "12");
    BOOST_TEST(line.at("run_id").as_string() == "run_1");
    BOOST_TEST(line.at("status").as_int64() == 503);
    BOOST_TEST(line.at("duration_ms").as_double() == 0.25);
    BOOST_TEST(line.at("message").as_string() == "the rest, a=b");
    BOOST_TEST(line.size() == 7);
}

BOOST_AUTO_TEST_CASE(quoted_values_are_unquoted) {
    const auto line = object_for(R"(run_id="a \"b\" \\ c" after)");
    BOOST_TEST(line.at("run_id").as_string() == R"(a "b" \ c)");
    BOOST_TEST(line.at("message").as_string() == "after");
    BOOST_TEST(object_for(R"(run_id="never ends)").at("run_id").as_string() == "never ends");
    BOOST_TEST(object_for(R"(run_id="\)").at("run_id").as_string() == "\\");
}

BOOST_AUTO_TEST_CASE(what_fmt_escapes_comes_out_as_it_was) {
    for (const std::string_view text :
         {"a\u2028b", "\u00a0", "\ufeff", "\u0085", "\U000e0001", "a\\u2028b", "\t\r\n\"\\ \x1f\x7f"})
        BOOST_TEST(object_for(fmt::format("run_id={:?} after", text)).at("run_id").as_string() == text, text);
    BOOST_TEST(object_for(R"(run_id="\u20")").at("run_id").as_string() == "u20");
}

BOOST_AUTO_TEST_CASE(a_quoted_message_is_unquoted) {
    BOOST_TEST(object_for(R"(request_id=12 "said \"so\"")").at("message").as_string() == R"(said "so")");
    BOOST_TEST(object_for(R"("so" and not otherwise)").at("message").as_string() == R"("so" and not otherwise)");
}

BOOST_AUTO_TEST_CASE(any_bytes_make_json) {
    for (const std::string_view text :
         {"\"\n\t\x01", "\xff\xfe", "=", "a", "a=", "a= b", "A=b", "1=2", "run_id=\xff x"})
        BOOST_CHECK_NO_THROW(object_for(text));
    BOOST_TEST(object_for("a=").at("a").as_string() == "");
    BOOST_TEST(object_for("A=b").at("message").as_string() == "A=b");
    for (const std::string_view text :
         {"status=", "status=-", "status=1.2.3", "status=nan", "status=1e999", "status=x"})
        BOOST_TEST(object_for(text).at("status").is_string());
    BOOST_TEST(object_for("status=007").at("status").as_int64() == 7);
}

BOOST_AUTO_TEST_SUITE_END()
