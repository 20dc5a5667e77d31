// Lines of the log, each as text and as JSON.

#include <boost/test/unit_test.hpp>

#include "log/log.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <limits>
#include <memory>
#include <regex>
#include <sstream>
#include <tuple>
#include <utility>

using namespace pdpp;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using log::Level;
namespace json = boost::json;

namespace {

/// Writes in the format of before, while it changes to another.
class ChangingSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    explicit ChangingSink(log::Options later) : later_(std::move(later)) {}

    std::string lines;

  protected:
    void sink_it_(const spdlog::details::log_msg& line) override {
        log::set_up(later_); // as another thread may
        spdlog::memory_buf_t whole;
        formatter_->format(line, whole);
        lines.append(whole.data(), whole.size());
    }
    void flush_() override {}

  private:
    log::Options later_;
};

/// What `write` writes to the log.
template <typename Write>
std::string logged(const log::Options& options, Write write) {
    const auto former = spdlog::default_logger();
    std::ostringstream out;
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("pdpp", std::make_shared<spdlog::sinks::ostream_sink_st>(out)));
    log::set_up(options);
    write();
    spdlog::set_default_logger(former);
    log::set_up({});
    return out.str();
}

/// Without the time and the program's name in front: `[info] …`.
template <typename Write>
std::string text_of(Write write) {
    const auto line = logged({.format = "text", .level = "debug"}, write);
    static const std::regex shape(R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[pdpp\] (\[\w+\] .*)\n)");
    std::smatch found;
    BOOST_REQUIRE_MESSAGE(std::regex_match(line, found, shape), line);
    return found[1];
}

/// Without the time.
template <typename Write>
std::string json_of(Write write) {
    const auto line = logged({.format = "json", .level = "debug"}, write);
    static const std::regex shape(R"(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",(.*)\n)");
    std::smatch found;
    BOOST_REQUIRE_MESSAGE(std::regex_match(line, found, shape), line);
    BOOST_CHECK_NO_THROW(json::parse(line));
    return "{" + found[1].str();
}

} // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(a_sentence) {
    const auto write = [] { log::write(Level::info, "listening on {}", "http://127.0.0.1:8080"); };
    BOOST_TEST(text_of(write) == "[info] listening on http://127.0.0.1:8080");
    BOOST_TEST(json_of(write) == R"({"level":"info","message":"listening on http://127.0.0.1:8080"})");
}

BOOST_AUTO_TEST_CASE(the_levels) {
    for (const auto& [level, name] : {std::pair{Level::debug, "debug"}, std::pair{Level::info, "info"},
                                      std::pair{Level::warning, "warning"}, std::pair{Level::error, "error"}}) {
        const auto write = [level = level] { log::write(level, "x"); };
        BOOST_TEST(text_of(write) == fmt::format("[{}] x", name));
        BOOST_TEST(json_of(write) == fmt::format(R"({{"level":"{}","message":"x"}})", name));
        BOOST_TEST(logged({.format = "text", .level = "off"}, write) == "");
        const auto is_logged = !logged({.format = "text", .level = "warning"}, write).empty();
        BOOST_TEST(is_logged == (level >= Level::warning));
    }
}

BOOST_AUTO_TEST_CASE(fields_in_front) {
    const std::string route = "/_ref/runs/{run_id}";
    const auto write = [&] {
        log::write(Level::warning,
                   {{"request_id", "12"},
                    {"run_id", std::optional("run_1"sv)},
                    {"trace_id", std::nullopt},
                    {"route", route},
                    {"status", 503U},
                    {"duration_ms", 412us},
                    {"peer", "unix"sv}},
                   "{}, a={}", "the rest", "b");
    };
    BOOST_TEST(text_of(write) == "[warning] request_id=12 run_id=run_1 route=/_ref/runs/{run_id} status=503 "
                                 "duration_ms=0.412 peer=unix the rest, a=b");
    BOOST_TEST(json_of(write) == R"({"level":"warning","request_id":"12","run_id":"run_1",)"
                                 R"("route":"/_ref/runs/{run_id}","status":503,"duration_ms":0.412,"peer":"unix",)"
                                 R"("message":"the rest, a=b"})");
}

BOOST_AUTO_TEST_CASE(fields_behind_and_a_reason) {
    const auto write = [] {
        log::write(Level::info, "launch failed", {{"run_id", "run_1"}, {"reason", ""}, {"left", -1}},
                   log::because("relation \"x\"\ndoes not exist"));
    };
    BOOST_TEST(text_of(write) ==
               R"([info] launch failed run_id=run_1 reason= left=-1 message=relation "x"\ndoes not exist)");
    BOOST_TEST(json_of(write) == R"({"level":"info","run_id":"run_1","reason":"","left":-1,)"
                                 R"("error":"relation \"x\"\ndoes not exist","message":"launch failed"})");
    const auto output = [] {
        log::write(Level::info, "output", {{"run_id", "r"}}, log::Rest{"stdout: ", "stdout", "\a"});
    };
    BOOST_TEST(text_of(output) == R"([info] output run_id=r stdout: \x07)");
    BOOST_TEST(json_of(output) == R"({"level":"info","run_id":"r","stdout":"\u0007","message":"output"})");
}

