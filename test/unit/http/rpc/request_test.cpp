// Reading calls of /rpc, and the errors it answers with.

#include <boost/test/unit_test.hpp>

#include "http/rpc/arguments.hpp"
#include "http/rpc/error.hpp"
#include "http/rpc/function.hpp"
#include "http/rpc/request.hpp"

#include <set>

using namespace pdpp::http;
namespace pq = pdpp::pq;

namespace {

/// "CODE hint" of the error that `stage` ends with.
template <typename Stage>
std::string error_of(Stage stage) {
    try {
        stage();
    } catch (const RpcError& error) {
        return error.error_code + (error.hint ? " " + *error.hint : "");
    }
    return "none";
}

Request request_of(verb method, std::string_view target, std::string body = {}) {
    Request request{method, target, 11};
    if (!body.empty()) {
        request.set(field::content_type, "application/json");
    }
    request.body() = std::move(body);
    return request;
}

/// "name::type=value" of each argument, in the order of the function's own; or the code of the error.
std::string arguments_of(const Request& request) {
    std::string text;
    const auto error = error_of([&] {
        const auto target = parse_target(request.target());
        for (const auto& argument : read_call(find_function(functions(), target), target, request).arguments) {
            text += (text.empty() ? "" : " ") + std::string{argument.name} + "::" + std::string{argument.type} + "=" +
                    argument.value.value_or("NULL");
        }
    });
    return error == "none" ? text : error.substr(0, error.find(' '));
}

std::string posted(std::string_view function, std::string body) {
    return arguments_of(request_of(verb::post, "/rpc/" + std::string{function}, std::move(body)));
}

std::string near(std::string_view name) {
    return error_of([&] { find_function(functions(), parse_target("/rpc/" + std::string{name})); });
}

pq::Error refused(std::string sqlstate, std::string detail = {}) {
    return {pq::ErrorKind::refused, "words", std::move(sqlstate), std::move(detail), "hint"};
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_rpc)

BOOST_AUTO_TEST_CASE(exactly_what_an_owner_calls_is_served) {
    std::set<std::string_view> names;
    for (const auto& function : functions()) {
        names.insert(function.name);
        for (const auto& argument : function.arguments) {
            BOOST_TEST((argument.type == "jsonb") == !argument.from_body.empty());
        }
    }
    const std::set<std::string_view> owners{"pdpp_run_status", "pdpp_run_statuses",    "pdpp_run_timeline",
                                            "pdpp_run_list",   "pdpp_connection_list", "pdpp_run_now",
                                            "pdpp_run_cancel"};
    BOOST_TEST(names == owners, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_targets_of_rpc) {
    for (const auto* target : {"/rpc", "/rpc/", "/rpc/x", "/rpc?x"}) {
        BOOST_TEST(is_rpc(target), target);
    }
    for (const auto* target : {"", "/", "/rpcs", "/_ref/rpc/x", "rpc/x", "/RPC/x"}) {
        BOOST_TEST(!is_rpc(target), target);
    }
}

BOOST_AUTO_TEST_CASE(a_name_that_is_near_is_hinted_at) {
    BOOST_TEST(near("pdpp_run_statu") == "PGRST202 Perhaps you meant to call the function public.pdpp_run_status");
    BOOST_TEST(near("run_timeline") == "PGRST202 Perhaps you meant to call the function public.pdpp_run_timeline");
    BOOST_TEST(near("PDPP_RUN_NOW") == "PGRST202");
    BOOST_TEST(near("x") == "PGRST202");
    BOOST_TEST(near(std::string(64, 'p')) == "PGRST202");
    BOOST_TEST(near("pdpp_run_now") == "none");
}

BOOST_AUTO_TEST_CASE(arguments_are_named_in_the_query_string) {
    const auto get = [](std::string_view target) { return arguments_of(request_of(verb::get, target)); };
    BOOST_TEST(get("/rpc/pdpp_run_timeline?cursor=c&run_id=a%20b+c") == "run_id::text=a b c cursor::text=c");
    BOOST_TEST(get("/rpc/pdpp_run_timeline?run_id=&page_size=x") == "run_id::text= page_size::integer=x");
    BOOST_TEST(get("/rpc/pdpp_run_status?run_id=a&run_id=b") == "run_id::text=b");
    BOOST_TEST(get("/rpc/pdpp_run_status?run_id=eq.a") == "run_id::text=eq.a");
    BOOST_TEST(get("/rpc/pdpp_run_statuses?run_ids=%7Ba,b%7D") == "run_ids::text[]={a,b}");
    BOOST_TEST(get("/rpc/pdpp_run_status") == "PGRST202");
    BOOST_TEST(get("/rpc/pdpp_run_status?run_id=a&x=b") == "PGRST202");
    BOOST_TEST(get("/rpc/pdpp_run_status?run_id=a&x=eq.b") == "PGRST100");
    BOOST_TEST(get("/rpc/pdpp_run_status?run_id=a&limit=1") == "PGRST100");
    BOOST_TEST(get("/rpc/pdpp_run_statuses?run_ids={a}&limit=") == "run_ids::text[]={a}");
    BOOST_TEST(get("/rpc/pdpp_run_statuses?run_ids={a}&offset=") == "PGRST100");
}

BOOST_AUTO_TEST_CASE(arguments_are_members_of_the_body) {
    BOOST_TEST(posted("pdpp_run_status", R"({"run_id": "a\u00e9"})") == "run_id::text=a\u00e9");
    BOOST_TEST(posted("pdpp_run_status", R"({"run_id": 12345678901234567890})") == "run_id::text=12345678901234567890");
    BOOST_TEST(posted("pdpp_run_status", R"({"run_id": true})") == "run_id::text=true");
    BOOST_TEST(posted("pdpp_run_status", R"({"run_id": null})") == "run_id::text=NULL");
    BOOST_TEST(posted("pdpp_run_timeline", R"({"page_size": -7, "run_id": ""})") ==
               "run_id::text= page_size::integer=-7");
    BOOST_TEST(posted("pdpp_run_statuses", R"({"run_ids": []})") == "run_ids::text[]={}");
    BOOST_TEST(posted("pdpp_run_statuses", R"({"run_ids": ["a\"\\", "", null, "null", "{,}"]})") ==
               R"(run_ids::text[]={"a\"\\","",NULL,"null","{,}"})");
    for (const auto* value : {"1.5", "1e3", "123456789012345678901234567890", "{}", "[]", "[\"a\"]"}) {
        BOOST_TEST(posted("pdpp_run_status", "{\"run_id\": " + std::string{value} + "}") == "PGRST102", value);
    }
    for (const auto* value : {"[1]", "[[]]", "[true]", "{}"}) {
        BOOST_TEST(posted("pdpp_run_statuses", "{\"run_ids\": " + std::string{value} + "}") == "PGRST102", value);
    }
    BOOST_TEST(posted("pdpp_run_status", R"({"run_id": "a", "run_ids": [1.5]})") == "PGRST202");
}

