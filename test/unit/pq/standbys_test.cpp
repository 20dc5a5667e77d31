// What commits wait for, by the setting and by who is connected.

#include <boost/test/unit_test.hpp>

#include "pq/standbys.hpp"

using namespace pdpp::pq;

namespace {

/// `2 of a b`
std::string read_setting(std::string_view setting) {
    const auto awaited = awaited_standbys(setting);
    std::string text = std::to_string(awaited.number) + " of";
    for (const auto& name : awaited.names) {
        text += ' ' + name;
    }
    return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(standbys)

BOOST_AUTO_TEST_CASE(the_setting_is_read) {
    BOOST_TEST(read_setting("") == "0 of");
    BOOST_TEST(read_setting("  ") == "0 of");
    BOOST_TEST(read_setting("*") == "1 of *");
    BOOST_TEST(read_setting("a") == "1 of a");
    BOOST_TEST(read_setting("a, b") == "1 of a b");
    BOOST_TEST(read_setting("2 (a,b,c)") == "2 of a b c");
    BOOST_TEST(read_setting("FIRST 2(a , b)") == "2 of a b");
    BOOST_TEST(read_setting(" any 3 (a, *)") == "3 of a *");
    BOOST_TEST(read_setting("ANY 1 (\"a \"\"b\"\", (c)\", 5)") == "1 of a \"b\", (c) 5");
}

BOOST_AUTO_TEST_CASE(who_is_connected_counts_by_name) {
    const auto count = [](std::string_view setting, std::string_view names) {
        return count_of(awaited_standbys(setting), names);
    };
    BOOST_TEST(count("a, b", "") == 0U);
    BOOST_TEST(count("a, b", "c") == 0U);
    BOOST_TEST(count("a, b", "c\nA") == 1U);
    BOOST_TEST(count("2 (a, b)", "a\na") == 2U); // two may have one name
    BOOST_TEST(count("*", "walreceiver\n\nx") == 3U);
    BOOST_TEST(count("ab", "a\nb") == 0U);
    BOOST_TEST(count("", "a") == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
