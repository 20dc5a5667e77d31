// Which pages may send a POST.

#include <boost/test/unit_test.hpp>

#include "http/owner/origin.hpp"
#include "refusal_of.hpp"

using namespace pdpp::http;

namespace {

bool passes(std::optional<std::string> origin, const std::string& host, const std::string& public_url = "") {
    Request request;
    request.set(field::host, host);
    if (origin) {
        request.set(field::origin, *origin);
    }
    const auto public_origin = public_url.empty() ? std::nullopt : parse_origin(public_url);
    const auto refusal = refusal_of([&] { check_origin(request, public_origin); });
    BOOST_TEST((!refusal || (refusal->code == status::forbidden && refusal->error_code == "origin_mismatch")));
    return !refusal;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_origin)

BOOST_AUTO_TEST_CASE(an_origin_is_scheme_host_and_port) {
    BOOST_TEST((parse_origin("HTTPS://Example.ORG") == Origin{"https", "example.org", "443"}));
    BOOST_TEST((parse_origin("http://example.org/") == Origin{"http", "example.org", "80"}));
    BOOST_TEST((parse_origin("http://[::1]:8080") == Origin{"http", "[::1]", "8080"}));
    for (const auto* text : {"", "null", "example.org", "//example.org", "ftp://example.org", "https://", "https:///",
                             "https://example.org/path", "https://u@example.org", "https://example.org?q",
                             "https://example.org#f", "https://exa mple.org", "https://example.org:port"}) {
        BOOST_TEST(!parse_origin(text), text);
    }
}

BOOST_AUTO_TEST_CASE(the_host_and_the_public_url_pass) {
    BOOST_TEST(passes(std::nullopt, "a.example"));
    BOOST_TEST(passes("http://a.example", "a.example"));
    BOOST_TEST(passes("http://A.example", "a.EXAMPLE:80"));
    BOOST_TEST(passes("https://a.example", "a.example"));
    BOOST_TEST(passes("http://127.0.0.1:8080", "127.0.0.1:8080"));
    BOOST_TEST(passes("https://pub.example", "10.0.0.1:8080", "https://pub.example/"));
    BOOST_TEST(passes("https://pub.example:443", "10.0.0.1:8080", "https://pub.example"));
}

BOOST_AUTO_TEST_CASE(all_others_do_not) {
    BOOST_TEST(!passes("http://b.example", "a.example"));
    BOOST_TEST(!passes("http://a.example:8080", "a.example"));
    BOOST_TEST(!passes("http://a.example", "a.example:8080"));
    BOOST_TEST(!passes("http://a.example.evil", "a.example"));
    BOOST_TEST(!passes("http://pub.example", "10.0.0.1", "https://pub.example"));
    BOOST_TEST(!passes("https://pub.example:8443", "10.0.0.1", "https://pub.example"));
    BOOST_TEST(!passes("null", "a.example"));
    BOOST_TEST(!passes("", "a.example"));
    BOOST_TEST(!passes("http://a.example/path", "a.example"));
    BOOST_TEST(!passes("http://x", ""));
    Request twice;
    twice.set(field::host, "a.example");
    twice.insert(field::origin, "http://a.example");
    twice.insert(field::origin, "http://a.example");
    BOOST_TEST(refusal_of([&] { check_origin(twice, std::nullopt); }).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
