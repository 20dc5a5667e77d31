// Entity tags, and naming them.

#include <boost/test/unit_test.hpp>

#include "http/syntax/entity_tag.hpp"

using namespace pdpp::http;

BOOST_AUTO_TEST_SUITE(http_etag)

BOOST_AUTO_TEST_CASE(a_tag_is_made_of_the_bytes) {
    // printf abc | xxhsum -H2 | cut -d" " -f1 | xxd -r -p | basenc --base64url
    BOOST_TEST(entity_tag("abc") == "\"BrBatnM6YYV4r1-UiS85UA\"");
    BOOST_TEST(entity_tag("") != entity_tag(" "));
    BOOST_TEST(entity_tag("abc") == entity_tag(std::string{"abc"}));
}

BOOST_AUTO_TEST_CASE(a_tag_is_named_alone_in_a_list_or_by_the_asterisk) {
    for (const auto* named : {"\"x\"", "W/\"x\"", " \"x\" ", "*", " * ", "\"y\", \"x\"", "\"y\",W/\"x\" , \"z\"",
                              "\"a,b\", \"x\"", ",, \"x\""}) {
        BOOST_TEST(names_tag(named, "\"x\""), named);
    }
}

BOOST_AUTO_TEST_CASE(for_if_match_a_weak_tag_names_nothing) {
    for (const auto* named : {"\"x\"", "*", "W/\"x\", \"x\""}) {
        BOOST_TEST(names_tag(named, "\"x\"", TagComparison::strong), named);
    }
    BOOST_TEST(!names_tag("W/\"x\"", "\"x\"", TagComparison::strong));
}

BOOST_AUTO_TEST_CASE(nothing_else_names_it) {
    for (const auto* named :
         {"", "\"y\"", "x", "\"X\"", "w/\"x\"", "W/ \"x\"", "\"x", "\"y, \"x\"", "**", "*, \"y\"", "\"*\""}) {
        BOOST_TEST(!names_tag(named, "\"x\""), named);
    }
}

BOOST_AUTO_TEST_SUITE_END()
