// What JSON bodies are refused for, and what is known of those that are not.

#include <boost/test/unit_test.hpp>

#include "http/syntax/json_body.hpp"

using namespace pdpp::http;

namespace {

Request request_with(std::string body, std::string_view type = "application/json") {
    Request request;
    request.set(field::content_type, type);
    request.body() = std::move(body);
    return request;
}

/// The message of the refusal, or the members: "name=string" or "name".
std::string read(std::string body, std::string_view type = "application/json") {
    const auto request = request_with(std::move(body), type);
    try {
        std::string text;
        for (const auto& [name, value] : read_json_body(request).members) {
            text += (text.empty() ? "" : ",") + name + (value ? "=" + *value : "");
        }
        return text;
    } catch (const Refusal& refusal) {
        return std::to_string(static_cast<int>(refusal.code)) + " " + refusal.message;
    }
}

std::string nested(std::size_t levels) {
    return R"({"a":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_json_body)

BOOST_AUTO_TEST_CASE(top_level_members_are_known) {
    BOOST_TEST(read("{}") == "");
    BOOST_TEST(read(R"( {"b" : "x", "a": {"c": "y", "b": ["z"]}, "d": 1, "e": null, "f": ""} )") == "a,b=x,d,e,f=");
    BOOST_TEST(read(R"({"\u0061": "\u00e9\n"})") == "a=\xc3\xa9\n");
    BOOST_TEST(read(R"({"a": ["x"], "b": {}})") == "a,b");
    BOOST_TEST(read(R"({"": "x"})") == "=x");
}

BOOST_AUTO_TEST_CASE(no_body_is_no_member) {
    BOOST_TEST(read("") == "");
    BOOST_TEST(read("", "text/plain") == "");
}

BOOST_AUTO_TEST_CASE(other_types_are_refused) {
    BOOST_TEST(read("{}", "text/plain") == "415 The body must be application/json.");
    BOOST_TEST(read("{}", "") == "415 The body must be application/json.");
    BOOST_TEST(read("{}", " Application/JSON ; charset=utf-8") == "");
}

BOOST_AUTO_TEST_CASE(what_is_no_object_is_refused) {
    for (const auto* body : {"[]", "1", "\"x\"", "null", "{", "{}}", "{} {}", " ", "{\"a\":1,}", "{\"a\":01}", "{a:1}",
                             "{\"a\":\"\xff\"}", "{\"a\":\"\\ud83d\"}", "[{}]", "{\"a\":\"\n\"}"}) {
        BOOST_TEST(read(body) == "400 The body is not a JSON object.", body << ": " << read(body));
    }
}

BOOST_AUTO_TEST_CASE(names_stand_once_in_an_object) {
    BOOST_TEST(read(R"({"a": 1, "a": 1})") == "400 The body names a twice in one object.");
    BOOST_TEST(read(R"({"a": 1, "\u0061": 1})") == "400 The body names a twice in one object.");
    BOOST_TEST(read(R"({"a": [{"b": {"c": 1, "d": 2, "c": 3}}]})") == "400 The body names c twice in one object.");
    BOOST_TEST(read(R"({"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 1}]})") == "a,b");
}

BOOST_AUTO_TEST_CASE(a_nul_cannot_be_stored) {
    BOOST_TEST(read(R"({"a": ["\u0000"]})").starts_with("400 The body holds U+0000"));
    BOOST_TEST(read(R"({"a\u0000": 1})").starts_with("400 The body holds U+0000"));
    BOOST_TEST(read(R"({"a": "\\u0000"})") == "a=\\u0000");
}

BOOST_AUTO_TEST_CASE(nesting_has_an_end) {
    BOOST_TEST(read(nested(body_depth)) == "a");
    BOOST_TEST(read(nested(body_depth + 1)).starts_with("400 The body is nested deeper"));
    BOOST_TEST(read(std::string(100000, '[')).starts_with("400 The body is nested deeper"));
}

BOOST_AUTO_TEST_CASE(long_strings_come_whole) {
    const std::string text(100000, 'x');
    BOOST_TEST(read("{\"" + text + "\": \"" + text + "\"}") == text + "=" + text);
}

BOOST_AUTO_TEST_SUITE_END()
