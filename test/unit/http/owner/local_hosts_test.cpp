// Which hosts are this machine, whoever is asked.

#include <boost/test/unit_test.hpp>

#include "http/owner/local_hosts.hpp"

using namespace pdpp::http;

namespace {

bool is_refused(const LocalHosts& hosts, const Request& request) {
    try {
        hosts.check(request);
    } catch (const Refusal& refusal) {
        return refusal.code == status::misdirected_request && refusal.error_code == "host_not_allowed";
    }
    return false;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_local_hosts)

BOOST_AUTO_TEST_CASE(names_and_addresses_of_this_machine) {
    const LocalHosts hosts({});
    for (const auto* host :
         {"localhost", "LocalHost", "localhost.", "localhost:8080", "localhost.:80", "localhost:", "app.localhost",
          "a.b.LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "127.255.255.254", "[::1]", "[::1]:8080",
          "[0:0:0:0:0:0:0:1]", "[0000::0001]:1", "[::ffff:127.0.0.1]", "[::ffff:7f00:2]"}) {
        BOOST_TEST(hosts.accept(host), host);
    }
}

BOOST_AUTO_TEST_CASE(those_that_were_given) {
    const LocalHosts hosts({"192.0.2.1", "[2001:db8::1]", "Gateway.internal"});
    for (const auto* host :
         {"192.0.2.1:9090", "[2001:DB8::1]", "gateway.internal.", "GATEWAY.internal:1", "localhost"}) {
        BOOST_TEST(hosts.accept(host), host);
    }
    for (const auto* host : {"192.0.2.2", "[2001:db8::2]", "x.gateway.internal", "0.0.0.0"}) {
        BOOST_TEST(!hosts.accept(host), host);
    }
}

BOOST_AUTO_TEST_CASE(any_address_but_no_name) {
    LocalHosts hosts({});
    hosts.accept_addresses();
    for (const auto* host : {"192.0.2.1:9090", "[2001:db8::1]", "0.0.0.0", "localhost"}) {
        BOOST_TEST(hosts.accept(host), host);
    }
    for (const auto* host : {"example.org", "192.0.2.1.example.org", "2130706433", "[v1.localhost]", ""}) {
        BOOST_TEST(!hosts.accept(host), host);
    }
}

BOOST_AUTO_TEST_CASE(all_others_are_not) {
    const LocalHosts hosts({});
    for (const auto* host : {"",
                             ":8080",
                             "example.org",
                             "localhost.example.org",
                             "notlocalhost",
                             ".localhost",
                             "localhost..",
                             "local",
                             "127.0.0.1.example.org",
                             "127.0.0.1.nip.io:8080",
                             "128.0.0.1",
                             "126.255.255.255",
                             "0.0.0.0",
                             "10.0.0.1",
                             "127.1",
                             "2130706433",
                             "0x7f.0.0.1",
                             "[::]",
                             "[::2]",
                             "[fe80::1]",
                             "[::127.0.0.1]",
                             "[::ffff:10.0.0.1]",
                             "[v1.localhost]",
                             "%6cocalhost",
                             "user@localhost",
                             "localhost@example.org",
                             "localhost/",
                             "localhost example.org"}) {
        BOOST_TEST(!hosts.accept(host), host);
    }
}

BOOST_AUTO_TEST_CASE(and_those_that_the_operator_names) {
    const LocalHosts hosts({"Box.example.org", ""});
    for (const auto* host : {"box.example.org", "BOX.example.org.", "box.example.org:443", "localhost"}) {
        BOOST_TEST(hosts.accept(host), host);
    }
    for (const auto* host : {"example.org", "a.box.example.org", "box.example.org.evil.org", "", ":80"}) {
        BOOST_TEST(!hosts.accept(host), host);
    }
}

BOOST_AUTO_TEST_CASE(a_request_may_name_no_host_but_no_other) {
    const LocalHosts hosts({});
    Request request{verb::get, "/", 10};
    BOOST_TEST(!is_refused(hosts, request));
    request.set(field::host, "");
    BOOST_TEST(is_refused(hosts, request));
    request.set(field::host, "example.org");
    BOOST_TEST(is_refused(hosts, request));
    request.set(field::host, "localhost:8080");
    BOOST_TEST(!is_refused(hosts, request));
}

BOOST_AUTO_TEST_SUITE_END()
