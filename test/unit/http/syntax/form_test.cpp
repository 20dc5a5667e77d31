// Forms as browsers and command lines write them.

#include <boost/test/unit_test.hpp>

#include "http/syntax/form.hpp"

using pdpp::http::form_value;

namespace {

std::string value(std::string_view body) {
    return form_value(body, "p").value_or("(none)");
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_form)

BOOST_AUTO_TEST_CASE(values_are_decoded) {
    BOOST_TEST(value("p=x") == "x");
    BOOST_TEST(value("p=correct+horse") == "correct horse");
    BOOST_TEST(value("p=correct horse") == "correct horse");
    BOOST_TEST(value("p=%c3%A9%00") == std::string("\xc3\xa9\0", 3));
    BOOST_TEST(value("p=a%2Bb%26c%3Dd") == "a+b&c=d");
    BOOST_TEST(value("p=a=b==") == "a=b==");
    BOOST_TEST(value("p=\"<>[]\\^`{|}\x7f\xff") == "\"<>[]\\^`{|}\x7f\xff");
}

BOOST_AUTO_TEST_CASE(what_is_no_escape_stands_for_itself) {
    BOOST_TEST(value("p=%") == "%");
    BOOST_TEST(value("p=%4") == "%4");
    BOOST_TEST(value("p=%4g%%41%") == "%4g%A%");
}

BOOST_AUTO_TEST_CASE(the_first_member_of_the_name_counts) {
    BOOST_TEST(value("p=1&p=2") == "1");
    BOOST_TEST(value("a=1&&p=2&") == "2");
    BOOST_TEST(value("%70=1") == "1");
    BOOST_TEST(value("p") == "");
    BOOST_TEST(value("p=&p=2") == "");
    BOOST_TEST(value("p&p=2") == "");
}

BOOST_AUTO_TEST_CASE(or_there_is_none) {
    for (const auto* body : {"", "&", "&&", "=", "P=1", "pp=1", " p=1", "a=p", "=p"}) {
        BOOST_TEST(value(body) == "(none)", "<" << body << ">");
    }
    BOOST_TEST(form_value("=x", "").value() == "x");
    BOOST_TEST(!form_value("&&", ""));
}

BOOST_AUTO_TEST_SUITE_END()
