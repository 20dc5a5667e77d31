// Ids: which ones callers may bring, and how ours are made.

#include <boost/test/unit_test.hpp>

#include "run/id.hpp"

#include <limits>
#include <string>

using namespace pdpp::run;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

constexpr std::array<unsigned char, 8> zeros{};
constexpr std::array<unsigned char, 8> ones{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

std::string digits_of(std::int64_t unix_micros, const std::array<unsigned char, 8>& random = zeros) {
    return std::string{uuid7_digits(unix_micros, random).view()};
}

std::string_view refusal(std::string_view id) {
    const auto check = check_id(id, "run_id");
    return check ? check->message : std::string_view{};
}

} // namespace

BOOST_AUTO_TEST_SUITE(run_id)

BOOST_AUTO_TEST_CASE(ordinary_ids_are_possible) {
    for (const auto id :
         {"x"sv, "run_0190"sv, "a b"sv, "a/b"sv, "%2F"sv, "..."sv, ".a"sv, "a.."sv, "é"sv, "😀"sv, " "sv}) {
        BOOST_TEST(is_possible_id(id), id);
        BOOST_TEST(!check_id(id, "run_id"), id);
    }
}

BOOST_AUTO_TEST_CASE(bounds_are_in_bytes) {
    BOOST_TEST(!is_possible_id(""));
    BOOST_TEST(is_possible_id(std::string(256, 'x')));
    BOOST_TEST(!is_possible_id(std::string(257, 'x')));
    std::string wide;
    for (int i = 0; i < 128; ++i) {
        wide += "é";
    }
    BOOST_TEST(is_possible_id(wide));
    BOOST_TEST(!is_possible_id(wide + "x"));
}

BOOST_AUTO_TEST_CASE(dots_are_no_segments) {
    BOOST_TEST(!is_possible_id("."));
    BOOST_TEST(!is_possible_id(".."));
}

BOOST_AUTO_TEST_CASE(every_control_character_is_refused_wherever_it_stands) {
    for (int code = 0; code < 0x20; ++code) {
        const auto control = std::string(1, static_cast<char>(code));
        BOOST_TEST(!is_possible_id(control), code);
        BOOST_TEST(!is_possible_id("a" + control), code);
        BOOST_TEST(!is_possible_id(control + "a"), code);
    }
    BOOST_TEST(!is_possible_id("a\x7f"));
    for (int code = 0x80; code <= 0x9f; ++code) { // C1 in UTF-8
        BOOST_TEST(!is_possible_id("a\xc2"s + static_cast<char>(code) + "b"), code);
    }
}

BOOST_AUTO_TEST_CASE(neighbours_of_control_characters_are_not) {
    BOOST_TEST(is_possible_id(" "));
    BOOST_TEST(is_possible_id("~"));
    BOOST_TEST(is_possible_id("\u00a0"));     // the first after C1
    BOOST_TEST(is_possible_id("\u0440"));     // D1 80: a continuation byte in C1's range, after another lead byte
    BOOST_TEST(is_possible_id("\U0001f600")); // F0 9F 98 80
    BOOST_TEST(is_possible_id("\u00c2"));     // C3 82
}

BOOST_AUTO_TEST_CASE(refusals_name_the_parameter_and_the_fault) {
    const auto check = check_id("", "trace_id");
    BOOST_REQUIRE(check);
    BOOST_TEST((check->code == ErrorCode::invalid_request));
    BOOST_TEST(check->param == "trace_id");
    BOOST_TEST(refusal("") == "must not be empty");
    BOOST_TEST(refusal(std::string(257, 'x')) == "must not be longer than 256 bytes");
    BOOST_TEST(refusal("..") == "must not be . or .., which no URL can carry");
    BOOST_TEST(refusal("a\n") == "must not contain control characters");
}