BOOST_AUTO_TEST_CASE(an_array_has_a_length_that_is_enough) {
    const auto length = [](std::string_view element, std::size_t count) {
        std::string list{element};
        for (std::size_t i = 1; i < count; ++i) {
            list.append(",").append(element);
        }
        const auto text = posted("pdpp_run_statuses", R"({"run_ids": ")" + ('{' + list + '}') + R"("})");
        return text == "run_ids::text[]={" + list + "}" ? "taken" : text;
    };
    BOOST_TEST(length("a", most_elements) == "taken");
    BOOST_TEST(length("a", most_elements + 1) == "22023");
    BOOST_TEST(length("", most_elements + 1) == "22023");
    BOOST_TEST(length("{a,b}", most_elements / 2 + 1) == "22023");
    std::string listed = R"(["a,b\",c")";
    for (std::size_t i = 1; i < most_elements; ++i) {
        listed += R"(,"a,b\",c")";
    }
    BOOST_TEST(posted("pdpp_run_statuses", R"({"run_ids": )" + listed + "]}").starts_with("run_ids::text[]="));
    BOOST_TEST(posted("pdpp_run_statuses", R"({"run_ids": )" + listed + R"(,""]})") == "22023");
}

BOOST_AUTO_TEST_CASE(json_is_left_to_the_database) {
    const std::string body = R"({"connector_id": "c", "data": {"n": 1.10}})";
    BOOST_TEST(posted("pdpp_run_now", body) == "connector_id::text=c data::jsonb -> 'data'=" + body);
    BOOST_TEST(posted("pdpp_run_now", R"({"connector_id": "c", "data": null, "run_id": null})") ==
               "connector_id::text=c");
}

