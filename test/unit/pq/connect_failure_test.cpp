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

BOOST_AUTO_TEST_CASE(where_the_server_refused_is_told_from_what_it_said) {
    const auto failure = pq::read_connect_failure("server A: FATAL:  28000: kein Eintrag\nLOCATION:  "
                                                  "ClientAuthentication, auth.c:543\nserver B: FATAL:  28000: "
                                                  "nein\nLOCATION:  auth_failed, auth.c:331\n");
    BOOST_TEST(failure.function == "ClientAuthentication");
    BOOST_TEST(failure.message == "server A: FATAL:  kein Eintrag; server B: FATAL:  nein");
}

pq::ConnectFailure refused(std::string sqlstate, std::string message = "m", std::string function = {}) {
    return {.message = std::move(message), .sqlstate = std::move(sqlstate), .function = std::move(function)};
}

BOOST_AUTO_TEST_CASE(what_passes_by_itself_is_not_lasting) {
    for (const auto* const sqlstate : {"28000", "28P01", "3D000", "42501", "55000", "42704", "22023"}) {
        BOOST_TEST(pq::is_lasting(refused(sqlstate)), sqlstate);
    }
    for (const auto* const sqlstate : {"", "53300", "57P03", "08006"}) {
        BOOST_TEST(!pq::is_lasting(refused(sqlstate)), sqlstate);
    }
}

BOOST_AUTO_TEST_CASE(libpq_refuses_too) {
    const auto is_lasting = [](const std::string& reason) {
        return pq::is_lasting(refused("", "connection to server at \"h\" (::1), port 1 failed: Connection refused; "
                                          "connection to server at \"h\", port 1 failed: " +
                                              reason));
    };
    for (const auto* const reason :
         {"server does not support SSL, but SSL was required", "SSL error: certificate verify failed",
          "SSL error: tlsv1 alert unknown ca", "root certificate file \"/r.crt\" does not exist",
          "server certificate for \"a\" does not match host name \"h\"",
          "private key file \"/k\" has group or world access",
          "GSSAPI encryption required but it is not supported over a local socket",
          "server doesn't support GSSAPI encryption, but it was required",
          "channel binding required, but SSL not in use",
          "authentication method requirement \"scram-sha-256\" failed: server requested a cleartext password",
          "requirepeer specifies \"a\", but actual peer user name is \"b\"", "Permission denied",
          "none of the server's SASL authentication mechanisms are supported",
          "host name must be specified for a verified SSL connection"}) {
        BOOST_TEST(is_lasting(reason), reason);
    }
    for (const auto* const reason :
         {"Connection refused", "No route to host", "server closed the connection unexpectedly",
          "SSL SYSCALL error: EOF detected", "SSL error: unexpected eof while reading",
          "could not send GSSAPI negotiation packet: Broken pipe", "could not send SSL negotiation packet: x",
          "could not receive data from server: Connection reset by peer", "timeout expired", "session is read-only"}) {
        BOOST_TEST(!is_lasting(reason), reason);
    }
    BOOST_TEST(!pq::is_lasting(refused("", "could not translate host name \"certificate.example\" to address: x")));
    BOOST_TEST(
        !pq::is_lasting(refused("", "connection to server at \"certificate\", port 1 failed: Connection refused; "
                                    "connection to server at \"certificate\", port 1 failed: No route to host")));
    auto without_password =
        refused("", "connection to server at \"h\", port 1 failed: fe_sendauth: no password supplied");
    without_password.lacks_password = true;
    BOOST_TEST(pq::is_lasting(without_password));
}