BOOST_AUTO_TEST_CASE(uuid7_carries_the_milliseconds_the_version_and_the_variant) {
    // 2022-02-22 19:22:22 UTC: the example of RFC 9562, appendix A.6
    BOOST_TEST(digits_of(1645557742000'000) == "017f22e279b070008000000000000000");
    BOOST_TEST(digits_of(1645557742000'000, ones) == "017f22e279b07000bfffffffffffffff");
    BOOST_TEST(digits_of(0) == "00000000000070008000000000000000");
}

BOOST_AUTO_TEST_CASE(a_placement_stands_between_the_version_and_the_variant) {
    const auto placed = [](Placement placement) {
        return std::string{placed_uuid7_digits(1645557742000'999, placement, ones).view()};
    };
    BOOST_TEST(placed(0) == "017f22e279b07000bfffffffffffffff");
    BOOST_TEST(placed(0x123) == "017f22e279b07123bfffffffffffffff");
    BOOST_TEST(placed(0xfff) == "017f22e279b07fffbfffffffffffffff");
    BOOST_TEST(placed(0xf123) == placed(0x123)); // no more than 12 bits
}

BOOST_AUTO_TEST_CASE(a_placement_is_the_first_12_bits_of_the_digest) {
    BOOST_TEST(placement_of(0x00, 0x0f) == 0x000);
    BOOST_TEST(placement_of(0x12, 0x3f) == 0x123);
    BOOST_TEST(placement_of(0xff, 0xff) == 0xfff);
}

BOOST_AUTO_TEST_CASE(uuid7_puts_the_microseconds_into_the_twelve_bits_below) {
    BOOST_TEST(digits_of(1) == "00000000000070048000000000000000");   // 1 * 4096 / 1000
    BOOST_TEST(digits_of(500) == "00000000000078008000000000000000"); // a half
    BOOST_TEST(digits_of(999) == "0000000000007ffb8000000000000000");
    BOOST_TEST(digits_of(1000) == "00000000000170008000000000000000");
}

BOOST_AUTO_TEST_CASE(uuid7_sorts_by_time_whatever_the_random_part) {
    for (const auto start : {std::int64_t{0}, std::int64_t{1645557742000'000}, std::int64_t{253402300799'000'000}}) {
        for (std::int64_t micros = start; micros < start + 2500; ++micros) {
            BOOST_REQUIRE(digits_of(micros, ones) < digits_of(micros + 1, zeros));
        }
    }
}

BOOST_AUTO_TEST_CASE(uuid7_keeps_62_random_bits) {
    const auto random = std::array<unsigned char, 8>{0xff, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd};
    BOOST_TEST(digits_of(0, random).substr(16) == "bf0123456789abcd");
    for (std::size_t byte = 0; byte < 8; ++byte) {
        for (int bit = 0; bit < (byte == 0 ? 6 : 8); ++bit) {
            auto flipped = zeros;
            flipped[byte] = static_cast<unsigned char>(1 << bit);
            BOOST_TEST(digits_of(0, flipped) != digits_of(0));
        }
    }
}

BOOST_AUTO_TEST_CASE(generated_ids_have_their_prefixes) {
    const auto digits = uuid7_digits(1645557742000'000, zeros);
    BOOST_TEST(run_id_from(digits).view() == "run_017f22e279b070008000000000000000");
    BOOST_TEST(event_id_from(digits).view() == "evt_017f22e279b070008000000000000000");
    std::array<unsigned char, 16> random{};
    for (std::size_t i = 0; i < random.size(); ++i) {
        random[i] = static_cast<unsigned char>(i * 0x11);
    }
    BOOST_TEST(trace_id_from(random).view() == "trc_00112233445566778899aabbccddeeff");
}

BOOST_AUTO_TEST_CASE(generated_ids_are_possible) {
    const auto digits = uuid7_digits(1, ones);
    BOOST_TEST(is_possible_id(run_id_from(digits).view()));
    BOOST_TEST(is_possible_id(event_id_from(digits).view()));
    BOOST_TEST(is_possible_id(trace_id_from({}).view()));
}

BOOST_AUTO_TEST_CASE(an_event_is_known_by_its_run_and_its_number) {
    for (const auto& run_id : {"run_a"s, "a_1"s, "_"s, std::string(max_id_bytes, 'x')}) {
        for (const std::int64_t event_seq :
             {std::int64_t{1}, std::int64_t{10}, std::numeric_limits<std::int64_t>::max()}) {
            const std::string id{event_id_of(run_id, event_seq).view()};
            BOOST_TEST(id == "evt_" + run_id + "_" + std::to_string(event_seq));
            BOOST_TEST(event_seq_in(id, run_id).value() == event_seq);
            BOOST_TEST(!event_seq_in(id, run_id + "_"));
            BOOST_TEST(!event_seq_in(id, ""));
            BOOST_TEST(!event_seq_in(id.substr(1), run_id));
        }
    }
    for (const auto& id : {""s, "evt_"s, "evt_a_"s, "evt_a_0"s, "evt_a_-1"s, "evt_a_+1"s, "evt_a_01"s, "evt_a_1 "s,
                           "evt_a_1x"s, "evt_b_1"s, "evt_a_9223372036854775808"s}) {
        BOOST_TEST(!event_seq_in(id, "a"), id);
    }
    BOOST_TEST(event_seq_in("evt_a_1_1", "a_1").value() == 1); // not 1_1 of a
    BOOST_TEST(!event_seq_in("evt_a_1_1", "a"));
}

BOOST_AUTO_TEST_SUITE_END()
