// Connection strings that can be those of no database, and what is said of them.

#include <boost/test/unit_test.hpp>

#include "pq/mistake.hpp"

#include <cstdlib>
#include <string>

using pdpp::pq::mistake_in;

BOOST_AUTO_TEST_SUITE(mistake)

BOOST_AUTO_TEST_CASE(what_may_lead_to_a_server_is_none) {
    for (const char* const conninfo : {"",
                                       "app",
                                       "dbname=app",
                                       "host=nowhere.invalid",
                                       "host=/tmp port=1",
                                       "host=/nowhere,b,c port=1,,3",
                                       "host=a,b",
                                       "host=a,b port=5432",
                                       "hostaddr=127.0.0.1,::1",
                                       "postgresql://",
                                       "postgres:///app?host=/tmp&port=1",
                                       "postgresql://u:p@a:1,b:2/d",
                                       "postgresql://u:p%40q@h/d",
                                       "postgresql://u:p@h/a@b",
                                       "host=@abstract",
                                       "sslmode=require host=a",
                                       "target_session_attrs=any",
                                       "connect_timeout=3 keepalives_idle=5",
                                       "host=''",
                                       "password=x user=y dbname='a b'",
                                       "dbname='a@b'"}) {
        BOOST_TEST(!mistake_in(conninfo), conninfo);
    }
}

BOOST_AUTO_TEST_CASE(what_leads_nowhere_is_named) {
    const auto tells = [](const std::string& conninfo, const char* what) {
        const auto mistake = mistake_in(conninfo).value_or("");
        BOOST_TEST(mistake.find(what) != std::string::npos, conninfo << ": " << mistake);
    };
    tells("foo=bar", "invalid connection option \"foo\": it must be a list of keyword=value pairs");
    tells("host=a b", "it must be a list of keyword=value pairs");
    tells("dbname='app", "unterminated quoted string");
    tells("mysql://h/app", "it must be a list of keyword=value pairs");
    tells("postgresql:/h/app", "it must be a list of keyword=value pairs");
    tells("sslmode=bogus", "invalid sslmode value: \"bogus\"");
    tells("target_session_attrs=bogus", "invalid target_session_attrs value");
    tells("gssencmode=bogus", "invalid gssencmode value");
    tells("channel_binding=bogus", "invalid channel_binding value");
    tells("service=nosuch", "nosuch");
    tells("port=abc", "port is no number from 1 to 65535");
    tells("port=0", "port is no number");
    tells("port=65536", "port is no number");
    tells("host=a,b port=1,x", "port is no number");
    tells("postgresql://h:abc/d", "port is no number");
    tells("host=a,b,c port=1,2", "could not match 2 port numbers to 3 hosts");
    tells("host=a hostaddr=127.0.0.1,127.0.0.2", "could not match 1 host names to 2 hostaddr values");
    tells("hostaddr=localhost", "hostaddr is no address");
    tells("host=/" + std::string(200, 'x'), "too long");
    tells("keepalives_idle=soon", "keepalives_idle is no number");
    tells("connect_timeout=1.5", "connect_timeout is no number");
    tells("host=u@h", "an @ too many");
}

BOOST_AUTO_TEST_CASE(the_environment_counts) {
    ::setenv("PGSSLMODE", "bogus", 1);
    BOOST_TEST(mistake_in("app").value_or("").find("invalid sslmode value") != std::string::npos);
    BOOST_TEST(!mistake_in("dbname=app sslmode=prefer"));
    ::unsetenv("PGSSLMODE");
    ::setenv("PGPORT", "x", 1);
    BOOST_TEST(mistake_in("").value_or("").find("port is no number") != std::string::npos);
    ::unsetenv("PGPORT");
}

BOOST_AUTO_TEST_CASE(no_password_is_told) {
    for (const char* const conninfo : {"password=geheim foo=bar",
                                       "password=ab geheim",
                                       "password=ab geheim=x",
                                       "password='geheim",
                                       "pAssword=geheim",
                                       "password=ab sslmode=geheim",
                                       "sslmode='require password=geheim'",
                                       "password=ab port=geheim",
                                       "postgresql://u:geheim@h/d?x=%zz",
                                       "postgresql://u:geheim@h/d?foo=1",
                                       "postgresql://u:geheim@h:x/d",
                                       "postgresql://u:ge/heim@h/d",
                                       "postgresql://u:12/geheim@h/d",
                                       "postgresql://u:ab@geheim@h/d",
                                       "postgresql://u:geheim/d",
                                       "postgresql://u:ab@geheim@h:x",
                                       "postgresql://u:geheim@[::1/d",
                                       "postgresql://u:geheim@h/d?sslmode=bogus",
                                       "mysql://u:geheim@h/d",
                                       "mysql://u:geheim@h/d?a=b",
                                       "postgresql:/u:geheim@h/d",
                                       "service=nosuch password=geheim",
                                       "hots=h password=geheim"}) {
        const auto mistake = mistake_in(conninfo);
        BOOST_TEST(mistake.has_value(), conninfo);
        const auto words = mistake.value_or("");
        BOOST_TEST((!words.empty() && words.find('\n') == std::string::npos), conninfo);
        BOOST_TEST(words.find("geheim") == std::string::npos, words);
        BOOST_TEST(words.find("heim") == std::string::npos, words);
    }
}

BOOST_AUTO_TEST_SUITE_END()
