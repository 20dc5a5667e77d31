// The error codes: names, HTTP statuses, hints, and the types of the envelope.

#include <boost/test/unit_test.hpp>

#include "run/error.hpp"

#include <set>
#include <string>
#include <vector>

using namespace pdpp::run;

namespace {

struct Row {
    ErrorCode code;
    std::string_view name;
    int http_status;
};

const std::vector<Row> contract{
    {ErrorCode::invalid_request, "invalid_request", 400},
    {ErrorCode::invalid_cursor, "invalid_cursor", 400},
    {ErrorCode::append_only, "append_only", 403},
    {ErrorCode::guarded_state, "guarded_state", 403},
    {ErrorCode::not_found, "not_found", 404},
    {ErrorCode::connector_instance_not_found, "connector_instance_not_found", 404},
    {ErrorCode::run_already_active, "run_already_active", 409},
    {ErrorCode::ambiguous_connection, "ambiguous_connection", 409},
    {ErrorCode::run_id_taken, "run_id_taken", 409},
    {ErrorCode::run_already_started, "run_already_started", 409},
    {ErrorCode::run_already_terminal, "run_already_terminal", 409},
    {ErrorCode::run_not_settled, "run_not_settled", 409},
    {ErrorCode::not_booted, "not_booted", 409},
    {ErrorCode::boot_lost, "boot_lost", 409},
    {ErrorCode::run_superseded, "run_superseded", 409},
    {ErrorCode::event_too_large, "event_too_large", 413},
    {ErrorCode::idempotency_conflict, "idempotency_conflict", 422},
};

} // namespace

BOOST_AUTO_TEST_SUITE(run_error)

BOOST_AUTO_TEST_CASE(every_code_has_its_name_and_status) {
    for (const auto& row : contract) {
        const auto& kind = kind_of(row.code);
        BOOST_TEST((kind.code == row.code));
        BOOST_TEST(kind.name == row.name);
        BOOST_TEST(kind.http_status == row.http_status);
    }
}

BOOST_AUTO_TEST_CASE(names_are_unique) {
    std::set<std::string_view> names;
    for (const auto& row : contract) {
        BOOST_TEST(names.insert(kind_of(row.code).name).second);
    }
}

BOOST_AUTO_TEST_CASE(whoever_is_refused_learns_what_to_do) {
    for (const auto& row : contract) {
        // an unusable argument is named by the message, and what is wrong with it
        BOOST_TEST(kind_of(row.code).hint.empty() == (row.code == ErrorCode::invalid_request));
    }
}

BOOST_AUTO_TEST_CASE(hints_are_sentences) {
    for (const auto& row : contract) {
        const auto hint = kind_of(row.code).hint;
        BOOST_TEST((hint.empty() || hint.ends_with('.')));
    }
}

BOOST_AUTO_TEST_CASE(types_by_status) {
    BOOST_TEST(error_type(400) == "invalid_request_error");
    BOOST_TEST(error_type(401) == "authentication_error");
    BOOST_TEST(error_type(403) == "permission_error");
    BOOST_TEST(error_type(404) == "not_found_error");
    BOOST_TEST(error_type(410) == "gone_error");
    BOOST_TEST(error_type(413) == "request_entity_too_large_error");
    BOOST_TEST(error_type(429) == "rate_limit_error");
}

BOOST_AUTO_TEST_CASE(all_other_statuses_are_api_errors) {
    for (const int status : {0, 200, 402, 405, 409, 411, 414, 422, 431, 500, 503, 504}) {
        BOOST_TEST(error_type(status) == "api_error");
    }
}

BOOST_AUTO_TEST_SUITE_END()
