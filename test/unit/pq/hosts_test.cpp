// Connection strings with several hosts: what is tried, in which order.

#include <boost/test/unit_test.hpp>

#include "pq/hosts.hpp"

#include <cstdlib>

using namespace pdpp::pq;

namespace {

using Attempts = std::vector<std::string>;

/// An environment variable, for as long as this lives.
class Environment {
  public:
    Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment() { unsetenv(name_); }

  private:
    const char* name_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(pq_hosts)

BOOST_AUTO_TEST_CASE(one_host_stays_as_it_was_written) {
    for (const std::string conninfo : {"", "app", "host=a dbname='x y'", "postgresql://u:p@a:5433/app", "no such=thing",
                                       "host=a target_session_attrs=read-write", "postgresql://a,b:x/?="}) {
        BOOST_TEST((attempts_for(conninfo) == Attempts{conninfo}), conninfo);
        BOOST_TEST(to_primary(conninfo) == conninfo);
        BOOST_TEST(to_standby(conninfo) == conninfo);
    }
}

BOOST_AUTO_TEST_CASE(each_host_is_tried_with_its_port) {
    BOOST_TEST((attempts_for("host=a,b port=1,2 dbname=app") ==
                Attempts{"dbname='app' host='a' port='1' target_session_attrs='any'",
                         "dbname='app' host='b' port='2' target_session_attrs='any'"}));
    BOOST_TEST((attempts_for("postgresql://u@a,b:7/app") ==
                Attempts{"dbname='app' host='a' port='' target_session_attrs='any' user='u'",
                         "dbname='app' host='b' port='7' target_session_attrs='any' user='u'"}));
    BOOST_TEST((attempts_for("host=a,b port=7") == Attempts{"host='a' port='7' target_session_attrs='any'",
                                                            "host='b' port='7' target_session_attrs='any'"}));
    BOOST_TEST((attempts_for("host=x,y hostaddr=10.0.0.1,10.0.0.2") ==
                Attempts{"host='x' hostaddr='10.0.0.1' target_session_attrs='any'",
                         "host='y' hostaddr='10.0.0.2' target_session_attrs='any'"}));
}

BOOST_AUTO_TEST_CASE(lists_that_do_not_match_are_left_to_libpq) {
    for (const std::string conninfo : {"host=a,b port=1,2,3", "host=x hostaddr=10.0.0.1,10.0.0.2"}) {
        BOOST_TEST((attempts_for(conninfo) == Attempts{conninfo}), conninfo);
    }
}

BOOST_AUTO_TEST_CASE(values_are_quoted) {
    BOOST_TEST((attempts_for(R"(host=a,b password='it\'s \\ it')").front() ==
                R"(host='a' password='it\'s \\ it' target_session_attrs='any')"));
    BOOST_TEST((attempts_for(attempts_for(R"(host=a,b password='it\'s \\ it')").front()).size() == 1));
}

BOOST_AUTO_TEST_CASE(hosts_of_the_environment_count) {
    const Environment hosts("PGHOST", "a,b");
    const Environment ports("PGPORT", "1,2");
    BOOST_TEST((attempts_for("app") == Attempts{"dbname='app' host='a' port='1' target_session_attrs='any'",
                                                "dbname='app' host='b' port='2' target_session_attrs='any'"}));
    BOOST_TEST(to_primary("app") == "dbname='app' target_session_attrs='read-write'");
}

BOOST_AUTO_TEST_CASE(writes_go_to_the_primary) {
    const auto primary = to_primary("host=a,b");
    BOOST_TEST(primary == "host='a,b' target_session_attrs='read-write'");
    BOOST_TEST((attempts_for(primary) ==
                Attempts{"host='a' target_session_attrs='read-write'", "host='b' target_session_attrs='read-write'"}));
}

BOOST_AUTO_TEST_CASE(reads_go_to_a_standby_if_there_is_one) {
    const auto standby = to_standby("host=a,b");
    BOOST_TEST(standby == "host='a,b' target_session_attrs='prefer-standby'");
    BOOST_TEST((attempts_for(standby) ==
                Attempts{"host='a' target_session_attrs='standby'", "host='b' target_session_attrs='standby'",
                         "host='a' target_session_attrs='any'", "host='b' target_session_attrs='any'"}));
}

BOOST_AUTO_TEST_CASE(who_says_what_he_wants_begins_to_read_there) {
    for (const std::string wanted : {"read-write", "primary", "read-only", "standby", "prefer-standby"}) {
        BOOST_TEST(to_standby("host=a,b target_session_attrs=" + wanted) == "host=a,b target_session_attrs=" + wanted);
    }
    const Environment wanted("PGTARGETSESSIONATTRS", "primary");
    BOOST_TEST(to_standby("host=a,b") == "host=a,b");
}

BOOST_AUTO_TEST_CASE(who_writes_reaches_the_primary_whatever_is_wanted) {
    for (const std::string wanted : {"any", "read-only", "standby", "prefer-standby"}) {
        BOOST_TEST(to_primary("host=a,b target_session_attrs=" + wanted) ==
                   "host='a,b' target_session_attrs='read-write'");
    }
    for (const std::string wanted : {"read-write", "primary", "no such"}) { // libpq says what is wrong with a word
        const auto conninfo = "host=a,b target_session_attrs='" + wanted + "'";
        BOOST_TEST(to_primary(conninfo) == conninfo);
    }
    BOOST_TEST(to_primary("host=a target_session_attrs=standby") == "host='a' target_session_attrs='read-write'");
    BOOST_TEST(to_primary("host=a target_session_attrs=any") == "host=a target_session_attrs=any");
    BOOST_TEST(to_primary(to_primary("host=a,b")) == to_primary("host=a,b"));
    const Environment wanted("PGTARGETSESSIONATTRS", "standby");
    BOOST_TEST(to_primary("host=a,b") == "host='a,b' target_session_attrs='read-write'");
}

BOOST_AUTO_TEST_CASE(hosts_are_counted_however_they_are_named) {
    for (const std::string conninfo : {"host=a,b", "hostaddr=10.0.0.1,10.0.0.2", "postgresql://a,b/app"}) {
        BOOST_TEST(names_several_hosts(conninfo), conninfo);
    }
    for (const std::string conninfo : {"", "app", "host=a", "host=a hostaddr=10.0.0.1", "no such=thing"}) {
        BOOST_TEST(!names_several_hosts(conninfo), conninfo);
    }
    const Environment hosts("PGHOST", "a,b");
    BOOST_TEST(names_several_hosts("app"));
    BOOST_TEST(!names_several_hosts("host=c"));
}

BOOST_AUTO_TEST_CASE(another_database_of_the_same_server) {
    BOOST_TEST(to_database("", "it's") == "dbname='it\\'s'");
    BOOST_TEST(to_database("app", "other") == "dbname='other'");
    BOOST_TEST(to_database("host=a dbname=app user=u", "other") == "dbname='other' host='a' user='u'");
    BOOST_TEST(to_database("=", "other") == "=");
}

BOOST_AUTO_TEST_CASE(the_socket_that_a_string_leads_to) {
    BOOST_TEST(socket_of("host=/tmp port=7") == "/tmp/.s.PGSQL.7");
    BOOST_TEST(socket_of("host=localhost") == "");
    BOOST_TEST(socket_of("host=/tmp,/var") == "");
}

BOOST_AUTO_TEST_CASE(each_host_whatever_is_wanted) {
    const auto hosts = each_host("host=a,b port=1,2 target_session_attrs=read-write");
    BOOST_REQUIRE(hosts.size() == 2);
    BOOST_TEST(hosts[1] == "host='b' port='2' target_session_attrs='any'");
}

BOOST_AUTO_TEST_SUITE_END()
