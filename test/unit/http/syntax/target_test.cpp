// Taking request targets apart.

#include <boost/test/unit_test.hpp>

#include "http/syntax/target.hpp"
#include "refusal_of.hpp"
#include "text/text.hpp"

using namespace pdpp::http;
using Strings = std::vector<std::string>;

namespace {

Strings segments(std::string_view text) {
    return parse_target(text).segments;
}

Strings query(std::string_view text) {
    Strings parameters;
    for (const auto& parameter : parse_target(text).query) {
        parameters.push_back(parameter.name + "=" + parameter.value);
    }
    return parameters;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_target)

BOOST_AUTO_TEST_CASE(segments_are_split_first_and_decoded_once) {
    BOOST_TEST(segments("/").empty());
    BOOST_TEST(segments("/a/b") == (Strings{"a", "b"}), boost::test_tools::per_element());
    BOOST_TEST(segments("/a%2Fb/c%20d") == (Strings{"a/b", "c d"}), boost::test_tools::per_element());
    BOOST_TEST(segments("/100%25") == (Strings{"100%"}), boost::test_tools::per_element());
    BOOST_TEST(segments("/%2541") == (Strings{"%41"}), boost::test_tools::per_element());
    BOOST_TEST(segments("/%F0%9F%A6%8A") == (Strings{"\U0001F98A"}), boost::test_tools::per_element());
    BOOST_TEST(segments("/a+b;c=d@e:f") == (Strings{"a+b;c=d@e:f"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(empty_and_dot_segments_are_segments_like_any_other) {
    BOOST_TEST(segments("//") == (Strings{"", ""}), boost::test_tools::per_element());
    BOOST_TEST(segments("/a//b/") == (Strings{"a", "", "b", ""}), boost::test_tools::per_element());
    BOOST_TEST(segments("/a/../b/./%2e%2e") == (Strings{"a", "..", "b", ".", ".."}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_plain_path_is_taken_apart_as_any_other) { // an empty query makes it one
    constexpr std::string_view letters = "/aZ0-_~.";
    for (std::size_t number = 0; number < 8 * 8 * 8 * 8 * 8; ++number) {
        std::string path = "/";
        for (auto rest = number; rest > 0; rest /= letters.size()) {
            path += letters[rest % letters.size()];
        }
        BOOST_REQUIRE_MESSAGE(segments(path) == segments(path + "?"), path);
    }
}

BOOST_AUTO_TEST_CASE(query_parameters_come_in_order) {
    BOOST_TEST(query("/a").empty());
    BOOST_TEST(query("/a?").empty());
    BOOST_TEST(query("/a?&").empty());
    BOOST_TEST(query("/a?x=1&y=%26&x=2+3&z&%7a=") == (Strings{"x=1", "y=&", "x=2 3", "z=", "z="}),
               boost::test_tools::per_element());
    BOOST_TEST(query("/a?=v") == (Strings{"=v"}), boost::test_tools::per_element());
    BOOST_TEST(query("/a?x={a,\"b\"}|[^`<\\>]") == (Strings{"x={a,\"b\"}|[^`<\\>]"}), boost::test_tools::per_element());
    BOOST_TEST(query("/a?x=a%2Bb%2520") == (Strings{"x=a+b%20"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_malformed_is_refused) {
    for (const auto* text :
         {"",     "a",    "*",       "http://host/a", "/%",         "/%2",           "/%zz",          "/a?x=%g0",
          "/a b", "/a#f", "/\x7f",   "/\xc3\xa9",     "/%00",       "/a%00b",        "/a?x=%00",      "/a?%00=x",
          "/%ff", "/%C3", "/%C0%AF", "/%E0%80%AF",    "/%ED%A0%80", "/%F4%90%80%80", "/a?x=%ED%BF%BF"}) {
        const auto refusal = refusal_of([&] { parse_target(text); });
        BOOST_REQUIRE_MESSAGE(refusal, text);
        BOOST_TEST((refusal->code == status::bad_request), text);
        BOOST_TEST(refusal->error_code == "invalid_request");
    }
}

BOOST_AUTO_TEST_CASE(text_is_what_a_utf8_database_takes) {
    for (std::string_view text : {"", "a", "\x01\x7f", "\u00e9", "\ud7ff", "\ue000", "\U0010ffff"}) {
        BOOST_TEST(pdpp::is_storable(text));
    }
    using namespace std::string_view_literals;
    for (auto bytes : {"\0"sv, "a\0b"sv, "\x80"sv, "\xc3"sv, "\xc0\x80"sv, "\xed\xa0\x80"sv, "\xf4\x90\x80\x80"sv,
                       "\xf8\x88\x80\x80\x80"sv, "\xff"sv}) {
        BOOST_TEST(!pdpp::is_storable(bytes));
    }
}

BOOST_AUTO_TEST_SUITE_END()
