// The OpenAPI document; test/http/openapi.t holds it against the official schema and against real answers.

#include <boost/test/unit_test.hpp>

#include "http/routes/openapi.hpp"

#include <boost/json/parse.hpp>

#include <stdexcept>

using namespace pdpp::http;

BOOST_AUTO_TEST_SUITE(http_openapi)

BOOST_AUTO_TEST_CASE(every_route_says_what_it_is) {
    for (const auto& route : routes()) {
        if (std::holds_alternative<PageFile>(route.answer)) {
            continue; // which is none of the API
        }
        BOOST_TEST(!route.summary.empty(), route.path);
        BOOST_TEST(route.schema.empty() == (route.success == status::no_content), route.path);
    }
}

BOOST_AUTO_TEST_CASE(what_has_no_component_is_an_error) {
    std::vector<Route> table{{.methods = {verb::get},
                              .path = "/x",
                              .answer = ApiDescription{},
                              .success = status::ok,
                              .needs_session = false,
                              .summary = "x",
                              .schema = "RunStatus"}};
    BOOST_CHECK_NO_THROW(boost::json::parse(openapi_document(table, {})));
    table.front().errors = {"unheard_of"};
    BOOST_CHECK_THROW(openapi_document(table, {}), std::logic_error);
    table.front().errors = {};
    table.front().schema = "Unheard";
    BOOST_CHECK_THROW(openapi_document(table, {}), std::logic_error);

    std::vector<Function> calls{functions().begin(), functions().end()};
    BOOST_CHECK_NO_THROW(openapi_document({}, calls));
    calls.front().schema = "Unheard";
    BOOST_CHECK_THROW(openapi_document({}, calls), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