BOOST_AUTO_TEST_CASE(words_of_somebody_else) {
    const auto write = [] { log::write(Level::error, {{"request_id", "12"}}, log::Quoted{"said \"so\"\n"}); };
    BOOST_TEST(text_of(write) == R"([error] request_id=12 "said \"so\"\n")");
    BOOST_TEST(json_of(write) == R"({"level":"error","request_id":"12","message":"said \"so\"\n"})");
    const auto within = [] { log::write(Level::error, "not ready: {:?}", "a \"b\"\n"); };
    BOOST_TEST(text_of(within) == R"([error] not ready: "a \"b\"\n")");
    BOOST_TEST(json_of(within) == R"({"level":"error","message":"not ready: \"a \\\"b\\\"\\n\""})");
}

BOOST_AUTO_TEST_CASE(numbers) {
    const auto write = [] {
        log::write(Level::info,
                   {{"least", std::numeric_limits<std::int64_t>::min()},
                    {"most", std::numeric_limits<std::uint64_t>::max()},
                    {"whole", 12ms},
                    {"quarter", 250us}},
                   "x");
    };
    BOOST_TEST(text_of(write) ==
               "[info] least=-9223372036854775808 most=18446744073709551615 whole=12.000 quarter=0.250 x");
    BOOST_TEST(json_of(write) == R"({"level":"info","least":-9223372036854775808,"most":18446744073709551615,)"
                                 R"("whole":12,"quarter":0.25,"message":"x"})");
}

BOOST_AUTO_TEST_CASE(values_that_are_not_plain_are_quoted) {
    for (const auto& [value, shown] :
         {std::pair{"a b"sv, R"("a b")"sv}, std::pair{"\"a\""sv, R"("\"a\"")"sv}, std::pair{"a\"b"sv, R"(a"b)"sv},
          std::pair{"a\nfaked=1"sv, R"("a\nfaked=1")"sv}, std::pair{"ü"sv, R"("ü")"sv},
          std::pair{"\u202e"sv, R"("\u202e")"sv}, std::pair{"\xff"sv, R"("\xff")"sv}, std::pair{""sv, ""sv}}) {
        const auto in_front = [value = value] { log::write(Level::info, {{"run_id", value}}, "x"); };
        const auto behind = [value = value] { log::write(Level::info, "x", {{"run_id", value}}); };
        BOOST_TEST(text_of(in_front) == fmt::format("[info] run_id={} x", shown));
        BOOST_TEST(text_of(behind) == fmt::format("[info] x run_id={}", shown));
    }
}

BOOST_AUTO_TEST_CASE(nothing_forges_a_line) {
    for (const auto text : {"a\nb"sv, "a\r\x1b[2J"sv, "\u0085\u2028\u202e"sv, "\xff\xfe"sv, "a\0b"sv}) {
        const std::string message{text};
        text_of([&] { log::write(Level::info, "{}", message); });
        text_of([&] { log::write(Level::info, message, {{"a", text}}, log::because(text)); });
        text_of([&] { log::write(Level::info, {{"a", text}}, log::Quoted{text}); });
    }
}

BOOST_AUTO_TEST_CASE(json_has_values_as_they_are) {
    const std::string long_text(1000, '"');
    for (const std::string_view text : {"a\u2028b"sv, "\u00a0"sv, "\ufeff"sv, "\u0085"sv, "\U000e0001"sv, "a\\u2028b"sv,
                                        "\t\r\n\"\\ \x1f\x7f"sv, "a=b c=d"sv, std::string_view{long_text}}) {
        const auto line = json::parse(json_of([&] {
                              log::write(Level::info, {{"a", text}}, log::Quoted{text});
                          })).as_object();
        BOOST_TEST(line.at("a").as_string() == text);
        BOOST_TEST(line.at("message").as_string() == text);
    }
}

BOOST_AUTO_TEST_CASE(any_bytes_make_json) {
    for (const auto text : {"\xff\xfe"sv, "a\0b"sv, "\xed\xa0\x80"sv, "\xc3"sv}) {
        json_of([&] { log::write(Level::info, "x", {{"a", text}}, log::because(text)); });
    }
    const auto line = json_of([] { log::write(Level::info, {{"a", "\xff"}}, "x"); });
    BOOST_TEST(line == R"({"level":"info","a":"\"\\xff\"","message":"x"})");
}

BOOST_AUTO_TEST_CASE(the_format_changes_between_lines) {
    const auto lines = logged({.format = "text", .level = "info"}, [] {
        log::write(Level::info, {{"a", 1}}, "x");
        log::set_up({.format = "json", .level = "info"});
        log::write(Level::info, {{"a", 1}}, "x");
        log::set_up({.format = "text", .level = "info"});
        log::write(Level::info, {{"a", 1}}, "x");
    });
    static const std::regex shape(R"(\[.*a=1 x\n\{.*"a":1,"message":"x"\}\n\[.*a=1 x\n)");
    BOOST_TEST(std::regex_match(lines, shape), lines);
}

BOOST_AUTO_TEST_CASE(a_line_that_is_under_way_ends_as_it_began) {
    static const std::regex text(R"(\[.*\] \[info\] a=1 x\n)");
    static const std::regex json(R"(\{"time":.*"a":1,"message":"x"\}\n)");
    for (const auto& [before, after, shape] : {std::tuple{"text", "json", &text}, {"json", "text", &json}}) {
        const auto former = spdlog::default_logger();
        const auto sink = std::make_shared<ChangingSink>(log::Options{.format = after, .level = "info"});
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("pdpp", sink));
        log::set_up({.format = before, .level = "info"});
        log::write(Level::info, {{"a", 1}}, "x");
        spdlog::set_default_logger(former);
        log::set_up({});
        BOOST_TEST(std::regex_match(sink->lines, *shape), sink->lines);
    }
}

BOOST_AUTO_TEST_SUITE_END()
