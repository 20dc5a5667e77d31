// Messages: bounded in characters where they are stored, one line where they are logged.

#include <boost/test/unit_test.hpp>

#include "run/message.hpp"

#include <array>
#include <string>

using namespace pdpp::run;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

std::string repeated(std::string_view character, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        text += character;
    }
    return text;
}

// one to four bytes, the lowest and the highest of each length
constexpr std::array characters{"a"sv,      "\x01"sv, "\x7f"sv,   "\u0080"sv,     "é"sv, "\u07ff"sv,
                                "\u0800"sv, "€"sv,    "\uffff"sv, "\U00010000"sv, "😀"sv, "\U0010ffff"sv};

} // namespace

BOOST_AUTO_TEST_SUITE(run_message)

BOOST_AUTO_TEST_CASE(short_messages_stay) {
    BOOST_TEST(bounded_message("").view() == "");
    BOOST_TEST(bounded_message("no such file").view() == "no such file");
    BOOST_TEST(bounded_message("two\nlines\0and more"sv).view() == "two\nlines\0and more"sv);
}

BOOST_AUTO_TEST_CASE(up_to_500_characters_stay) {
    for (const auto character : characters) {
        for (const std::size_t count : {std::size_t{499}, std::size_t{500}}) {
            const auto message = repeated(character, count);
            BOOST_TEST((bounded_message(message).view() == message));
        }
    }
}

BOOST_AUTO_TEST_CASE(longer_ones_are_cut_after_500_characters) {
    for (const auto character : characters) {
        for (const std::size_t count : {std::size_t{501}, std::size_t{502}, std::size_t{100'000}}) {
            BOOST_TEST((bounded_message(repeated(character, count)).view() == repeated(character, 500) + "…"));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_boundary_counts_characters_not_bytes) {
    for (const auto before : characters) {
        for (const auto after : characters) {
            const auto whole = repeated(before, 499) + std::string{after};
            BOOST_TEST((bounded_message(whole).view() == whole));
            BOOST_TEST((bounded_message(whole + "b").view() == whole + "…"));
            BOOST_TEST((bounded_message(whole + "😀").view() == whole + "…"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_log_line_keeps_what_is_printable) {
    BOOST_TEST(log_text("").view() == "");
    BOOST_TEST(log_text("no such file: /bin/é \"😀\" 100%").view() == "no such file: /bin/é \"😀\" 100%");
    BOOST_TEST(log_text("\u00a0\u2028").view() ==
               "\u00a0\u2028");                        // the first after C1, and a separator that is no control
    BOOST_TEST(log_text("\u0440").view() == "\u0440"); // D1 80: no C1, though its second byte looks like one
}

BOOST_AUTO_TEST_CASE(a_log_line_stays_one_line) {
    BOOST_TEST(log_text("a\nb").view() == "a\\nb");
    BOOST_TEST(log_text("a\rb\tc").view() == "a\\u000db\\u0009c");
    BOOST_TEST(log_text("\x1b[2J").view() == "\\u001b[2J");
    BOOST_TEST(log_text("\x7f").view() == "\\u007f");
    BOOST_TEST(log_text("a\0b"sv).view() == "a\\u0000b");
}

BOOST_AUTO_TEST_CASE(every_control_character_is_escaped) {
    for (int code = 0; code < 0x20; ++code) {
        const auto logged = log_text(std::string(1, static_cast<char>(code)));
        BOOST_TEST(logged.view().front() == '\\', code);
        BOOST_TEST(logged.view().size() == (code == '\n' ? 2U : 6U), code);
    }
    BOOST_TEST(log_text("\u0080").view() == "\\u0080");
    BOOST_TEST(log_text("\u0085").view() == "\\u0085");
    BOOST_TEST(log_text("a\u009fb").view() == "a\\u009fb");
}

BOOST_AUTO_TEST_CASE(an_escape_cannot_be_forged) {
    BOOST_TEST(log_text("\\n").view() == "\\\\n");
    BOOST_TEST(log_text("\\").view() == "\\\\");
    BOOST_TEST(log_text("\\\n").view() == "\\\\\\n");
}

BOOST_AUTO_TEST_CASE(what_is_cut_short_ends_there) {
    BOOST_TEST(log_text("a\xc2").view() == "a\xc2"); // a lead byte without its second: nothing is read past the end
}

BOOST_AUTO_TEST_CASE(a_bounded_message_of_escapes_fits_a_log_line) {
    const auto logged = log_text(bounded_message(repeated("\x01", 1000)).view());
    BOOST_TEST((logged.view() == repeated("\\u0001", 500) + "…"));
}

BOOST_AUTO_TEST_CASE(a_word_of_a_log_line_has_no_spaces_either) {
    BOOST_TEST(log_word("run_1").view() == "run_1");
    BOOST_TEST(log_word("r trace_id=forged").view() == "r\\u0020trace_id=forged");
    BOOST_TEST(log_word("a\nb\\c\u0085").view() == "a\\nb\\\\c\\u0085");
    BOOST_TEST(log_text("a b").view() == "a b");
}

BOOST_AUTO_TEST_CASE(the_longest_word_fits) {
    BOOST_TEST((log_word(std::string(256, ' ')).view() == repeated("\\u0020", 256)));
}

BOOST_AUTO_TEST_SUITE_END()
