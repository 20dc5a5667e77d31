// Where the server behind is.

#include <boost/test/unit_test.hpp>

#include "http/upstream/address.hpp"

#include <stdexcept>

using namespace pdpp::http;

namespace {

std::string parts_of(std::string_view text) {
    const auto address = parse_upstream(text);
    return std::string{address.is_tls ? "tls " : ""} + address.host + " " + address.port + " " + address.authority;
}

} // namespace

BOOST_AUTO_TEST_SUITE(upstream_address)

BOOST_AUTO_TEST_CASE(schemes_hosts_and_ports) {
    BOOST_TEST(parts_of("http://127.0.0.1:3000") == "127.0.0.1 3000 127.0.0.1:3000");
    BOOST_TEST(parts_of("http://pdpp.example/") == "pdpp.example 80 pdpp.example");
    BOOST_TEST(parts_of("https://PDPP.example") == "tls pdpp.example 443 pdpp.example");
    BOOST_TEST(parts_of("https://a:8443") == "tls a 8443 a:8443");
    BOOST_TEST(parts_of("http://a:80") == "a 80 a");
    BOOST_TEST(parts_of("http://[::1]:3000") == "::1 3000 [::1]:3000");
}

BOOST_AUTO_TEST_CASE(what_is_none) {
    for (const auto* text : {"", "a", "localhost:3000", "ftp://a", "http://", "http://a/b", "http://a?b", "http://a#b",
                             "http://u@a", "http://a:0", "http://a:x", "http://a:99999", "unix:/run/a"}) {
        BOOST_CHECK_THROW(parse_upstream(text), std::invalid_argument);
    }
    try {
        parse_upstream("http://anna:secret@a");
    } catch (const std::invalid_argument& wrong) {
        BOOST_TEST(std::string_view{wrong.what()}.find("secret") == std::string_view::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
