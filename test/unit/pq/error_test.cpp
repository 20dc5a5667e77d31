// Reading typed refusals out of database errors.

#include <boost/test/unit_test.hpp>

#include "pq/error.hpp"

using pdpp::pq::Error;
using pdpp::pq::ErrorKind;
using pdpp::pq::typed_refusal;

BOOST_AUTO_TEST_SUITE(pq_error)

BOOST_AUTO_TEST_CASE(the_message_has_no_trailing_line_ends) {
    BOOST_TEST(Error(ErrorKind::cannot_connect, "no\nroute \r\n\n").what() == "no\nroute");
    BOOST_TEST(Error(ErrorKind::refused, "\n").what() == "");
}

BOOST_AUTO_TEST_CASE(a_typed_refusal_is_read_with_what_else_its_detail_carries) {
    const Error error(ErrorKind::refused, "A run is active.", "PT409",
                      R"({"code":"run_already_active","param":"connector_id","active_run_id":"run_1"})", "Wait.");
    const auto refusal = typed_refusal(error);
    BOOST_REQUIRE(refusal);
    BOOST_TEST(refusal->http_status == 409);
    BOOST_TEST(refusal->code == "run_already_active");
    BOOST_TEST(refusal->param == "connector_id");
    BOOST_TEST(refusal->extra.size() == 1);
    BOOST_TEST(refusal->extra.at("active_run_id").as_string() == "run_1");
    BOOST_TEST(error.hint() == "Wait.");
}

BOOST_AUTO_TEST_CASE(what_is_not_one_is_not_taken_for_one) {
    constexpr auto detail = R"({"code":"x"})";
    for (const auto* sqlstate : {"", "57014", "PT", "PT200", "PT600", "PT4x4", "PT+40", "PT-40", "PT4040"}) {
        BOOST_TEST(!typed_refusal(Error(ErrorKind::refused, "m", sqlstate, detail)), sqlstate);
    }
    for (const auto* bad : {"", "text", "[]", "{}", R"({"code":7})", R"({"code":""})",
                            R"({"code":"x"})"
                            "}"}) {
        BOOST_TEST(!typed_refusal(Error(ErrorKind::refused, "m", "PT404", bad)), bad);
    }
    BOOST_TEST(!typed_refusal(Error(ErrorKind::timeout, "m", "PT404", detail)));
}

BOOST_AUTO_TEST_CASE(what_passes) {
    BOOST_TEST(is_passing(Error(ErrorKind::cannot_connect, "")));
    BOOST_TEST(is_passing(Error(ErrorKind::connection_lost, "")));
    BOOST_TEST(is_passing(Error(ErrorKind::in_doubt, "")));
    BOOST_TEST(is_passing(Error(ErrorKind::timeout, "")));
    BOOST_TEST(!is_passing(Error(ErrorKind::misused, "")));
    for (const auto* sqlstate :
         {"08006", "25006", "40001", "40P01", "53300", "54000", "55P03", "57014", "57P01", "58030", "72000"}) {
        BOOST_TEST(is_passing(Error(ErrorKind::refused, "", sqlstate)), sqlstate);
    }
    for (const auto* sqlstate : {"", "PT409", "42501", "22P02", "53400", "55006", "57000", "XX000"}) {
        BOOST_TEST(!is_passing(Error(ErrorKind::refused, "", sqlstate)), sqlstate);
    }
}

BOOST_AUTO_TEST_SUITE_END()
