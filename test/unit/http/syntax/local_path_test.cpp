// Which targets stay with this server, whatever browsers make of them.

#include <boost/test/unit_test.hpp>

#include "http/syntax/local_path.hpp"

using namespace pdpp::http;

BOOST_AUTO_TEST_SUITE(http_local_path)

BOOST_AUTO_TEST_CASE(paths_of_this_server) {
    for (const std::string_view path :
         {"/", "/_ref/runs", "/_ref/runs/a%2Fb?order=oldest&type=x#y", "/a//b", "/%5Cevil"}) {
        BOOST_TEST(is_local_path(path), path);
    }
}

BOOST_AUTO_TEST_CASE(whatever_leads_elsewhere) {
    using namespace std::string_view_literals;
    for (const auto path : {""sv, "x"sv, "//evil.example"sv, "///evil.example"sv, "/\\evil.example"sv,
                            "\\\\evil.example"sv, "/a\\b"sv, "https://evil.example"sv, "javascript:alert(1)"sv, " /a"sv,
                            "/ a"sv, "/\t/evil.example"sv, "/\n/evil.example"sv, "/\r\nSet-Cookie: x"sv,
                            "/\0/evil.example"sv, "/\x7f"sv, "/\xc3\xa4"sv, "?a"sv, "#a"sv}) {
        BOOST_TEST(!is_local_path(path), path);
    }
}

BOOST_AUTO_TEST_CASE(encoded_as_one_segment) {
    BOOST_TEST(percent_encoded("run_1-a.b~c") == "run_1-a.b~c");
    BOOST_TEST(percent_encoded("a/b ?&=+%\"<\xc3\xa4") == "a%2Fb%20%3F%26%3D%2B%25%22%3C%C3%A4");
    BOOST_TEST(percent_encoded("") == "");
    BOOST_TEST(with_query("/a", {}) == "/a");
    BOOST_TEST(with_query("/a", std::vector<QueryParameter>{{"b", ""}, {"c d", "e&f"}, {"g", "h"}}) ==
               "/a?c%20d=e%26f&g=h");
}

BOOST_AUTO_TEST_SUITE_END()
