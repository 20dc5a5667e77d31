// What is taken for a connector's message, and what is not.

#include <boost/test/unit_test.hpp>

#include "controller/connector_output.hpp"
#include "controller/message_reader.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

using namespace pdpp::controller;
using namespace std::string_literals;

namespace {

ConnectorMessage read(std::string_view line) {
    return read_line({.text = line}).message;
}

bool is_nothing(std::string_view line) {
    return std::holds_alternative<std::monostate>(read(line));
}

Progress progress_of(std::string_view line) {
    return std::get<Progress>(read(line));
}

Done done_of(std::string_view line) {
    return std::get<Done>(read(line));
}

/// Why a line that claims to be a DONE cannot be read; empty if it can, or claims nothing of the kind.
std::string why_not(std::string_view line) {
    const auto message = read(line);
    const auto* const unreadable = std::get_if<Unreadable>(&message);
    return unreadable != nullptr && unreadable->claim == Claim::done ? unreadable->why : "";
}

bool is_unreadable_progress(std::string_view line) {
    const auto message = read(line);
    const auto* const unreadable = std::get_if<Unreadable>(&message);
    return unreadable != nullptr && unreadable->claim == Claim::progress;
}

/// The word for each message, of a stream that comes in pieces of this size.
std::string messages_of(std::string_view stream, std::size_t piece, std::size_t limit = line_limit) {
    MessageReader reader(limit);
    std::string words;
    const auto use = [&](const ConnectorMessage& message) {
        if (std::holds_alternative<Progress>(message)) {
            words += "progress ";
        }
        if (std::holds_alternative<Done>(message)) {
            words += std::get<Done>(message).status == DoneStatus::failed ? "done " : "done-well ";
        }
        if (const auto* unreadable = std::get_if<Unreadable>(&message)) {
            words += unreadable->claim == Claim::done ? "unreadable-done " : "unreadable-progress ";
        }
    };
    for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size()))) {
        reader.feed(stream.substr(0, piece), use);
    }
    reader.finish(use);
    return words;
}

std::vector<std::string> lines_of(LineSplitter& splitter, const std::vector<std::string>& pieces) {
    std::vector<std::string> lines;
    const auto keep = [&](const Line& line) {
        lines.push_back(std::string(line.text) + (line.is_too_long ? "…" : ""));
    };
    for (const auto& piece : pieces) {
        splitter.feed(piece, keep);
    }
    splitter.finish(keep);
    return lines;
}

} // namespace

BOOST_AUTO_TEST_SUITE(connector_output)

BOOST_AUTO_TEST_CASE(other_lines_are_ignored) {
    for (const auto* line : {"",
                             "   ",
                             "hello",
                             "PROGRESS",
                             "[1]",
                             "\"PROGRESS\"",
                             "{",
                             "{}",
                             "{\"type\":null}",
                             "{\"type\":1}",
                             "{\"type\":\"progress\"}",
                             "{\"type\":\"RECORD\",\"data\":{}}",
                             "{\"type\":\"RECORD\",\"data\":NaN}",
                             "done with {\"x\":1}",
                             "DONE",
                             "type: DONE",
                             "12:30 {DONE} \"type\"",
                             "{DONE}",
                             "[\"type\",\"DONE\"]",
                             "sent {\"type\":\"DONE\",\"status\":\"succeeded\"}",
                             "sent {'type': 'DONE', 'status': 'failed'}"}) {
        BOOST_TEST(is_nothing(line), line);
    }
    // what is nested, or quoted, is not the line's own type
    for (const auto* line :
         {R"({"type":"RECORD","data":{"type":"DONE","status":"failed"}})",
          R"({"type":"RECORD","data":{"type":"DONE","ratio":NaN}})",
          R"({"type":"RECORD","line":"{\"type\":\"DONE\",\"status\":\"failed\"}"})", R"({"data":[{"type":"DONE"}]})",
          R"(sent {"type":"RECORD","data":{"type":"DONE","status":"failed"}})",
          R"(msg="{\"type\":\"DONE\",\"status\":\"failed\"}" level=info)",
          R"({"msg":"{\"type\":\"DONE\",\"status\":\"failed\"}"})", R"("type":"DONEE")", R"({"record_type":"DONE"})",
          R"({"type":["DONE"]})", R"({"value":"type","DONE":"type"})"}) {
        BOOST_TEST(is_nothing(line), line);
    }
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
    for (const auto* text : {"1.5", "-1", "-0.5", "1e30", "9223372036854775808", "true"}) {
        BOOST_TEST(!count(text).has_value(), text);
    }
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
    BOOST_TEST(why_not(R"({"type":"DONE"})") == "it has no status");
    BOOST_TEST(why_not(R"({"type":"DONE","status":0})") == "its status is no string");
    BOOST_TEST(why_not(R"({"type":"DONE","status":"ok"})") ==
               R"(its status is neither succeeded nor failed nor cancelled, but "ok")");
    BOOST_TEST(why_not("{\"type\":\"DONE\",\"status\":\"" + std::string(100, 'x') + "\\u0000\"}") ==
               "its status is neither succeeded nor failed nor cancelled, but \"" + std::string(40, 'x') + "…\"");
}

