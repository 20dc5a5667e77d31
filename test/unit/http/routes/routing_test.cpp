// The route table, finding routes in it, and binding arguments.

#include <boost/test/unit_test.hpp>

#include "http/routes/routing.hpp"
#include "refusal_of.hpp"

#include <set>

using namespace pdpp::http;

namespace {

std::string_view function_for(verb method, const Target& target) {
    const auto match = find_route(routes(), method, target);
    const auto* const call = std::get_if<SqlCall>(&match.route.answer);
    return call == nullptr ? std::string_view{} : call->function;
}

/// "argument::type=value" for each argument that a GET of `text` binds.
std::vector<std::string> bound(std::string_view text) {
    const auto target = parse_target(text);
    const auto match = find_route(routes(), verb::get, target);
    std::vector<std::string> printed;
    for (const auto& argument :
         bind_arguments(std::get<SqlCall>(match.route.answer), match.variables, target.query, {})) {
        printed.push_back(std::string(argument.name) + "::" + std::string(argument.type) + "=" + *argument.value);
    }
    return printed;
}

using Strings = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(http_mapping)

BOOST_AUTO_TEST_CASE(each_route_of_the_owner_needs_a_session_and_each_variable_is_bound) {
    std::set<std::pair<std::string_view, verb>> seen;
    for (const auto& route : routes()) {
        BOOST_TEST(route.needs_session == (route.path.starts_with("/_ref/") || route.path == "/owner/session"));
        for (const auto method : route.methods) {
            BOOST_TEST(seen.emplace(route.path, method).second);
        }
        if (const auto* const call = std::get_if<SqlCall>(&route.answer)) {
            for (const auto& binding : call->bindings) {
                if (binding.place == Binding::Place::segment) {
                    BOOST_TEST(route.path.find("{" + std::string(binding.name) + "}") != std::string_view::npos);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(paths_find_their_function) {
    BOOST_TEST(function_for(verb::get, parse_target("/_ref/runs")) == "pdpp_run_list");
    BOOST_TEST(function_for(verb::get, parse_target("/_ref/runs/run_1")) == "pdpp_run_status");
    BOOST_TEST(function_for(verb::get, parse_target("/_ref/connections")) == "pdpp_connection_list");
    BOOST_TEST(function_for(verb::head, parse_target("/_ref/runs/timeline")) == "pdpp_run_status");
    BOOST_TEST(function_for(verb::get, parse_target("/_ref/runs/run_1/timeline")) == "pdpp_run_timeline");
    BOOST_TEST(function_for(verb::get, parse_target("/_ref/runs/timeline/timeline")) == "pdpp_run_timeline");
    BOOST_TEST(function_for(verb::get, parse_target("/_ref/runs/a%2Ftimeline")) == "pdpp_run_status");
    BOOST_TEST(function_for(verb::post, parse_target("/owner/login")) == "");
}

BOOST_AUTO_TEST_CASE(other_paths_are_unknown) {
    for (const auto* text : {"/_ref", "/_ref/runs/", "/_ref/runs//timeline", "/_ref/runs/a/", "/_ref/runs/a/timeline/",
                             "/_ref/runs/a/events", "/_ref/runs%2Fa", "//_ref/runs/a", "/_REF/runs/a",
                             "/_ref/x/../runs/a", "/_ref/%7Bruns%7D/a"}) {
        const auto refusal = refusal_of([&] { find_route(routes(), verb::get, parse_target(text)); });
        BOOST_REQUIRE_MESSAGE(refusal, text);
        BOOST_TEST((refusal->code == status::not_found), text);
        BOOST_TEST(refusal->error_code == "not_found");
        BOOST_TEST(refusal->param == "");
    }
}

BOOST_AUTO_TEST_CASE(another_method_is_told_what_is_allowed) {
    for (const auto method : {verb::post, verb::delete_, verb::options, verb::unknown}) {
        const auto refusal = refusal_of([&] { find_route(routes(), method, parse_target("/_ref/runs/a")); });
        BOOST_REQUIRE(refusal);
        BOOST_TEST((refusal->code == status::method_not_allowed));
        BOOST_REQUIRE(refusal->headers.size() == 1);
        BOOST_TEST((refusal->headers[0].first == field::allow));
        BOOST_TEST(refusal->headers[0].second == "GET, HEAD");
    }
    const auto refusal = refusal_of([&] { find_route(routes(), verb::get, parse_target("/owner/login")); });
    BOOST_REQUIRE(refusal);
    BOOST_TEST(refusal->headers.at(0).second == "POST");
}

BOOST_AUTO_TEST_CASE(methods_of_rows_with_one_path_are_allowed_together) {
    const std::vector<Route> table{{{verb::get}, "/a/{x}", OwnerAction::log_in, status::ok, true},
                                   {{verb::post}, "/a/{y}", OwnerAction::log_out, status::ok, true}};
    const auto target = parse_target("/a/b");
    const auto match = find_route(table, verb::post, target);
    BOOST_REQUIRE(match.variables.size() == 1);
    BOOST_TEST(match.variables[0].name == "y");
    BOOST_TEST(match.variables[0].value == "b");
    const auto refusal = refusal_of([&] { find_route(table, verb::put, target); });
    BOOST_TEST(refusal->headers.at(0).second == "GET, POST");
}

BOOST_AUTO_TEST_CASE(arguments_are_bound_by_name) {
    BOOST_TEST(bound("/_ref/runs/a%2Fb") == (Strings{"run_id::text=a/b"}), boost::test_tools::per_element());
    BOOST_TEST(bound("/_ref/runs/a/timeline") == (Strings{"run_id::text=a"}), boost::test_tools::per_element());
    BOOST_TEST(bound("/_ref/runs/a/timeline?cursor=x%2By&limit=5000") ==
                   (Strings{"run_id::text=a", "page_size::int=5000", "cursor::text=x+y"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_empty_limit_and_an_empty_cursor_are_none) {
    BOOST_TEST(bound("/_ref/runs/a/timeline?cursor=&limit=") == (Strings{"run_id::text=a"}),
               boost::test_tools::per_element());
    BOOST_TEST(bound("/_ref/runs?cursor=&limit=").empty());
    BOOST_TEST(bound("/_ref/runs?status=") == (Strings{"status::text="}), boost::test_tools::per_element());
    BOOST_TEST(refusal_of([&] { bound("/_ref/runs?limit=&limit="); })->param == "limit");
}

BOOST_AUTO_TEST_CASE(a_limit_is_plain_decimal_within_bounds) {
    for (const auto* limit : {"1", "10", "4999", "5000"}) {
        BOOST_TEST(bound("/_ref/runs/a/timeline?limit=" + std::string(limit)).size() == 2);
    }
    for (const auto* limit : {"0", "00", "01", "5001", "-1", "%2B1", "+1", "1+", "%201", "1.0", "1e3", "0x10", "ten",
                              "4294967297", "99999999999999999999", "%D9%A1"}) {
        const auto refusal = refusal_of([&] { bound("/_ref/runs/a/timeline?limit=" + std::string(limit)); });
        BOOST_REQUIRE_MESSAGE(refusal, limit);
        BOOST_TEST((refusal->code == status::bad_request));
        BOOST_TEST(refusal->error_code == "invalid_request");
        BOOST_TEST(refusal->param == "limit");
    }
}

BOOST_AUTO_TEST_CASE(unknown_and_repeated_parameters_are_refused) {
    for (const auto& [text, param] : {std::pair{"/_ref/runs/a?limit=1", "limit"},
                                      {"/_ref/runs/a?x", "x"},
                                      {"/_ref/runs/a?run_id=b", "run_id"},
                                      {"/_ref/runs/a/timeline?Limit=1", "Limit"},
                                      {"/_ref/runs/a/timeline?limit=1&limit=1", "limit"},
                                      {"/_ref/runs/a/timeline?cursor=a&limit=1&cursor=b", "cursor"}}) {
        const auto refusal = refusal_of([text = text] { bound(text); });
        BOOST_REQUIRE_MESSAGE(refusal, text);
        BOOST_TEST((refusal->code == status::bad_request));
        BOOST_TEST(refusal->param == param);
    }
}

BOOST_AUTO_TEST_SUITE_END()
