// What the database's failures are over HTTP: never 500 for load, and nothing of what the database said.

#include <boost/test/unit_test.hpp>

#include "http/runs/database.hpp"
#include "http/runs/refusals.hpp"
#include "http/wire/envelope.hpp"

#include <algorithm>

using namespace pdpp::http;
namespace pq = pdpp::pq;

namespace {

Refusal refusal_of(pq::ErrorKind kind, const std::string& sqlstate = {}) {
    return refusal_for(pq::Error(kind, "SELECT secret", sqlstate, "secret detail", "secret hint"));
}

bool has_retry_after(const Refusal& refusal) {
    return std::ranges::any_of(refusal.headers, [](const auto& header) { return header.first == field::retry_after; });
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_database)

BOOST_AUTO_TEST_CASE(what_passes_is_503_with_retry_after) {
    for (const auto kind : {pq::ErrorKind::cannot_connect, pq::ErrorKind::connection_lost, pq::ErrorKind::in_doubt}) {
        BOOST_TEST((refusal_of(kind).code == status::service_unavailable && has_retry_after(refusal_of(kind))));
    }
    // read-only, standby conflict, deadlock, out of memory, of disk, of connections, a limit (a full queue of
    // notifications; transaction ids that run out), the disk, a file, shutdown, starting up, an old snapshot
    for (const auto* const sqlstate : {"25006", "40001", "40P01", "53200", "53100", "53300", "54000", "54001", "58000",
                                       "58030", "58P01", "57P01", "57P03", "08006", "72000", ""}) {
        const auto refusal = refusal_of(pq::ErrorKind::refused, sqlstate);
        BOOST_TEST((refusal.code == status::service_unavailable), sqlstate);
        BOOST_TEST(refusal.error_code == "database_unavailable", sqlstate);
        BOOST_TEST(has_retry_after(refusal), sqlstate);
    }
}

BOOST_AUTO_TEST_CASE(a_lock_that_somebody_holds_is_told_apart) {
    const auto refusal = refusal_of(pq::ErrorKind::refused, "55P03");
    BOOST_TEST((refusal.code == status::service_unavailable));
    BOOST_TEST(refusal.error_code == "run_busy");
    BOOST_TEST(has_retry_after(refusal));
}

BOOST_AUTO_TEST_CASE(what_takes_too_long_is_504) {
    BOOST_TEST((refusal_of(pq::ErrorKind::timeout).code == status::gateway_timeout));
    BOOST_TEST((refusal_of(pq::ErrorKind::refused, "57014").code == status::gateway_timeout));
}

BOOST_AUTO_TEST_CASE(what_is_not_granted_is_told_apart) {
    const auto refusal = refusal_of(pq::ErrorKind::refused, "42501");
    BOOST_TEST((refusal.code == status::service_unavailable));
    BOOST_TEST(refusal.error_code == "not_granted");
}

BOOST_AUTO_TEST_CASE(what_is_broken_is_500) {
    for (const auto* const sqlstate : {"42883", "XX000", "XX001", "53400", "P0001", "PT999", "23505"}) {
        BOOST_TEST((refusal_of(pq::ErrorKind::refused, sqlstate).code == status::internal_server_error), sqlstate);
    }
    BOOST_TEST((refusal_of(pq::ErrorKind::misused).code == status::internal_server_error));
}

BOOST_AUTO_TEST_CASE(no_text_of_the_database_gets_out) {
    for (const auto* const sqlstate :
         {"55P03", "25006", "40001", "57014", "57P01", "42501", "XX000", "22P02", "PT404", ""}) {
        BOOST_TEST(error_body(refusal_of(pq::ErrorKind::refused, sqlstate), "req_1").find("secret") ==
                       std::string::npos,
                   sqlstate);
    }
}

BOOST_AUTO_TEST_SUITE_END()