BOOST_AUTO_TEST_CASE(what_is_no_unicode_is_read_all_the_same) {
    const auto message = [](const std::string& text) {
        return done_of("{\"type\":\"DONE\",\"status\":\"failed\",\"error\":{\"message\":\"" + text + "\"}}")
            .error_message.value();
    };
    BOOST_TEST(message("report-\\udce9.pdf") == "report-\ufffd.pdf"); // Python's json.dumps of a file name
    BOOST_TEST(message("\\ud800") == "\ufffd");
    BOOST_TEST(message("\\ud800\\ud83d\\ude00\\ude00") == "\ufffd😀\ufffd");
    BOOST_TEST(message("\\ud800\\u0041\\ud800\\n\\\\ud800") == "\ufffdA\ufffd\n\\ud800");
    BOOST_TEST(message("caf\xe9") == "caf\ufffd");   // Latin-1
    BOOST_TEST(message("\xe9\\\"x") == "\ufffd\"x"); // and what follows is not swallowed
    BOOST_TEST(message("\xed\xa0\x80") == "\ufffd\ufffd\ufffd");
    BOOST_TEST(message("a\tb\x01"
                       "c\x7f") == "a\tb\x01"
                                   "c\x7f");
    BOOST_TEST(message("a\0b\\u0000c"s) == "abc");
}

BOOST_AUTO_TEST_CASE(what_is_around_an_object_does_not_matter) {
    const std::string done = R"({ "status" : "failed" , "type" : "DONE" })";
    for (const auto& line : {"\xef\xbb\xbf" + done, "\0\0"s + done + "\0"s, " \t\v" + done + "\r", "\x1b" + done,
                             "{\0\"status\":\"failed\"\0,\"type\":\"DONE\"}"s}) {
        BOOST_TEST((done_of(line).status == DoneStatus::failed), line);
    }
    std::string utf16 = "\xff\xfe";
    for (const char byte : done) {
        utf16 += {byte, '\0'};
    }
    BOOST_TEST((done_of(utf16).status == DoneStatus::failed));
}

BOOST_AUTO_TEST_CASE(what_is_not_seen_in_front_does_not_matter) {
    const std::string done = R"({"type":"DONE","status":"succeeded"})";
    for (const std::string front : {"50%\r", "loading...\x1b[K\r\x1b[2K", "\x1b[0m", "\x1b[38;5;1m ", "\xc2\xa0",
                                    "\u200b", "\u2028", "\u3000", "\ufeff", "\u2060", "\u202f"}) {
        BOOST_TEST((done_of(front + done).status == DoneStatus::succeeded), front);
    }
}

