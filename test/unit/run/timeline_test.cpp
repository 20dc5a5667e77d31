// The timeline's rules: page bounds, cursors, what is never served.

#include <boost/test/unit_test.hpp>

#include "run/timeline.hpp"

#include <cctype>
#include <limits>
#include <string>

using namespace pdpp::run;

namespace {

constexpr auto last_seq = std::numeric_limits<std::int64_t>::max();
constexpr auto last_tag = std::numeric_limits<std::uint64_t>::max();

std::string text_of(std::int64_t event_seq, std::uint64_t tag) {
    return std::string{encode({.event_seq = event_seq, .tag = tag}).view()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(run_timeline)

BOOST_AUTO_TEST_CASE(page_sizes) {
    for (const int size : {1, 2, default_page_size, 4999, max_page_size}) {
        BOOST_TEST(!check_page_size(size), size);
    }
    for (const int size : {0, -1, 5001, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
        const auto check = check_page_size(size);
        BOOST_REQUIRE(check);
        BOOST_TEST((check->code == ErrorCode::invalid_request));
        BOOST_TEST(check->param == "page_size");
        BOOST_TEST(check->message == "must be between 1 and 5000");
    }
    BOOST_TEST(default_page_size == 2000);
    BOOST_TEST(max_page_bytes == 4194304U);
}

BOOST_AUTO_TEST_CASE(cursors_are_fixed_width_hex) {
    BOOST_TEST(text_of(0, 0) == "tl_00000000000000000000000000000000");
    BOOST_TEST(text_of(2000, 0x0123456789abcdef) == "tl_00000000000007d00123456789abcdef");
    BOOST_TEST(text_of(last_seq, last_tag) == "tl_7fffffffffffffffffffffffffffffff");
}

BOOST_AUTO_TEST_CASE(cursors_lead_back) {
    for (const auto event_seq : {std::int64_t{0}, std::int64_t{1}, std::int64_t{2000}, last_seq}) {
        for (const auto tag : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 63, last_tag}) {
            const auto cursor = decode_cursor(text_of(event_seq, tag));
            BOOST_REQUIRE(cursor);
            BOOST_TEST((*cursor == Cursor{.event_seq = event_seq, .tag = tag}));
        }
    }
}

BOOST_AUTO_TEST_CASE(one_spelling_only) {
    const auto text = text_of(0xabc, 0xdef);
    BOOST_REQUIRE(decode_cursor(text));
    for (std::size_t i = 3; i < text.size(); ++i) {
        if (std::isalpha(static_cast<unsigned char>(text[i])) != 0) {
            auto upper = text;
            upper[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[i])));
            BOOST_TEST(!decode_cursor(upper), upper);
        }
    }
}

BOOST_AUTO_TEST_CASE(nothing_else_is_a_cursor) {
    const auto text = text_of(7, 7);
    for (const std::string& other :
         {std::string{}, std::string{"tl_"}, std::string{"7"}, text.substr(0, text.size() - 1), text + "0", " " + text,
          text + " ", "xx_" + text.substr(3), text.substr(3), "tl_+" + text.substr(4), "tl_-" + text.substr(4),
          "tl_ " + text.substr(4), "tl_0x" + text.substr(5), "tl_" + std::string(32, 'g'), std::string(35, '\0'),
          std::string(100'000, 'a')}) {
        BOOST_TEST(!decode_cursor(other), other.substr(0, 40));
    }
    for (std::size_t i = 0; i < text.size(); ++i) { // a stray byte anywhere
        auto broken = text;
        broken[i] = '\x80';
        BOOST_TEST(!decode_cursor(broken));
    }
}

BOOST_AUTO_TEST_CASE(no_cursor_points_before_the_start) {
    BOOST_TEST(!decode_cursor("tl_80000000000000000000000000000000"));
    BOOST_TEST(!decode_cursor("tl_ffffffffffffffff0000000000000000"));
}

BOOST_AUTO_TEST_CASE(objects_that_are_credentials) {
    BOOST_TEST((redacted_object_id("token") == "<redacted-token-id>"));
    BOOST_TEST((redacted_object_id("pending_consent") == "<redacted-device-code>"));
    BOOST_TEST((redacted_object_id("owner_device_auth") == "<redacted-device-code>"));
    for (const auto* type : {"", "run", "grant", "Token", "tokens", "token "}) {
        BOOST_TEST(!redacted_object_id(type), type);
    }
}

BOOST_AUTO_TEST_CASE(keys_that_hold_credentials) {
    for (const auto* key : {"device_code", "user_code", "request_uri"}) {
        BOOST_TEST(is_bearer_key(key), key);
    }
    for (const auto* key : {"", "code", "Device_Code", "device_code ", "user_codes", "request_url", "token"}) {
        BOOST_TEST(!is_bearer_key(key), key);
    }
    BOOST_TEST(redacted_bearer == "<redacted-bearer>");
}

BOOST_AUTO_TEST_SUITE_END()
