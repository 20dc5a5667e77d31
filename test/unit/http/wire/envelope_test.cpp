// Error bodies, answers for failures of the database, and request ids.

#include <boost/test/unit_test.hpp>

#include "http/runs/refusals.hpp"
#include "http/wire/envelope.hpp"
#include "http/wire/errors.hpp"
#include "http/wire/request_id.hpp"

using namespace pdpp::http;
namespace pq = pdpp::pq;

BOOST_AUTO_TEST_SUITE(http_envelope)

BOOST_AUTO_TEST_CASE(the_type_follows_from_the_status) {
    for (const auto& [code, type] : {std::pair{400, "invalid_request_error"},
                                     {401, "authentication_error"},
                                     {403, "permission_error"},
                                     {404, "not_found_error"},
                                     {405, "api_error"},
                                     {409, "api_error"},
                                     {410, "gone_error"},
                                     {413, "request_entity_too_large_error"},
                                     {414, "api_error"},
                                     {422, "api_error"},
                                     {429, "rate_limit_error"},
                                     {500, "api_error"},
                                     {503, "api_error"},
                                     {504, "api_error"}}) {
        BOOST_TEST(error_body({static_cast<status>(code), "c", "m"}, "r")
                       .starts_with(R"({"error":{"type":")" + std::string{type}),
                   code);
    }
}

BOOST_AUTO_TEST_CASE(a_body_has_its_members_and_those_of_the_detail) {
    Refusal refusal{status::conflict, "run_already_active", "A \"run\"\nis active.", "connector_id"};
    refusal.extra = {{"active_run_id", "run_1"}, {"type", "forged"}, {"request_id", "forged"}};
    BOOST_TEST(error_body(refusal, "req_1") ==
               R"({"error":{"type":"api_error","code":"run_already_active","message":"A \"run\"\nis active.",)"
               R"("param":"connector_id","request_id":"req_1","active_run_id":"run_1"}})");
    BOOST_TEST(error_body(Refusal{status::gone, "c", "m"}, "r") ==
               R"({"error":{"type":"gone_error","code":"c","message":"m","request_id":"r"}})");
}

BOOST_AUTO_TEST_CASE(headers_go_with_the_status) {
    const auto unauthorized = error_response(refusal(ErrorKind::owner_session_required), "r");
    BOOST_TEST(unauthorized[field::www_authenticate] == "Bearer realm=\"pdpp\"");
    BOOST_TEST(unauthorized[field::cache_control] == "no-store");
    const auto not_found = error_response({status::not_found, "c", "m"}, "r");
    BOOST_TEST(not_found[field::cache_control] == "no-store");
    BOOST_TEST(not_found.count(field::www_authenticate) == 0);
    BOOST_TEST(not_found[field::content_length] == std::to_string(not_found.body().size()));
    const auto empty = json_response(status::no_content, {});
    BOOST_TEST(empty.count(field::content_length) == 0);
    BOOST_TEST(empty.count(field::content_type) == 0);
}

BOOST_AUTO_TEST_CASE(typed_refusals_of_the_database_pass) {
    const auto refusal = refusal_for(pq::Error(pq::ErrorKind::refused, "Bad cursor.", "PT400",
                                               R"({"code":"invalid_cursor","param":"cursor","more":1})"));
    BOOST_TEST((refusal.code == status::bad_request));
    BOOST_TEST(error_body(refusal, "r") ==
               R"({"error":{"type":"invalid_request_error","code":"invalid_cursor","message":"Bad cursor.",)"
               R"("param":"cursor","request_id":"r","more":1}})");
}

