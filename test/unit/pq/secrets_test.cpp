// Passwords in a command line: whatever the form, nobody sees them.

#include <boost/test/unit_test.hpp>

#include "pq/secrets.hpp"

using pdpp::pq::without_secrets;

BOOST_AUTO_TEST_SUITE(secrets)

BOOST_AUTO_TEST_CASE(passwords_do_not_show) {
    for (const char* const conninfo :
         {"password=geheim", "host=h password=geheim user=u", "host=h password = geheim user=u", "password =geheim",
          "password= geheim", "password='geheim'", "password = 'geheim' host=h", R"(password='a\'geheim' host=h)",
          R"(host=h password='x\\geheim')", R"(password=a\ geheim)", "password='two geheim'", "sslpassword=geheim",
          "postgresql://u:geheim@h/d", "postgres://u:geheim@h:1,i:2/d?application_name=x", "postgres://u:a:geheim@h",
          "postgres://u:%67eheim@h", "postgres://h/d?password=geheim", "postgres://h/d?user=u&password=%67eheim&port=1",
          "postgres://u:a%40geheim@h", "postgresql://u:geheim@[::1]/d", "postgres://:geheim@/",
          // what libpq does not read
          "password='geheim", "postgres://u:geheim@h/d?x=%zz", "hots=h password=geheim", "PASSWORD=geheim",
          "postgres://u:p@geheim@h:x", "Postgres://u:geheim@h", "host=h password = 'geheim"}) {
        for (const char* const before : {"", "postgres:", "--db=", "--from=postgres:"}) {
            const auto shown = without_secrets(std::string(before) + conninfo);
            BOOST_TEST(shown.find("eheim") == std::string::npos, shown);
            BOOST_TEST(shown.starts_with(before), shown);
            BOOST_TEST(shown.find("***") != std::string::npos, shown);
        }
    }
}

BOOST_AUTO_TEST_CASE(all_else_does) {
    BOOST_TEST(without_secrets("postgres://u:geheim@h:5/d") == "user=u password=*** dbname=d host=h port=5");
    for (const char* const word :
         {"", "app", "import", "--follow", "--db=app", "host=h user=u", "postgresql://u@h/d", "password", "--password",
          "sqlite:/a/b=c.db", "postgres:service=theirs", "http://127.0.0.1:3000", "a=b", "x@y://z"}) {
        BOOST_TEST(without_secrets(word) == word);
    }
}

BOOST_AUTO_TEST_SUITE_END()
