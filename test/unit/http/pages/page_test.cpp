// Pages: who gets one, what their templates make of hostile text, their headers and their files.

#include <boost/test/unit_test.hpp>

#include "http/pages/error_page.hpp"
#include "http/pages/files.hpp"
#include "http/pages/life.hpp"
#include "http/pages/page.hpp"
#include "http/pages/pages.hpp"
#include "http/pages/run_page.hpp"
#include "http/pages/runs_page.hpp"
#include "http/pages/times.hpp"
#include "http/wire/errors.hpp"
#include "refusal_of.hpp"

#include <initializer_list>
#include <string>

using namespace pdpp::http;

namespace {

Request accepting(std::initializer_list<std::string_view> lines) {
    Request request{verb::get, "/_ref/runs/run_1", 11};
    for (const auto line : lines) {
        request.insert(field::accept, line);
    }
    return request;
}

Request asking(verb method, std::string_view target, std::string_view body = {}) {
    Request request{method, target, 11};
    request.set(field::accept, "text/html");
    request.body() = body;
    return request;
}

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// All that somebody could write somewhere.
constexpr std::string_view hostile = "<script>alert(1)</script>\"'>&{{X}}\x1b[31mred\xe2\x80\xae"
                                     "evil";

std::string status_body(std::string_view status, std::string_view more) {
    return R"({"links": {"timeline": "/_ref/runs/run_1/timeline"}, "object": "run_status", "run_id": "run_1", "status": ")" +
           std::string{status} + R"(", "trace_id": "trc", "retry_of": null, "retried_by": null, )" + std::string{more} +
           R"(, "connector_id": "gmail", "connector_instance_id": "gmail-anna"})";
}

std::string event(int seq, std::string_view type, std::string_view at, std::string_view data) {
    return R"({"data": )" + std::string{data} + R"(, "event_seq": )" + std::to_string(seq) + R"(, "event_type": ")" +
           std::string{type} + R"(", "occurred_at": ")" + std::string{at} + R"("})";
}

std::string run_page(const std::string& status, const std::string& events) {
    Page page("run");
    RunPageParts parts;
    parts.status = status;
    parts.newest = read_events(R"({"data": [)" + events + R"(], "truncated": false, "next_cursor": null})");
    fill_run_page(page, {}, parts, millis_of("2026-01-31T08:10:00.000Z").value(), Room{});
    return page.text();
}

constexpr std::string_view times =
    R"("admitted_at": "2026-01-31T08:09:10.000Z", "started_at": "2026-01-31T08:09:10.500Z", "completed_at": null, )"
    R"("cancel_requested_at": null, "deadline_at": null, "terminal_reason": null, "failure": null)";

} // namespace

BOOST_AUTO_TEST_SUITE(http_pages)