BOOST_AUTO_TEST_CASE(other_failures_of_the_database_tell_nothing_of_it) {
    struct Case {
        pq::ErrorKind kind;
        std::string_view sqlstate;
        int status;
        std::string_view code;
    };
    for (const auto& [kind, sqlstate, expected, code] : {
             Case{pq::ErrorKind::cannot_connect, "", 503, "database_unavailable"},
             {pq::ErrorKind::not_let_in, "28000", 503, "database_unavailable"},
             {pq::ErrorKind::connection_lost, "57P01", 503, "database_unavailable"},
             {pq::ErrorKind::in_doubt, "", 503, "database_unavailable"},
             {pq::ErrorKind::timeout, "", 504, "timeout"},
             {pq::ErrorKind::misused, "", 500, "internal_error"},
             {pq::ErrorKind::refused, "", 503, "database_unavailable"},
             {pq::ErrorKind::refused, "57014", 504, "timeout"},
             {pq::ErrorKind::refused, "55P03", 503, "run_busy"},
             {pq::ErrorKind::refused, "57P01", 503, "database_unavailable"},
             {pq::ErrorKind::refused, "57P02", 503, "database_unavailable"},
             {pq::ErrorKind::refused, "57P03", 503, "database_unavailable"},
             {pq::ErrorKind::refused, "53200", 503, "database_unavailable"},
             {pq::ErrorKind::refused, "53400", 500, "internal_error"},
             {pq::ErrorKind::refused, "42501", 503, "not_granted"},
             {pq::ErrorKind::refused, "42883", 500, "internal_error"},
             {pq::ErrorKind::refused, "PT409", 500, "internal_error"}, // without a DETAIL of ours
         }) {
        const auto refusal =
            refusal_for(pq::Error(kind, "SELECT secret FROM t", std::string(sqlstate), "secret", "secret"));
        BOOST_TEST(static_cast<int>(refusal.code) == expected, sqlstate);
        BOOST_TEST(refusal.error_code == code);
        BOOST_TEST(error_body(refusal, "r").find("secret") == std::string::npos);
        const bool retry = error_response(refusal, "r")[field::retry_after] == "1";
        BOOST_TEST(retry == (expected == 503));
    }
}

BOOST_AUTO_TEST_CASE(a_database_that_is_not_set_up_is_not_called_unreachable) {
    const auto message = [](pq::ErrorKind kind, std::string sqlstate) {
        return refusal_for(pq::Error(kind, "m", std::move(sqlstate))).message;
    };
    BOOST_TEST(message(pq::ErrorKind::cannot_connect, "").find("cannot be reached") != std::string::npos);
    BOOST_TEST(message(pq::ErrorKind::cannot_connect, "53300").find("cannot be reached") != std::string::npos);
    for (const auto* const sqlstate : {"28000", "28P01", "3D000", "42501", ""}) {
        BOOST_TEST(message(pq::ErrorKind::not_let_in, sqlstate).find("does not let this server in") !=
                   std::string::npos);
    }
    BOOST_TEST(message(pq::ErrorKind::refused, "").find("no extension") != std::string::npos);
    BOOST_TEST(message(pq::ErrorKind::refused, "42501").find("lacks a grant") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_envelope_in_a_body_is_a_404) {
    const auto refusal = refusal_in(R"({"error": {"code": "not_found", "type": "not_found_error", "param": "run_id", )"
                                    R"("message": "Run not found: \"x\""}})");
    BOOST_REQUIRE(refusal);
    BOOST_TEST((refusal->code == status::not_found));
    BOOST_TEST(error_body(*refusal, "r") ==
               R"({"error":{"type":"not_found_error","code":"not_found","message":"Run not found: \"x\"",)"
               R"("param":"run_id","request_id":"r"}})");
    for (const auto* body :
         {"", "null", "{}", R"({"run_id": "{\"error\": {}}"})", R"({"error": null})", R"({"a": 1})"}) {
        BOOST_TEST(!refusal_in(body), body);
    }
}

BOOST_AUTO_TEST_CASE(request_ids_are_echoed_if_sane) {
    Request request;
    for (const auto& sane : {std::string("a"), std::string("Az09._:-"), std::string(128, 'x')}) {
        request.set("Request-Id", sane);
        BOOST_TEST(request_id_of(request) == sane);
    }
    for (const auto& other : {std::string(), std::string("a b"), std::string("a/b"), std::string("\u00e9"),
                              std::string("a\"b"), std::string(129, 'x')}) {
        request.set("Request-Id", other);
        const auto made = request_id_of(request);
        BOOST_TEST(made.size() == 36);
        BOOST_TEST(made.starts_with("req_"));
        BOOST_TEST(made.find_first_not_of("0123456789abcdef", 4) == std::string::npos);
        BOOST_TEST(made != request_id_of(request));
    }
}

BOOST_AUTO_TEST_SUITE_END()
