// Text of a bounded length, held in place.

#include <boost/test/unit_test.hpp>

#include "run/text.hpp"

using namespace pdpp::run;

BOOST_AUTO_TEST_SUITE(run_text)

BOOST_AUTO_TEST_CASE(begins_empty) {
    BOOST_TEST(Text<8>{}.view() == "");
}

BOOST_AUTO_TEST_CASE(grows_up_to_its_bound) {
    Text<4> text{"ab"};
    text.append('c');
    BOOST_TEST(text.view() == "abc");
    text.append("d");
    BOOST_TEST(text.view() == "abcd");
    text.append("");
    BOOST_TEST(text.view() == "abcd");
}

BOOST_AUTO_TEST_CASE(is_cut_at_its_bound) {
    BOOST_TEST(Text<3>{"abcdef"}.view() == "abc");
    Text<3> text{"ab"};
    text.append("cd");
    text.append('e');
    text.append_hex(0xff);
    BOOST_TEST(text.view() == "abc");
}

BOOST_AUTO_TEST_CASE(appends_bytes_as_hex) {
    Text<10> text;
    for (const unsigned char byte : {0x00, 0x0a, 0xa0, 0xff}) {
        text.append_hex(byte);
    }
    text.append_hex(0xbe, "0123456789ABCDEF");
    BOOST_TEST(text.view() == "000aa0ffBE");
}

BOOST_AUTO_TEST_CASE(holds_any_byte) {
    using namespace std::string_view_literals;
    BOOST_TEST((Text<8>{"a\0b\xff"sv}.view() == "a\0b\xff"sv));
}

BOOST_AUTO_TEST_CASE(is_a_value) {
    Text<8> one{"one"};
    Text<8> other = one;
    other.append('s');
    BOOST_TEST(one.view() == "one");
    BOOST_TEST(other.view() == "ones");
}

BOOST_AUTO_TEST_CASE(works_at_compile_time) {
    constexpr Text<4> text{"abc"};
    static_assert(text.view() == "abc");
    static_assert(std::is_trivially_destructible_v<Text<1000>>);
    BOOST_TEST(text.view().size() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()