BOOST_AUTO_TEST_CASE(a_page_is_for_who_asks_for_one) {
    for (const auto& request :
         {accepting({"text/html"}), accepting({"TEXT/HTML"}), accepting({"text/html;q=0.1"}),
          accepting({"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}),
          accepting({"image/png", "text/html"}), accepting({"application/json;q=0.5, text/html"})}) {
        BOOST_TEST(wants_page(request), request[field::accept]);
    }
}

BOOST_AUTO_TEST_CASE(everybody_else_gets_what_he_gets) {
    for (const auto& request :
         {accepting({}), accepting({""}), accepting({"*/*"}), accepting({"text/*"}), accepting({"application/json"}),
          accepting({"text/event-stream"}), accepting({"application/x-ndjson"}),
          accepting({"application/json, text/html"}), accepting({"text/html;q=0.5, application/json"}),
          accepting({"text/html;q=0"}), accepting({"text/html;q=0, */*"}), accepting({"text/htmlx"}),
          accepting({"xtext/html"}), accepting({"text/event-stream, text/html;q=0.9"}), accepting({"/html"}),
          accepting({"text/"})}) {
        BOOST_TEST(!wants_page(request), request[field::accept]);
    }
}

BOOST_AUTO_TEST_CASE(a_post_is_for_a_page_if_it_is_a_form) {
    auto request = asking(verb::post, "/_ref/runs/run_1/cancel");
    BOOST_TEST(!wants_page(request));
    request.set(field::content_type, "application/json");
    BOOST_TEST(!wants_page(request));
    request.set(field::content_type, "application/x-www-form-urlencoded");
    BOOST_TEST(wants_page(request));
}

BOOST_AUTO_TEST_CASE(a_link_says_by_its_address_what_accept_cannot) {
    auto request = asking(verb::get, "/_ref/runs/a%2Fb/timeline?limit=1&as=ndjson&cursor=x");
    const auto lines = as_asked(request);
    BOOST_TEST_REQUIRE(lines.has_value());
    BOOST_TEST(lines->target() == "/_ref/runs/a%2Fb/timeline?limit=1&cursor=x");
    BOOST_TEST((*lines)[field::accept] == "application/x-ndjson");
    BOOST_TEST(as_asked(asking(verb::get, "/_ref/runs/a?as=json"))->target() == "/_ref/runs/a");
    for (const std::string_view target : {"/_ref/runs/a", "/_ref/runs/a?as=xml", "/_ref/runs?connector_id=as=json"}) {
        BOOST_TEST(!as_asked(asking(verb::get, target)).has_value(), target);
    }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_seen_is_made_visible) {
    BOOST_TEST(visible("a\r\nb\nc") == "a\nb\nc");
    BOOST_TEST(visible("\x1b[0m\xe2\x80\xae\x01") == "\\x1b[0m\\u202e\\x01");
    BOOST_TEST(visible("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d") == "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d");
    BOOST_TEST(visible("") == "");
}

BOOST_AUTO_TEST_CASE(hostile_text_shows_as_text_wherever_it_stands) {
    std::string quoted;
    for (const char c : hostile) {
        quoted += c == '"' ? std::string{"\\\""} : c == '\x1b' ? std::string{"\\u001b"} : std::string(1, c);
    }
    const auto ended =
        R"("admitted_at": "2026-01-31T08:09:10.000Z", "started_at": "2026-01-31T08:09:10.500Z", )"
        R"("completed_at": "2026-01-31T08:09:22.900Z", "cancel_requested_at": null, "deadline_at": null, )"
        R"("terminal_reason": "x", "failure": {"reason": ")" +
        quoted + R"(", "message": ")" + quoted + R"(", "origin": ")" + quoted +
        R"(", "connector_error_message": "other )" + quoted + R"("})";
    const auto text =
        run_page(status_body("failed", ended),
                 event(2, quoted, "2026-01-31T08:09:10.500Z",
                       R"({"stream": ")" + quoted + R"(", "count": 1, "total": 2, "message": ")" + quoted + R"("})") +
                     "," +
                     event(1, "run.progress_reported", "2026-01-31T08:09:10.000Z",
                           R"({"stream": ")" + quoted + R"(", "count": 1, "total": 2})"));
    BOOST_TEST(!has(text, "<script>a"));
    BOOST_TEST(!has(text, "\x1b"));
    BOOST_TEST(!has(text, "\xe2\x80\xae"));
    BOOST_TEST(!has(text, "\"'>&"));
    BOOST_TEST(has(text, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&amp;{{X}}\\x1b[31mred\\u202eevil"));
    // nothing in any template is a script or a style of its own
    BOOST_TEST(!has(text, " style="));
    BOOST_TEST(!has(text, " onclick"));
    BOOST_TEST(!has(text, "<style"));
}

BOOST_AUTO_TEST_CASE(a_run_that_goes_on) {
    const auto text =
        run_page(status_body("active", times),
                 event(3, "run.progress_reported", "2026-01-31T08:09:20.000Z",
                       R"({"stream": "inbox", "count": 20, "total": 40, "message": null})") +
                     "," + event(2, "run.started", "2026-01-31T08:09:10.500Z", R"({"controller_id": "ctl-1"})") + "," +
                     event(1, "run.admitted", "2026-01-31T08:09:10.000Z", "{}"));
    BOOST_TEST(has(text, "<title>● active · gmail-anna · run_1</title>"));
    BOOST_TEST(has(text, path_of_file("icon-active.svg")));
    BOOST_TEST(has(text, R"(<progress value="20" max="40")"));
    BOOST_TEST(has(text, "ctl-1"));
    BOOST_TEST(has(text, R"(action="/_ref/runs/run_1/cancel")"));
    BOOST_TEST(!has(text, "/retry\""));
    BOOST_TEST(has(text, R"(data-events="/_ref/runs/run_1/timeline?cursor=tl_)"));
    BOOST_TEST(has(text, R"(<time datetime="2026-01-31T08:09:10.500Z">2026-01-31 08:09:10.500 UTC</time>)"));
    BOOST_TEST(has(text, "Waited 500 ms for its launch, has run 49.5 s so far."));
}

BOOST_AUTO_TEST_CASE(a_run_that_waits_is_not_said_to_have_started) {
    const auto text =
        run_page(status_body("active", times), event(1, "run.admitted", "2026-01-31T08:09:10.000Z", "{}"));
    BOOST_TEST(has(text, "waiting for its launch"));
    BOOST_TEST(has(text, "not yet"));
    BOOST_TEST(!has(text, "2026-01-31 08:09:10.500 UTC"));
}

BOOST_AUTO_TEST_CASE(a_start_among_events_that_were_not_read_shows) {
    const auto status = status_body("active", times);
    RunPageParts parts;
    parts.status = status;
    parts.newest = read_events(R"({"data": [)" + event(300, "run.note", "2026-01-31T08:09:20.000Z", "{}") +
                               R"(], "truncated": true, "next_cursor": "tl_00000000000000000000000000000000"})");
    parts.start = read_events(R"({"data": [)" + event(2, "run.started", "2026-01-31T08:09:10.500Z", "{}") + "]}");
    Page page("run");
    fill_run_page(page, {}, parts, millis_of("2026-01-31T08:10:00.000Z").value(), Room{});
    BOOST_TEST(has(page.text(), "has run 49.5 s so far."));
}

BOOST_AUTO_TEST_CASE(large_data_is_fetched_when_it_is_unfolded) {
    const auto text = run_page(
        status_body("active", times),
        event(2, "run.note", "2026-01-31T08:09:11.000Z", R"({"x": ")" + std::string(5000, 'y') + R"("})") + "," +
            event(1, "run.admitted", "2026-01-31T08:09:10.000Z", R"({"big": 123456789012345678901234567890.10})"));
    BOOST_TEST(has(text, "/_ref/runs/run_1/timeline?limit=1&amp;cursor=tl_"));
    BOOST_TEST(!has(text, std::string(1000, 'y')));
    BOOST_TEST(has(text, "{&quot;big&quot;: 123456789012345678901234567890.10}"));
}

BOOST_AUTO_TEST_CASE(life_is_drawn_to_scale) {
    std::vector<ShownEvent> events(2);
    events[0] = {
        .seq = 4, .type = "run.late_outcome", .occurred_at = {}, .millis = 2000, .data_text = "{}", .data = {}};
    events[1] = {.seq = 2, .type = "run.started", .occurred_at = {}, .millis = 1250, .data_text = "{}", .data = {}};
    const auto life = draw_life({.admitted = 1000, .started = 1250, .ended = 1500, .now = 99999}, "failed",
                                std::vector<const ShownEvent*>{&events[0], &events[1]});
    BOOST_TEST_REQUIRE(life.parts.size() == 3U);
    BOOST_TEST(life.parts[0].x == 4);
    BOOST_TEST(life.parts[0].width == 248); // a quarter of 992
    BOOST_TEST(life.parts[1].width == 248);
    BOOST_TEST(life.parts[2].width == 496);
    BOOST_TEST(life.tick_path == "M252 48v10M996 48v10");
    BOOST_TEST(life.words == "Waited 250 ms for its launch, ran 250 ms, ended as failed; 1 late outcome afterwards.");
    BOOST_TEST(life.scale == "1.0 s");
    const auto cancelled = draw_life(
        {.admitted = 1000, .started = 1000, .ended = {}, .now = 2000, .cancel_requested = 1500}, "active", {});
    BOOST_TEST_REQUIRE(cancelled.signs.size() == 1U);
    BOOST_TEST(cancelled.signs[0].kind == "cancel");
    BOOST_TEST(cancelled.signs[0].x == 500);
    const auto waiting = draw_life({.admitted = 1000, .started = {}, .ended = {}, .now = 1000}, "active", {});
    BOOST_TEST(!waiting.until.has_value());
    BOOST_TEST(waiting.words == "Has waited 0 ms for its launch so far.");
}

BOOST_AUTO_TEST_CASE(times_and_numbers) {
    BOOST_TEST(time_of(millis_of("2024-02-29T23:59:59.999Z").value()) == "2024-02-29T23:59:59.999Z");
    for (const std::string_view none :
         {"", "2026-02-30T00:00:00.000Z", "2026-01-31T08:09:10Z", "2026-01-31 08:09:10.000Z"}) {
        BOOST_TEST(!millis_of(none).has_value(), none);
    }
    BOOST_TEST(duration(-5) == "0 ms");
    BOOST_TEST(duration(999) == "999 ms");
    BOOST_TEST(duration(12'449) == "12.4 s");
    BOOST_TEST(duration(192'000) == "3 min 12 s");
    BOOST_TEST(duration(7'500'000) == "2 h 5 min");
    BOOST_TEST(duration(273'600'000) == "3 d 4 h");
    BOOST_TEST(grouped(0) == "0");
    BOOST_TEST(grouped(1234567) == "1,234,567");
    BOOST_TEST(grouped(-1234) == "-1,234");
    BOOST_TEST(grouped("12345678901234567890.25") == "12,345,678,901,234,567,890.25");
    BOOST_TEST(grouped("-123") == "-123");
    BOOST_TEST(grouped("0.0001") == "0.0001");
}

BOOST_AUTO_TEST_CASE(errors_are_pages) {
    auto unknown = refusal(ErrorKind::no_such_path, "Run not found: run_x", "run_id");
    auto page = error_page(asking(verb::get, "/_ref/runs/run_x"), unknown, "req_1");
    BOOST_TEST(page.result_int() == 404U);
    BOOST_TEST(page[field::cache_control] == "no-store");
    BOOST_TEST(has(page.body(), "has never handed out this id"));
    BOOST_TEST(has(page.body(), "<code>not_found</code>"));
    BOOST_TEST(has(page.body(), "req_1"));

    page = error_page(asking(verb::get, "/_ref/runs/run_x"), refusal(ErrorKind::database_unavailable), "req_1");
    BOOST_TEST(page.result_int() == 503U);
    BOOST_TEST(page["Refresh"] == "3");
    BOOST_TEST(page[field::retry_after] == "1");
    BOOST_TEST(has(page.body(), "tries again"));

    page = error_page(asking(verb::post, "/_ref/connections/c/run", "idempotency_key=k1"), refusal(ErrorKind::in_doubt),
                      "req_1");
    BOOST_TEST(page.count("Refresh") == 0U);
    BOOST_TEST(has(page.body(), R"(name="idempotency_key" value="k1")"));

    page = error_page(asking(verb::get, "/_ref/runs/a%2Fb?order=oldest"), refusal(ErrorKind::owner_session_required),
                      "req_1");
    BOOST_TEST(page.result_int() == 303U);
    BOOST_TEST(page[field::location] == "/owner/login?return_to=%2F_ref%2Fruns%2Fa%252Fb%3Forder%3Doldest");
    page = error_page(asking(verb::post, "/_ref/runs/a/cancel"), refusal(ErrorKind::owner_session_required), "req_1");
    BOOST_TEST(page[field::location] == "/owner/login?return_to=%2F_ref%2Fruns%2Fa");
    page =
        error_page(asking(verb::post, "/_ref/connections/c/run"), refusal(ErrorKind::owner_session_required), "req_1");
    BOOST_TEST(page[field::location] == "/owner/login?return_to=%2F_ref%2Fruns");
}

BOOST_AUTO_TEST_CASE(files_are_good_for_ever_under_their_names) {
    auto request = asking(verb::get, "/");
    const auto path = path_of_file("page.js");
    const auto plain = answer_with_file(request, path);
    BOOST_TEST(plain[field::cache_control] == "public, max-age=31536000, immutable");
    BOOST_TEST(plain[field::content_type] == "text/javascript; charset=utf-8");
    BOOST_TEST(plain.count(field::content_encoding) == 0U);
    request.set(field::accept_encoding, "br, gzip;q=0.8");
    const auto packed = answer_with_file(request, path);
    BOOST_TEST(packed[field::content_encoding] == "gzip");
    BOOST_TEST(packed.body().size() < plain.body().size());
    BOOST_TEST(packed.body().starts_with("\x1f\x8b"));
    request.set(field::accept_encoding, "gzip;q=0, br");
    BOOST_TEST(answer_with_file(request, path).count(field::content_encoding) == 0U);
    BOOST_TEST((refusal_of([&] { answer_with_file(request, "/assets/page.0000000000000000.js"); })->code ==
                status::not_found));
}

BOOST_AUTO_TEST_SUITE_END()
