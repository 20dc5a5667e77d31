// Finding members and elements in what PostgreSQL prints.

#include <boost/test/unit_test.hpp>

#include "pq/jsonb_text.hpp"

using namespace pdpp::pq;

namespace {

std::string member(std::string_view object, std::string_view key) {
    return std::string{member_of(object, key).value_or("(none)")};
}

/// The elements, a line each.
std::string elements(std::string_view array) {
    std::string lines;
    for (const auto element : elements_of(array)) {
        lines.append(element).append("\n");
    }
    return lines;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pq_jsonb_text)

BOOST_AUTO_TEST_CASE(members_of_every_type) {
    constexpr auto object =
        R"({"a": null, "b": true, "n": -1.50e400, "s": "text", "o": {"x": [1, {}]}, "l": [], "z": 9})";
    BOOST_TEST(member(object, "a") == "null");
    BOOST_TEST(member(object, "b") == "true");
    BOOST_TEST(member(object, "n") == "-1.50e400");
    BOOST_TEST(member(object, "s") == R"("text")");
    BOOST_TEST(member(object, "o") == R"({"x": [1, {}]})");
    BOOST_TEST(member(object, "l") == "[]");
    BOOST_TEST(member(object, "z") == "9");
}

BOOST_AUTO_TEST_CASE(only_the_outermost_members_count) {
    constexpr auto object = R"({"a": {"b": 1}, "c": ["b", {"b": 2}], "d": "b"})";
    BOOST_TEST(member(object, "b") == "(none)");
    BOOST_TEST(member("{}", "b") == "(none)");
}

BOOST_AUTO_TEST_CASE(strings_may_hold_anything) {
    constexpr auto object = R"({"a": "}, \"b\": 1, \\", "k\"ey": "\\\"", "b": "]\\"})";
    BOOST_TEST(member(object, "a") == R"("}, \"b\": 1, \\")");
    BOOST_TEST(member(object, "b") == R"("]\\")");
}

BOOST_AUTO_TEST_CASE(elements_in_order) {
    BOOST_TEST(elements("[]") == "");
    BOOST_TEST(elements("[1]") == "1\n");
    BOOST_TEST(elements(R"([{"a": [1, 2]}, [], "],[", 3, [[4], {}], null])") ==
               "{\"a\": [1, 2]}\n[]\n\"],[\"\n3\n[[4], {}]\nnull\n");
}

BOOST_AUTO_TEST_CASE(rows_as_json_agg_prints_them) {
    constexpr auto rows = "[{\"a\":1,\"b\":{\"c\": 2}}, \n {\"a\":null,\"b\":\"\\n\"}]";
    BOOST_TEST(elements(rows) == "{\"a\":1,\"b\":{\"c\": 2}}\n{\"a\":null,\"b\":\"\\n\"}\n");
    BOOST_TEST(member(elements_of(rows).at(1), "a") == "null");
    BOOST_TEST(member(elements_of(rows).at(0), "b") == "{\"c\": 2}");
}

BOOST_AUTO_TEST_SUITE_END()
