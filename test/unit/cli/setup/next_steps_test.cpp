// What `pdpp init` says comes next: commands that can be run as they stand.

#include <boost/test/unit_test.hpp>

#include "cli/setup/next_steps.hpp"

using namespace pdpp::cli;

namespace {

/// Somebody whose role is called like themselves.
Caller ann() {
    Caller caller;
    caller.unix_user = "ann";
    caller.role_is_unix_user = true;
    caller.over_socket = true;
    caller.password_file = "/home/ann/.config/pdpp/owner-password";
    return caller;
}

Caller root() {
    auto caller = ann();
    caller.unix_user = "root";
    caller.is_root = true;
    caller.password_file = "/etc/pdpp/owner-password";
    return caller;
}

} // namespace

BOOST_AUTO_TEST_SUITE(setup_next_steps)

BOOST_AUTO_TEST_CASE(the_same_database_for_the_same_user) {
    const auto next = next_steps("app", "app", "ann", ann());
    BOOST_TEST(next.serve == "pdpp serve --db app");
    BOOST_TEST(next.run == "pdpp run --db app -- true");
    BOOST_TEST(next.doctor == "pdpp doctor --db app");
    BOOST_TEST(!next.as_root);
    BOOST_TEST(next_steps("", "app", "ann", ann()).serve == "pdpp serve");
}

BOOST_AUTO_TEST_CASE(a_role_that_is_another_unix_user) {
    const auto next = next_steps("app", "app", "pdpp-gateway", root());
    BOOST_TEST(next.serve == "PDPP_OWNER_PASSWORD=\"$(cat /etc/pdpp/owner-password)\" runuser -u pdpp-gateway -- "
                             "pdpp serve --db app");
    BOOST_TEST(next.run == "runuser -u pdpp-gateway -- pdpp run --db app -- true");
    BOOST_TEST(next.doctor == "pdpp doctor --db app --role pdpp-gateway");
    BOOST_TEST(!next.as_root);
    // whoever is not root has root do it
    BOOST_TEST(next_steps("app", "app", "pdpp-gateway", ann()).as_root);
    // what is left out would be called like that user
    BOOST_TEST(next_steps("", "app", "pdpp-gateway", root()).run ==
               "runuser -u pdpp-gateway -- pdpp run --db app -- true");
    auto caller = root();
    caller.names_password_file = true;
    BOOST_TEST(next_steps("app", "app", "pdpp-gateway", caller)
                   .serve.starts_with("PDPP_OWNER_PASSWORD_FILE= PDPP_OWNER_PASSWORD="));
}

BOOST_AUTO_TEST_CASE(a_role_that_is_no_unix_user_is_named) {
    auto caller = ann();
    caller.role_is_unix_user = false;
    BOOST_TEST(next_steps("app", "app", "gate", caller).serve == "pdpp serve --db 'dbname=app user=gate'");
    BOOST_TEST(next_steps("", "app", "gate", caller).serve == "pdpp serve --db 'dbname=app user=gate'");
    BOOST_TEST(next_steps("host=/tmp dbname=app", "app", "it's", caller).serve ==
               R"(pdpp serve --db 'host=/tmp dbname=app user='\''it\'\''s'\''')");
    caller.login = "postgres";
    BOOST_TEST(next_steps("host=/tmp dbname=app user=postgres", "app", "gate", caller).serve ==
               "pdpp serve --db 'host=/tmp dbname=app user=postgres user=gate'");
    caller.login.clear();
    // over the network nobody asks for a unix user
    caller.role_is_unix_user = true;
    caller.over_socket = false;
    BOOST_TEST(next_steps("host=db dbname=app", "app", "gate", caller).serve ==
               "pdpp serve --db 'host=db dbname=app user=gate'");
}

BOOST_AUTO_TEST_CASE(no_secret_is_said) {
    BOOST_TEST(next_steps("host=db dbname=app password=secret", "app", "gate", ann()).run.find("secret") ==
               std::string::npos);
    BOOST_TEST(database_option("postgresql://ann:secret@db/app") == " --db ...");
    BOOST_TEST(database_option("postgresql://ann@db/app") == " --db postgresql://ann@db/app");
}

BOOST_AUTO_TEST_SUITE_END()