BOOST_AUTO_TEST_CASE(the_first_rule_of_a_sqlstate_counts) {
    BOOST_TEST((status_for_sqlstate("53400") == status::internal_server_error));
    BOOST_TEST((status_for_sqlstate("53100") == status::service_unavailable));
    for (const auto* const passing :
         {"08006", "25006", "40P01", "54000", "54001", "55P03", "57P01", "58030", "72000"}) {
        BOOST_TEST((status_for_sqlstate(passing) == status::service_unavailable), passing);
    }
    BOOST_TEST((status_for_sqlstate("25P02") == status::internal_server_error));
    BOOST_TEST((status_for_sqlstate("57014") == status::gateway_timeout));
    BOOST_TEST((status_for_sqlstate("42501") == status::forbidden));
    BOOST_TEST((status_for_sqlstate("22P02") == status::bad_request));
    BOOST_TEST((status_for_sqlstate("PT410") == status::gone));
    BOOST_TEST((status_for_sqlstate("PT200") == status::bad_request));
    BOOST_TEST((status_for_sqlstate("PT+99") == status::bad_request));
}

BOOST_AUTO_TEST_CASE(only_typed_refusals_speak_for_themselves) {
    const auto typed = rpc_error(refused("PT409", R"({"code": "x"})"));
    BOOST_TEST((typed.code == status::conflict));
    BOOST_TEST(typed.error_code == "PT409");
    BOOST_TEST(typed.message == "words");
    BOOST_TEST(typed.details.value() == R"({"code": "x"})");
    BOOST_TEST(typed.hint.value() == "hint");
    BOOST_TEST(!typed.is_unknown_run);
    BOOST_TEST(rpc_error(refused("PT404", R"({"code": "not_found", "param": "run_id"})")).is_unknown_run);
    BOOST_TEST(!rpc_error(refused("PT404", R"({"code": "not_found", "param": "connector_id"})")).is_unknown_run);
    for (const auto* sqlstate : {"PT409", "XX000", "P0001", "22P02", "42501"}) {
        const auto untyped = rpc_error(refused(sqlstate, "detail"));
        BOOST_TEST(untyped.error_code == sqlstate);
        BOOST_TEST(untyped.message != "words");
        BOOST_TEST(!untyped.details.has_value());
        BOOST_TEST(!untyped.hint.has_value());
    }
}

BOOST_AUTO_TEST_CASE(what_is_not_the_servers_word_has_a_code_too) {
    BOOST_TEST(rpc_error(pq::Error{pq::ErrorKind::cannot_connect, "words"}).error_code == "PGRST000");
    BOOST_TEST(rpc_error(pq::Error{pq::ErrorKind::refused, "no extension"}).error_code == "PGRST000");
    BOOST_TEST(rpc_error(pq::Error{pq::ErrorKind::timeout, "words"}).error_code == "57014");
    BOOST_TEST(rpc_error(pq::Error{pq::ErrorKind::misused, "words"}).error_code == "PGRSTX00");
    const auto response = rpc_error_response(rpc_error(Refusal{status::bad_request, "invalid_request", "m", "p"}));
    BOOST_TEST(response.body() ==
               R"({"code":"invalid_request","details":"{\"param\":\"p\"}","hint":null,"message":"m"})");
    BOOST_TEST(response["Proxy-Status"] == "pdpp; error=invalid_request");
}

BOOST_AUTO_TEST_SUITE_END()
