// Reading Prefer, from what the RFC gives as examples to what no client should send.

#include <boost/test/unit_test.hpp>

#include "http/syntax/prefer.hpp"

using namespace pdpp::http;

namespace {

/// The preferences as text: `name[=value][;name[=value]]...`, a space between two.
std::string printed(const std::vector<Preference>& preferences) {
    const auto pair = [](const std::string& name, const std::string& value) {
        return value.empty() ? name : name + "=" + value;
    };
    std::string text;
    for (const auto& preference : preferences) {
        text += text.empty() ? "" : " ";
        text += pair(preference.name, preference.value);
        for (const auto& [name, value] : preference.parameters) {
            text += ";" + pair(name, value);
        }
    }
    return text;
}

std::string parsed(std::string_view text) {
    return printed(parse_prefer(text));
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_prefer)

BOOST_AUTO_TEST_CASE(names_and_values) {
    BOOST_TEST(parsed("wait=10") == "wait=10");
    BOOST_TEST(parsed("respond-async, wait=100") == "respond-async wait=100");
    BOOST_TEST(parsed("Wait = 10") == "wait=10");
    BOOST_TEST(parsed("\twait\t=\t10 ,handling=Lenient") == "wait=10 handling=Lenient");
    BOOST_TEST(parsed("count=exact,timezone=Europe/Oslo") == "count=exact timezone=Europe/Oslo");
}

BOOST_AUTO_TEST_CASE(quoted_values) {
    BOOST_TEST(parsed(R"(wait="10")") == "wait=10");
    BOOST_TEST(parsed(R"(foo="a, b; c=d", wait=10)") == "foo=a, b; c=d wait=10");
    BOOST_TEST(parsed(R"(foo="a\"b\\", wait=10)") == R"(foo=a"b\ wait=10)");
}

BOOST_AUTO_TEST_CASE(no_value_and_an_empty_one_are_the_same) {
    BOOST_TEST(parsed("foo") == "foo");
    BOOST_TEST(parsed(R"(foo="", bar=)") == "foo bar");
}

BOOST_AUTO_TEST_CASE(parameters) {
    BOOST_TEST(parsed("foo; bar") == "foo;bar");
    BOOST_TEST(parsed(R"(Foo=1 ;Bar="x;y" ; baz , wait=10)") == "foo=1;bar=x;y;baz wait=10");
    BOOST_TEST(parsed("foo=1;;bar;") == "foo=1;bar");
}

BOOST_AUTO_TEST_CASE(the_first_of_a_name_wins) {
    BOOST_TEST(parsed("wait=1, WAIT=2, wait=3") == "wait=1");
}

BOOST_AUTO_TEST_CASE(what_is_malformed_is_left_out) {
    BOOST_TEST(parsed("") == "");
    BOOST_TEST(parsed(" , ,;,=1, wait=10") == "wait=10");
    BOOST_TEST(parsed("wait=10 seconds, foo") == "foo");
    BOOST_TEST(parsed("wai t=10, foo") == "foo");
    BOOST_TEST(parsed(R"(wait="10" 5, foo="1"2", bar)") == "");
    BOOST_TEST(parsed(R"(foo, wait="10)") == "foo");
    BOOST_TEST(parsed(R"(foo, wait="10\)") == "foo");
    BOOST_TEST(parsed("wait=1; b=\x01, wait=2") == "wait=2");
}

BOOST_AUTO_TEST_CASE(several_headers_are_one_list) {
    Request request;
    BOOST_TEST(preferences_of(request).empty());
    request.insert(field::prefer, "wait=1");
    request.insert("Prefer", "handling=strict, wait=2");
    const auto preferences = preferences_of(request);
    BOOST_TEST(printed(preferences) == "wait=1 handling=strict");
    BOOST_TEST(find_preference(preferences, "wait")->value == "1");
    BOOST_TEST(find_preference(preferences, "count") == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