BOOST_AUTO_TEST_CASE(advice_names_the_role_and_the_database) {
    const auto advice = [](const pq::ConnectFailure& failure) { return pq::advice(failure, "ann", "app"); };
    BOOST_TEST(advice(refused("28000")).ends_with("pdpp init --db app --role ann"));
    BOOST_TEST(advice(refused("3D000")).ends_with("pdpp init --db app --create-db"));
    BOOST_TEST(advice(refused("28P01")).starts_with("Check the password of the role ann"));
    BOOST_TEST(advice(refused("42501")).ends_with("grant connect on database app to ann"));
    BOOST_TEST(advice(refused("55000")).ends_with("alter database app allow_connections true"));
    BOOST_TEST(advice(refused("42704")).empty());
    BOOST_TEST(advice(refused("")).empty());
    auto without_password = refused("");
    without_password.lacks_password = true;
    BOOST_TEST(advice(without_password).starts_with("Give the password of the role ann"));
}

BOOST_AUTO_TEST_CASE(advice_helps_with_what_is_minded) {
    const auto advice = [](std::string function, std::string message) {
        return pq::advice(refused("28000", std::move(message), std::move(function)), "Ann", "app");
    };
    const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
    constexpr auto makes = "pdpp init --db app --role Ann";
    constexpr auto lets_log_in = "alter role \"Ann\" login";
    const auto missing = advice("InitializeSessionUserId", "FATAL:  role \"Ann\" does not exist");
    BOOST_TEST((has(missing, makes) && !has(missing, lets_log_in)));
    const auto kept_out = advice("InitializeSessionUserId", "FATAL:  role \"Ann\" is not permitted to log in");
    BOOST_TEST((!has(kept_out, makes) && has(kept_out, lets_log_in)));
    const auto either = advice("InitializeSessionUserId", "FATAL:  Rolle »Ann« ...");
    BOOST_TEST((has(either, makes) && has(either, lets_log_in)));
    const auto no_entry = advice("ClientAuthentication", "FATAL:  kein pg_hba.conf-Eintrag");
    BOOST_TEST((has(no_entry, "pg_hba.conf") && has(no_entry, "Ann into app") && !has(no_entry, makes)));
    const auto peer = advice("auth_failed", "FATAL:  Peer authentication failed for user \"Ann\"");
    BOOST_TEST((has(peer, "as the unix user Ann") && !has(peer, makes)));
    const auto by_name =
        pq::advice(refused("28000", "LDAP authentication failed for user \"peer\"", "auth_failed"), "peer", "d");
    BOOST_TEST(!has(by_name, "unix user"));
    const auto other = advice("auth_failed", "FATAL:  LDAP authentication failed for user \"Ann\"");
    BOOST_TEST((has(other, "pg_hba.conf") && !has(other, "unix user") && !has(other, makes)));
}

BOOST_AUTO_TEST_CASE(advice_on_what_libpq_minds) {
    const auto advice = [](const std::string& reason) {
        return pq::advice(refused("", "connection to server at \"h\", port 1 failed: " + reason), "ann", "app");
    };
    BOOST_TEST(advice("server does not support SSL, but SSL was required").starts_with("Have the server speak TLS"));
    BOOST_TEST(advice("Permission denied").find("unix_socket_permissions") != std::string::npos);
    BOOST_TEST(advice("SSL error: certificate verify failed").find("sslrootcert") != std::string::npos);
    BOOST_TEST(advice("Connection refused").empty());
}

BOOST_AUTO_TEST_CASE(a_grant_is_named_that_helps) {
    BOOST_TEST(pq::grant_for("pdpp_run_status", "ann") == "select pdpp_grant('ann', 'owner')");
    BOOST_TEST(pq::grant_for("pdpp_run_claim", "ann") == "select pdpp_grant('ann', 'controller')");
    BOOST_TEST(pq::grant_for("pdpp_run", "ann").empty());
    BOOST_TEST(pq::grant_for("pdpp_check", "ann").empty());
    BOOST_TEST(pq::grant_for("pdpp_run_now", "An\"n's") == "select pdpp_grant('\"An\"\"n''s\"', 'owner')");
}

BOOST_AUTO_TEST_SUITE_END()
