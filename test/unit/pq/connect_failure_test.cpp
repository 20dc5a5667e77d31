// What libpq says of a connection that it could not make, and which grants are lacking.

#include <boost/test/unit_test.hpp>

#include "pq/advice.hpp"
#include "pq/connect_failure.hpp"
#include "pq/grants.hpp"

namespace pq = pdpp::pq;

BOOST_AUTO_TEST_SUITE(connect_failure)

BOOST_AUTO_TEST_CASE(the_servers_word_has_its_sqlstate) {
    const auto failure =
        pq::read_connect_failure("connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: FATAL:  28000: role "
                                 "\"root\" does not exist\nLOCATION:  InitializeSessionUserId, miscinit.c:753\n");
    BOOST_TEST(failure.sqlstate == "28000");
    BOOST_TEST(failure.message == "connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: FATAL:  role \"root\" "
                                  "does not exist");
}

BOOST_AUTO_TEST_CASE(what_is_no_word_of_the_servers_has_none) {
    const auto failure = pq::read_connect_failure(
        "connection to server at \"localhost\" (127.0.0.1), port 1 failed: Connection refused\n\tIs the server running "
        "on that host and accepting TCP/IP connections?\nconnection to server at \"::1\", port 1 failed: Refused\n");
    BOOST_TEST(failure.sqlstate.empty());
    BOOST_TEST(failure.message ==
               "connection to server at \"localhost\" (127.0.0.1), port 1 failed: Connection refused; "
               "connection to server at \"::1\", port 1 failed: Refused");
    BOOST_TEST(pq::read_connect_failure("").message.empty());
    BOOST_TEST(pq::read_connect_failure("x:  12").sqlstate.empty());
    BOOST_TEST(pq::read_connect_failure("x:  abcde: y").sqlstate.empty());
}

BOOST_AUTO_TEST_CASE(the_first_sqlstate_counts_whatever_the_language) {
    const auto failure =
        pq::read_connect_failure("server A: FATAL:  53300: voll\nserver B: SCHWERWIEGEND:  28P01: Kennwort");
    BOOST_TEST(failure.sqlstate == "53300");
    BOOST_TEST(failure.message == "server A: FATAL:  voll; server B: SCHWERWIEGEND:  Kennwort");
}

BOOST_AUTO_TEST_CASE(what_passes_by_itself_is_no_refusal) {
    const auto refused = [](std::string sqlstate) {
        return pq::is_not_let_in(pq::Error(pq::ErrorKind::cannot_connect, "m", std::move(sqlstate)));
    };
    BOOST_TEST((refused("28000") && refused("28P01") && refused("3D000") && refused("42501")));
    BOOST_TEST((!refused("") && !refused("53300") && !refused("57P03")));
    BOOST_TEST(!pq::is_not_let_in(pq::Error(pq::ErrorKind::refused, "m", "42501")));
}

BOOST_AUTO_TEST_CASE(advice_names_the_role_and_the_database) {
    const auto advice = [](std::string sqlstate) {
        return pq::advice(pq::Error(pq::ErrorKind::cannot_connect, "m", std::move(sqlstate)), "user=ann dbname=app");
    };
    BOOST_TEST(advice("28000").ends_with("pdpp init --role ann"));
    BOOST_TEST(advice("3D000").ends_with("pdpp init --db app --create-db"));
    BOOST_TEST(advice("28P01").starts_with("Check the password of the role ann"));
    BOOST_TEST(advice("53300").empty());
}

BOOST_AUTO_TEST_CASE(a_grant_is_named_that_helps) {
    BOOST_TEST(pq::grant_for("pdpp_run_status", "ann") == "select pdpp_grant('ann', 'owner')");
    BOOST_TEST(pq::grant_for("pdpp_run_claim", "ann") == "select pdpp_grant('ann', 'controller')");
    BOOST_TEST(pq::grant_for("pdpp_run", "ann").empty());
    BOOST_TEST(pq::grant_for("pdpp_check", "ann").empty());
    BOOST_TEST(pq::grant_for("pdpp_run_now", "An\"n's") == "select pdpp_grant('\"An\"\"n''s\"', 'owner')");
}

BOOST_AUTO_TEST_SUITE_END()
