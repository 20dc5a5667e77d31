// Text from outside: what reaches the database is valid UTF-8 within its bound, what reaches a terminal is harmless.

#include <boost/test/unit_test.hpp>

#include "text/text.hpp"

using namespace pdpp;
using namespace std::string_literals;
using namespace std::string_view_literals;

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(what_is_storable_stays_as_it_is) {
    for (const auto text : {""sv, "a\x1b\n"sv, "äöü😀"sv}) {
        BOOST_TEST(is_storable(text));
        BOOST_TEST(storable(text, 10) == text);
    }
    for (const auto text : {"a\0b"sv, "\xff"sv, "a\xc3"sv, "\xed\xa0\x80"sv}) {
        BOOST_TEST(!is_storable(text));
    }
}

BOOST_AUTO_TEST_CASE(storable_keeps_what_fits) {
    BOOST_TEST(storable("", 3) == "");
    BOOST_TEST(storable("abc", 3) == "abc");
    BOOST_TEST(storable("äöü", 3) == "äöü");
    BOOST_TEST(storable("\x1b[31m\n", 10) == "\x1b[31m\n");
}

BOOST_AUTO_TEST_CASE(storable_cuts_between_characters) {
    BOOST_TEST(storable("abcd", 3) == "abc…");
    BOOST_TEST(storable("😀😀😀", 2) == "😀😀…");
}

BOOST_AUTO_TEST_CASE(storable_leaves_out_nul) {
    BOOST_TEST(storable("a\0b\0"sv, 2) == "ab");
}

BOOST_AUTO_TEST_CASE(storable_mends_malformed_bytes) {
    BOOST_TEST(storable("a\xff"
                        "b",
                        9) == "a\ufffd"
                              "b");
    BOOST_TEST(storable("\xc3(", 9) == "\ufffd(");                   // the lead byte does not swallow the bracket
    BOOST_TEST(storable("\xe2\x82", 9) == "\ufffd\ufffd");           // cut short
    BOOST_TEST(storable("\xc0\xaf", 9) == "\ufffd\ufffd");           // overlong
    BOOST_TEST(storable("\xed\xa0\x80", 9) == "\ufffd\ufffd\ufffd"); // a surrogate
}

BOOST_AUTO_TEST_CASE(printable_escapes_controls) {
    BOOST_TEST(printable("plain äöü 😀") == "plain äöü 😀");
    BOOST_TEST(printable("\x1b[2J") == "\\x1b[2J");
    BOOST_TEST(printable("a\nb\tc\rd\x7f") == "a\\nb\\tc\\rd\\x7f");
    BOOST_TEST(printable("nul\0"sv) == "nul\\x00");
    BOOST_TEST(printable("\u009b31m") == "\\x9b31m");          // C1: what some terminals take for ESC [
    BOOST_TEST(printable("\u202e\u2066") == "\\u202e\\u2066"); // turning the direction of writing
    BOOST_TEST(printable("\xff") == "\\xff");
}

BOOST_AUTO_TEST_SUITE_END()