BOOST_AUTO_TEST_CASE(done_behind_other_text) {
    const std::string done = R"({"type":"DONE","status":"failed","error":{"message":"boom"}})";
    for (const auto& line :
         {"loading... " + done, "INFO " + done + " (sent)", "[ " + done + " ]", "[" + done + "]", "it's " + done,
          "5\" " + done, "\u2026" + done, R"(x {"type":"RECORD"})" + done, "hello\rx" + done + "\r"}) {
        BOOST_TEST(done_of(line).error_message.value() == "boom", line);
    }
    for (const auto* line : {R"(50% {"type":"DONE","status":"failed")", R"(50% {"type":"DONE","status":"failed",})",
                             R"(50% {"type":"DONE","status":"well"})", R"(x {y} {"type":"DONE","status":"failed"})",
                             R"(x { {"type":"DONE","status":"failed"})", R"(x {"a":"5" disk","type":"DONE"})",
                             R"("type": "DONE",)", R"(12:30 "type": "DONE")", R"(}, "type" :"D\u004fNE")"}) {
        BOOST_TEST(!why_not(line).empty(), line);
    }
}

BOOST_AUTO_TEST_CASE(escapes_are_read_everywhere) {
    BOOST_TEST((done_of(R"({"\u0074ype":"\u0044ONE","\u0073tatus":"failed"})").status == DoneStatus::failed));
    for (const auto* line : {R"({"type":"DONE","status":"failed","\u0073tatus":"succeeded"})",
                             R"({"type":"DONE","\u0073tatus":"failed","status":"succeeded"})"}) {
        BOOST_TEST(why_not(line) == "it says its status more than once", line);
    }
    BOOST_TEST(why_not(R"({"type":"DONE","status":"failed","\u0074ype":"RECORD"})") ==
               "it says its type more than once");
    for (const auto* line : {R"({"type":"DO\u004eE","status":"failed",})", R"({"\u0074ype":"DONE","status":"failed",})",
                             R"({"a":"5" disk,"typ\u0065":"DO\u004EE"})", R"({"type":"DO\u004eE","status":"fai)",
                             R"({\"type\":\"DONE\",\"status\":\"failed\"})", R"({"type":"DO\u0000NE"})"}) {
        BOOST_TEST(!why_not(line).empty(), line);
    }
    const std::string long_text(100, 'x');
    BOOST_TEST(messages_of(R"({"a":")" + long_text + R"(\\","type":"DO\u004eE"})", 1, 50) == "unreadable-done ");
    BOOST_TEST(messages_of(std::string(100, ' ') + R"({"type":"DONE"})" + "\n" + std::string(100, '\0') +
                               R"({"type":"DONE"})" + "\n[ " + long_text + R"({"type":"DONE"} ])" + "\n" + long_text +
                               R"( {"type":"RECORD","data":{"type":"DONE"}})",
                           7, 50) == "unreadable-done unreadable-done unreadable-done ");
}

