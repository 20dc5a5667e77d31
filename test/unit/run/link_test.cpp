// Links: the id as one percent-encoded segment.

#include <boost/test/unit_test.hpp>

#include "run/link.hpp"

#include <string>

using namespace pdpp::run;

namespace {

std::string segment(std::string_view id) {
    return std::string{self_link(id).view()}.substr(std::string_view{"/_ref/runs/"}.size());
}

} // namespace

BOOST_AUTO_TEST_SUITE(run_link)

BOOST_AUTO_TEST_CASE(paths) {
    BOOST_TEST(self_link("r1").view() == "/_ref/runs/r1");
    BOOST_TEST(timeline_link("r1").view() == "/_ref/runs/r1/timeline");
    BOOST_TEST(timeline_link("a/b").view() == "/_ref/runs/a%2Fb/timeline");
}

BOOST_AUTO_TEST_CASE(unreserved_characters_stand_for_themselves) {
    const std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    BOOST_TEST(segment(unreserved) == unreserved);
}

BOOST_AUTO_TEST_CASE(every_other_byte_is_encoded_in_upper_case) {
    const std::string_view digits = "0123456789ABCDEF";
    const std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (int byte = 1; byte < 256; ++byte) {
        const auto c = static_cast<char>(byte);
        const auto expected = unreserved.find(c) != std::string_view::npos
                                  ? std::string(1, c)
                                  : std::string{'%', digits[static_cast<std::size_t>(byte / 16)],
                                                digits[static_cast<std::size_t>(byte % 16)]};
        BOOST_TEST(segment(std::string(1, c)) == expected);
    }
}

BOOST_AUTO_TEST_CASE(utf8_is_encoded_byte_by_byte) {
    BOOST_TEST(segment("é") == "%C3%A9");
    BOOST_TEST(segment("€") == "%E2%82%AC");
    BOOST_TEST(segment("😀") == "%F0%9F%98%80");
}

BOOST_AUTO_TEST_CASE(an_encoded_id_is_encoded_again) {
    BOOST_TEST(segment("%2F") == "%252F");
    BOOST_TEST(segment("100%") == "100%25");
}

BOOST_AUTO_TEST_CASE(the_longest_id_fits) {
    const std::string id(max_id_bytes, '/');
    std::string encoded;
    for (std::size_t i = 0; i < max_id_bytes; ++i) {
        encoded += "%2F";
    }
    BOOST_TEST(self_link(id).view() == "/_ref/runs/" + encoded);
    BOOST_TEST(timeline_link(id).view() == "/_ref/runs/" + encoded + "/timeline");
}

BOOST_AUTO_TEST_SUITE_END()
