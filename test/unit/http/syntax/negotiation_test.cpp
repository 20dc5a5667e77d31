// Which media type a client gets.

#include <boost/test/unit_test.hpp>

#include "http/syntax/header_list.hpp"
#include "http/syntax/negotiation.hpp"

#include <array>
#include <string>
#include <vector>

using namespace pdpp::http;

namespace {

constexpr std::array<std::string_view, 3> offered{"application/json", "application/x-ndjson", "text/event-stream"};

std::string chosen(const std::optional<std::string>& accept) {
    return std::string{negotiate(accept, offered).value_or("none")};
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_negotiation)

BOOST_AUTO_TEST_CASE(who_does_not_mind_gets_the_first) {
    for (const std::optional<std::string>& accept : std::vector<std::optional<std::string>>{
             std::nullopt, "", "  ", "*/*", "*/*;q=0.1", "application/*", "text/html, */*;q=0.8", "application/json",
             "Application/JSON", "application/json;charset=utf-8", "application/json ; charset=UTF-8 ; q=1.000",
             "application/*, text/*"}) {
        BOOST_TEST(chosen(accept) == "application/json", accept.value_or("no header"));
    }
}

BOOST_AUTO_TEST_CASE(the_highest_quality_wins) {
    BOOST_TEST(chosen("text/event-stream") == "text/event-stream");
    BOOST_TEST(chosen("text/*") == "text/event-stream");
    BOOST_TEST(chosen("application/json;q=0.5, text/event-stream;q=0.501") == "text/event-stream");
    BOOST_TEST(chosen("application/json;q=0.5, text/event-stream;q=0.5") == "application/json");
    BOOST_TEST(chosen("application/x-ndjson, */*;q=0.1") == "application/x-ndjson");
    BOOST_TEST(chosen("application/json;Q=0.1, application/x-ndjson;q=.2, text/event-stream;q=0.2") ==
               "text/event-stream");
}

BOOST_AUTO_TEST_CASE(the_most_specific_range_counts) {
    BOOST_TEST(chosen("*/*, application/json;q=0") == "application/x-ndjson");
    BOOST_TEST(chosen("application/json;q=0, application/*;q=0, */*;q=0.1") == "text/event-stream");
    BOOST_TEST(chosen("application/*;q=0.1, */*;q=0.2") == "text/event-stream");
    BOOST_TEST(chosen("application/json;q=0.1, application/*;q=0.9") == "application/x-ndjson");
}

BOOST_AUTO_TEST_CASE(of_equals_one_that_is_named_may_go_before_one_that_is_not) {
    const auto named = [](std::string_view accept) {
        return std::string{negotiate(std::string{accept}, offered, Ties::go_to_named).value_or("none")};
    };
    BOOST_TEST(named("text/event-stream, */*") == "text/event-stream");
    BOOST_TEST(named("*/*, text/event-stream;q=1") == "text/event-stream");
    BOOST_TEST(named("application/*, text/event-stream") == "text/event-stream");
    BOOST_TEST(named("*/*") == "application/json");
    BOOST_TEST(named("text/event-stream, application/json") == "application/json");
    BOOST_TEST(named("text/event-stream;q=0.5, */*;q=0.6") == "application/json");
    BOOST_TEST(named("text/event-stream;q=0") == "none");
    BOOST_TEST(chosen("text/event-stream, */*") == "application/json");
}

BOOST_AUTO_TEST_CASE(what_is_not_on_offer_is_not_given) {
    for (const auto* accept :
         {"text/html", "application/json;q=0", "*/*;q=0.000", "application/jsonx", "application/json;v=2", "json",
          "/json", "application/", "*/json", "application/json;q=2", "application/json;q=0.1234",
          "application/json;q=", "application/json;q=x", ", ,"}) {
        BOOST_TEST(chosen(accept) == "none", accept);
    }
}

BOOST_AUTO_TEST_CASE(parameters_must_be_those_on_offer) {
    constexpr std::array<std::string_view, 2> versions{"a/b", "a/b;v=2"};
    BOOST_TEST((negotiate("a/b;v=2", versions) == "a/b;v=2"));
    BOOST_TEST((negotiate("a/b", versions) == "a/b"));
    BOOST_TEST((negotiate("a/b;v=3", versions) == std::nullopt));
}

BOOST_AUTO_TEST_CASE(lists_are_split_outside_of_quotes) {
    const auto split = [](std::string_view list) {
        std::string joined;
        for (const auto element : elements_of(list)) {
            joined.append("<").append(element).append(">");
        }
        return joined;
    };
    BOOST_TEST(split("") == "");
    BOOST_TEST(split(" , ,") == "");
    BOOST_TEST(split("a, b ,c") == "<a><b><c>");
    BOOST_TEST(split(R"("a,b", W/"c\",d" , e)") == R"(<"a,b"><W/"c\",d"><e>)");
    BOOST_TEST(split("\"never closed, x") == "<\"never closed, x>");
}

BOOST_AUTO_TEST_CASE(lines_of_a_list_are_one_list) {
    Request request;
    BOOST_TEST((header_list(request, field::accept) == std::nullopt));
    request.insert(field::accept, "a/b");
    request.insert(field::accept, "c/d");
    BOOST_TEST(header_list(request, field::accept).value() == "a/b, c/d");
}

BOOST_AUTO_TEST_SUITE_END()
