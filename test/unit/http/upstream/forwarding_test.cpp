// What becomes of requests that are handed on, and of their answers.

#include <boost/test/unit_test.hpp>

#include "http/upstream/forwarding.hpp"

#include "refusal_of.hpp"

using namespace pdpp::http;

namespace {

using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

RequestHead request(verb method, std::string_view target, Fields fields = {}) {
    RequestHead head;
    head.version(11);
    head.method(method);
    head.target(target);
    for (const auto& [name, value] : fields) {
        head.insert(name, value);
    }
    return head;
}

std::string forwarded(Fields fields, std::string_view address = "192.0.2.1") {
    return forwarded_head(request(verb::get, "/a?b", fields),
                          {.address = address, .scheme = "https", .request_id = "req_1", .via = "pdpp-1"}, "behind");
}

std::string answered(unsigned code, Fields fields) {
    ResponseHead head;
    head.result(code);
    for (const auto& [name, value] : fields) {
        head.insert(name, value);
    }
    std::string text;
    const auto answer = answered_head(head);
    for (const auto& header : answer) {
        text.append(header.name_string()).append(": ").append(header.value()).append("\n");
    }
    return text;
}

constexpr std::string_view of_sender =
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n"
    "Forwarded: for=192.0.2.1;host=\"h\";proto=https\r\nVia: 1.1 pdpp-1\r\nRequest-Id: req_1\r\n";

} // namespace

BOOST_AUTO_TEST_SUITE(upstream_forwarding)

BOOST_AUTO_TEST_CASE(reads_of_runs_are_ours) {
    for (const auto* target : {"/_ref/runs/a", "/_ref/runs/a?x=y/z", "/_ref/runs/a/timeline",
                               "/_ref/runs/a/timeline?limit=1", "/_ref/runs/a%2Fb", "/_ref/runs/.."}) {
        BOOST_TEST(is_read_of_run(request(verb::get, target)), target);
        BOOST_TEST(is_read_of_run(request(verb::head, target)), target);
        BOOST_TEST(!is_read_of_run(request(verb::post, target)), target);
        BOOST_TEST(!is_read_of_run(request(verb::options, target)), target);
    }
    for (const auto* target : {"/", "/_ref/runs", "/_ref/runs/", "/_ref/runs?a", "/_ref/runs/?a",
                               "/_ref/runs//timeline", "/_ref/runs/a/", "/_ref/runs/a/timeline/", "/_ref/runs/a/cancel",
                               "/_ref/runs/a/timeline2", "//_ref/runs/a", "/x/_ref/runs/a", "/_REF/runs/a", "*", ""}) {
        BOOST_TEST(!is_read_of_run(request(verb::get, target)), target);
    }
}

BOOST_AUTO_TEST_CASE(what_may_be_made_again) {
    BOOST_TEST(is_repeatable(verb::get));
    BOOST_TEST(is_repeatable(verb::delete_));
    BOOST_TEST(!is_repeatable(verb::post));
    BOOST_TEST(!is_repeatable(verb::patch));
    BOOST_TEST(!is_repeatable(verb::unknown));
}

BOOST_AUTO_TEST_CASE(what_is_said_of_the_client_is_said_by_us) {
    const std::string begin = "GET /a?b HTTP/1.1\r\nHost: h\r\n";
    BOOST_TEST(forwarded({{"Host", "h"}}) == begin + std::string{of_sender} + "\r\n");
    BOOST_TEST(forwarded({{"X-Forwarded-For", "6.6.6.6"},
                          {"Host", "h"},
                          {"forwarded", "for=6.6.6.6"},
                          {"X-Real-Ip", "6"},
                          {"x_forwarded-for", "6"},
                          {"X-Forwarded-Prefix", "/"},
                          {"Request-Id", "x"},
                          {"Proxy", "x"}}) == begin + std::string{of_sender} + "\r\n");
    BOOST_TEST(forwarded({{"Host", "h"}}, "2001:db8::1").find("\r\nForwarded: for=\"[2001:db8::1]\";") !=
               std::string::npos);
    BOOST_TEST(forwarded({{"Host", "h"}}, "unix").find("\r\nForwarded: for=unknown;") != std::string::npos);
    BOOST_TEST(forwarded({{"Host", "h"}}, "unix").find("X-Forwarded-For") == std::string::npos);
    BOOST_TEST(forwarded({}).starts_with("GET /a?b HTTP/1.1\r\nHost: behind\r\n"));
}