BOOST_AUTO_TEST_CASE(several_lines_may_be_one_message) {
    const auto said = [](const std::string& stream) {
        const auto words = messages_of(stream, 1);
        BOOST_TEST(words == messages_of(stream, 1000), stream);
        return words;
    };
    const std::string pretty = "{\n  \"type\": \"DONE\",\n\n  \"status\": \"failed\",\r\n  \"a\": [\n    {}\n  ]\n}";
    BOOST_TEST(said(pretty) == "done ");
    BOOST_TEST(said("hello\n" + pretty + "\nbye\n" + R"({"type":"PROGRESS"})") == "done progress ");
    BOOST_TEST(said("50%\r" + pretty) == "done ");
    BOOST_TEST(said("result: " + pretty + " bye") == "done ");
    BOOST_TEST(said("x {} y " + pretty) == "done ");
    BOOST_TEST(said("[\n" + pretty + "\n]\n") == "done ");
    BOOST_TEST(said("[\n" + pretty + ",\n" + pretty + "\n]\n") == "unreadable-done done ");
    BOOST_TEST(said("{\n\"type\":\n\"DONE\",\n\"status\":\"succeeded\"}") == "done-well ");
    BOOST_TEST(said("{\"type\":\"DONE\",\n\"status\":\"failed\"}") == "done ");
    BOOST_TEST(said("{\n\"type\":\"PROGRESS\",\n\"count\": 1}") == "progress ");
    // a line end within a string
    BOOST_TEST(said("{\"type\":\"DONE\",\"status\":\"failed\",\"error\":{\"message\":\"a\nb\"}}") == "done ");
    BOOST_TEST(said("{\"error\":{\"message\":\"a\nb\xe9\n{\"},\"type\":\"DONE\",\"status\":\"failed\"}") == "done ");
    // nested is no message, in several lines either
    const std::string record =
        "{\n \"type\": \"RECORD\",\n \"data\": {\n  \"type\": \"DONE\",\n  \"status\": \"failed\"\n }\n}";
    BOOST_TEST(said(record) == "");
    BOOST_TEST(said("record: " + record + "\nnext: " + record + ",\n") == "");
    // and what is no JSON, or has no end, is a claim
    for (const std::string torn :
         {"{\n\"type\": \"DONE\",\n\"status\": \"failed\",\n}\n", "{\n\"type\": \"DONE\",\n\"status\"",
          "{\n\"a\": NaN,\n\"type\": \"DONE\",\n\"status\": \"failed\"\n}", "{\"a\":\"\nb\", NaN, \"type\": \"DONE\"}",
          "{\"type\":\"DONE\"\n"}) {
        BOOST_TEST(said(torn) == "unreadable-done ", torn);
    }
    // lines that follow what is open for good are heard
    BOOST_TEST(said("{\"a\":[\n{\"type\":\"PROGRESS\"}\n{\"type\":\"DONE\",\"status\":\"failed\"}\n") ==
               "progress done ");
    BOOST_TEST(said("function () {\n{\"type\":\"PROGRESS\"}\n}\n{\n" + pretty) == "progress done ");
    BOOST_TEST(said("{\"a\":\"\n{\"type\":\"DONE\",\"status\":\"failed\"}\n") == "done ");
    const std::string blanks(line_limit / 2, ' ');
    BOOST_TEST(messages_of("{\n" + blanks + "\n" + blanks + "\n\"type\":\"DONE\"}", 65536) == "unreadable-done ");
}