BOOST_AUTO_TEST_CASE(what_is_of_the_connection_stays_on_it) {
    BOOST_TEST(forwarded({{"Host", "h"},
                          {"Connection", "close, X-A"},
                          {"Connection", "x-b"},
                          {"Connection", "/, X_D"},
                          {"X_D", "hidden from a reader who stops at what is no name"},
                          {"X-A", "1"},
                          {"X-B", "2"},
                          {"Keep-Alive", "x"},
                          {"TE", "x"},
                          {"Trailer", "x"},
                          {"Upgrade", "h2c"},
                          {"Proxy-Connection", "x"},
                          {"Proxy-Authorization", "x"},
                          {"Proxy-Features", "of whoever asks"},
                          {"X-C", "3"}}) ==
               "GET /a?b HTTP/1.1\r\nHost: h\r\nProxy-Features: of whoever asks\r\nX-C: 3\r\n" +
                   std::string{of_sender} + "\r\n");
    BOOST_TEST(answered(200, {{"A", "1"},
                              {"Connection", "keep-alive, B"},
                              {"B", "2"},
                              {"Set-Cookie", "a"},
                              {"Set-Cookie", "b"},
                              {"Keep-Alive", "x"},
                              {"Proxy-Authenticate", "x"},
                              {"Proxy-Authentication-Info", "x"},
                              {"Proxy-Status", "of all on the way"},
                              {"Trailer", "x"},
                              {"Upgrade", "x"},
                              {"Content-Length", "3"}}) ==
               "A: 1\nSet-Cookie: a\nSet-Cookie: b\nProxy-Status: of all on the way\nContent-Length: 3\n");
}

BOOST_AUTO_TEST_CASE(what_has_been_here_is_not_handed_on_again) {
    BOOST_TEST(
        forwarded({{"Via", "1.0 a"}, {"Via", "1.1 b, 1.1 c"}}).find("\r\nVia: 1.0 a, 1.1 b, 1.1 c, 1.1 pdpp-1\r\n") !=
        std::string::npos);
    const auto refused = [](const RequestHead& head) { return refusal_of([&] { check_forwardable(head, "pdpp-1"); }); };
    BOOST_TEST(!refused(request(verb::get, "/", {{"Via", "1.1 pdpp-2"}})));
    BOOST_TEST(refused(request(verb::get, "/", {{"Via", "1.0 a"}, {"Via", "1.1 b, 1.1 pdpp-1"}}))->error_code ==
               "upstream_unavailable");
    BOOST_TEST((refused(request(verb::trace, "/"))->code == status::method_not_allowed));
    BOOST_TEST((refused(request(verb::connect, "a:1"))->code == status::method_not_allowed));
    BOOST_TEST((refused(request(verb::options, "*"))->code == status::bad_request));
}

BOOST_AUTO_TEST_CASE(framing_is_said_anew) {
    const auto framing = [](Fields fields) { return forwarded(fields).substr(forwarded({{"Host", "h"}}).size() - 2); };
    BOOST_TEST(framing({{"Host", "h"}, {"Content-Length", "3"}}) == "Content-Length: 3\r\n\r\n");
    BOOST_TEST(framing({{"Transfer-Encoding", "chunked"}, {"Host", "h"}}) == "Transfer-Encoding: chunked\r\n\r\n");
    BOOST_TEST(framing({{"Host", "h"}, {"Expect", "100-continue"}}) == "\r\n");
    BOOST_TEST(framing({{"Host", "h"}, {"Expect", "100-Continue"}, {"Content-Length", "3"}}) ==
               "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    BOOST_TEST(framing({{"Host", "h"}, {"Connection", "Content-Length"}, {"Content-Length", "3"}}) ==
               "Content-Length: 3\r\n\r\n");
    BOOST_TEST(answered(200, {{"Transfer-Encoding", "chunked"}, {"A", "1"}}) == "A: 1\n");
    BOOST_TEST(answered(204, {{"Content-Length", "0"}, {"A", "1"}}) == "A: 1\n");
    BOOST_TEST(answered(304, {{"Content-Length", "7"}}) == "Content-Length: 7\n");
}

BOOST_AUTO_TEST_CASE(web_sockets_are_handed_on) {
    const Fields upgrade{{"Host", "h"}, {"Connection", "keep-alive, upgrade"}, {"Upgrade", "WebSocket"}};
    BOOST_TEST(asks_for_websocket(request(verb::get, "/", upgrade)));
    BOOST_TEST(forwarded(upgrade).ends_with("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    BOOST_TEST(!asks_for_websocket(request(verb::post, "/", upgrade)));
    BOOST_TEST(!asks_for_websocket(request(verb::get, "/", {{"Upgrade", "websocket"}})));
    BOOST_TEST(!asks_for_websocket(request(verb::get, "/", {{"Connection", "upgrade"}, {"Upgrade", "h2c"}})));
    BOOST_TEST(!asks_for_websocket(
        request(verb::get, "/", {{"Connection", "upgrade"}, {"Upgrade", "websocket"}, {"Content-Length", "1"}})));
    BOOST_TEST(answered(101, {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Accept", "x"}}) ==
               "Sec-WebSocket-Accept: x\nConnection: Upgrade\nUpgrade: websocket\n");
}

BOOST_AUTO_TEST_CASE(streams_of_events) {
    const auto is_stream = [](std::string_view type) {
        Response answer;
        answer.set(field::content_type, type);
        return is_event_stream(answer);
    };
    BOOST_TEST(is_stream("text/event-stream"));
    BOOST_TEST(is_stream("Text/Event-Stream ; charset=utf-8"));
    BOOST_TEST(!is_stream("text/plain"));
    BOOST_TEST(!is_stream("text/event-streams"));
    BOOST_TEST(!is_event_stream({}));
}

BOOST_AUTO_TEST_SUITE_END()