BOOST_AUTO_TEST_CASE(what_else_an_object_holds_does_not_matter) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']') + "}"; };
    BOOST_TEST((done_of(R"({"type":"DONE","status":"failed","a":)" + nested(900)).status == DoneStatus::failed));
    BOOST_TEST(progress_of(R"({"type":"PROGRESS","count":1,"a":)" + nested(900)).count.value() == 1);
    BOOST_TEST((done_of(R"({"type":"DONE","status":"failed","a":1e999})").status == DoneStatus::failed));
    // as deep as a line can be
    BOOST_TEST(!why_not(R"({"type":"DONE","status":"failed","a":)" + nested(500'000)).empty());
    BOOST_TEST(!why_not(R"({"a":)" + nested(500'000).append(R"(,"type":"DONE"})")).empty());
    BOOST_TEST(is_nothing(R"({"type":"RECORD","a":)" + nested(500'000)));
}

BOOST_AUTO_TEST_CASE(what_claims_to_be_done_and_is_no_json) {
    for (const auto* line : {R"({"type":"DONE","status":"failed")",       // cut short
                             R"({"type":"DONE","status":"fai)",           //
                             R"({"type":"DONE","status":"failed",})",     // trailing comma
                             R"({"type":"DONE","status":"failed"} done)", // something behind it
                             R"({"type":"DONE","status":"failed","records_emitted":NaN})",
                             R"({"type":"DONE","status":"failed","error":{"message":"C:\data"}})",
                             R"({"type":"DONE","status":"failed","error":{"message":"\u12"}})",
                             R"({"error":{"message":"5" disk"},"type":"DONE","status":"failed"})",
                             R"({"error":{"message":"a "quoted" word"},"type" : "DONE","status":"failed"})",
                             R"({'type': 'DONE', 'status': 'failed'})",                      // a dictionary of Python
                             R"({type: "DONE", status: "failed"})",                          //
                             R"({"type":"PROGRESS","mess{"type":"DONE","status":"failed"})", // two writers at once
                             R"({"type":"PROGRESS","count":1}{"type":"DONE","status":"failed"})"}) {
        BOOST_TEST(why_not(line).starts_with("it cannot be parsed: "), line);
    }
}

BOOST_AUTO_TEST_CASE(what_says_it_twice_says_nothing) {
    BOOST_TEST(why_not(R"({"type":"DONE","status":"failed","status":"succeeded"})") ==
               "it says its status more than once");
    BOOST_TEST(why_not(R"({"type":"DONE","status":"failed","type":"RECORD"})") == "it says its type more than once");
    BOOST_TEST(why_not(R"({"type":"DONE","status":"failed","type":"PROGRESS"})") == "it says its type more than once");
    BOOST_TEST(
        (done_of(R"({"type":"DONE","status":"failed","error":{"status":"x"},"a":["status"],"b":"status"})").status ==
         DoneStatus::failed));
}

BOOST_AUTO_TEST_CASE(progress_that_is_no_json) {
    for (const auto* line : {R"({"type":"PROGRESS","count":1} trailing)", R"({"type":"PROGRESS","count":NaN})",
                             R"({"type":"PROGRESS")", R"({"type":"PROGRESS","count":1,"type":"RECORD"})"}) {
        BOOST_TEST(is_unreadable_progress(line), line);
    }
    BOOST_TEST(progress_of("{\"type\":\"PROGRESS\",\"message\":\"\xff\\ud800\"}").message.value() == "\ufffd\ufffd");
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

BOOST_AUTO_TEST_CASE(of_a_line_too_long_the_beginning_is_kept) {
    LineSplitter splitter(5);
    const std::vector<std::string> expected{"12345", "12345…", "after", "65432…"};
    const auto lines = lines_of(splitter, {"12345\n", "123", "456", "789\nafter\n", "654321"});
    BOOST_TEST(lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_line_too_long_is_known_by_its_type_wherever_that_stands) {
    const std::string x(100, 'x');
    const std::string stream =
        R"({"type":"DONE","status":"succeeded","a":")" + x + "\"}\n" + R"({"a":")" + x +
        R"(","status":"failed","type": "DONE"})" + "\n" + R"({"a":{"b":[")" + x + R"("]},"type":"PROGRESS"})" + "\n" +
        R"({"type":"RECORD","data":{"a":")" + x + R"(","type":"DONE"}})" + "\n" +
        R"({"type":"RECORD","line":"\"type\":\"DONE\")" + x + "\"}\n" + // quoted
        R"({"a":"5" disk)" + x + R"(","type":"DONE","status":"failed"})" + "\n" + R"(sent {"type":"DONE","a":")" + x +
        "\"}\n" +                                                                      //
        R"({"type":"DONE","status":"failed"})" + "\n" + R"({"type":"DONE","a":")" + x; // cut short, too
    for (const std::size_t piece : {1, 2, 3, 7, 64, 10'000}) {
        BOOST_TEST(messages_of(stream, piece, 50) == "unreadable-done unreadable-done unreadable-progress "
                                                     "unreadable-done unreadable-done done unreadable-done ");
    }
    const auto message = read_line({.text = "{", .is_too_long = true, .claim = Claim::done}).message;
    BOOST_TEST(std::get<Unreadable>(message).why == "it is longer than 1048576 bytes");
}

BOOST_AUTO_TEST_SUITE_END()
