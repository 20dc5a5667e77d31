// What several threads count, in one scrape.

#include <boost/test/unit_test.hpp>

#include "http/watch/metrics.hpp"

#include <array>
#include <atomic>
#include <string>
#include <thread>

using namespace pdpp::http;
using namespace std::chrono_literals;
using boost::beast::http::verb;

namespace {

bool has(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_metrics)

BOOST_AUTO_TEST_CASE(threads_are_added_up) {
    ProcessMetrics process(2);
    Metrics one;
    Metrics other;
    one.answered("/a", verb::get, 200, 1ms);
    one.answered("/a", verb::get, 200, 3s);
    other.answered("/a", verb::get, 200, 1ms);
    other.answered("/b", verb::post, 503, 1ms);
    one.set_pool(3, 2, 1);
    other.set_pool(4, 0, 0);
    const auto waiter = one.waiter();
    const auto stream = other.stream();
    const auto another = other.stream();
    process.ended("failed", "launch_failed", 7);
    const std::array<Metrics*, 2> threads{&one, &other};
    const auto text = metrics_text(process, threads);
    for (const auto* const line :
         {R"(pdpp_http_requests_total{method="GET",route="/a",status="200"} 3)",
          R"(pdpp_http_requests_total{method="POST",route="/b",status="503"} 1)",
          R"(pdpp_http_request_duration_seconds_count{route="/a"} 3)",
          R"(pdpp_http_request_duration_seconds_bucket{route="/a",le="0.001"} 2)",
          R"(pdpp_http_request_duration_seconds_bucket{route="/a",le="5"} 3)",
          R"(pdpp_http_request_duration_seconds_bucket{route="/a",le="+Inf"} 3)",
          R"(pdpp_pool_connections{state="open"} 7)", R"(pdpp_pool_connections{state="busy"} 2)",
          R"(pdpp_pool_waiting 1)", R"(pdpp_waiters 1)", R"(pdpp_streams 2)", R"(pdpp_threads 2)",
          R"(pdpp_run_endings_total{reason="launch_failed",status="failed"} 7)"}) {
        BOOST_TEST(has(text, line), line);
    }
    for (const auto* const name : {"# TYPE pdpp_http_requests_total ", "# TYPE pdpp_waiters ", "\npdpp_build_info{"}) {
        BOOST_TEST(text.find(name) == text.rfind(name), name); // once
    }
}

BOOST_AUTO_TEST_CASE(a_scrape_holds_up_nobody) {
    ProcessMetrics process(1);
    Metrics metrics;
    std::atomic<bool> done = false;
    constexpr int requests = 20'000;
    std::thread serves([&] {
        for (int i = 0; i < requests; ++i) {
            metrics.answered("/a", verb::get, 200 + i % 50, 1ms);
            const auto connection = metrics.connection();
        }
        done = true;
    });
    const std::array<Metrics*, 1> threads{&metrics};
    while (!done) {
        metrics_text(process, threads);
    }
    serves.join();
    const auto text = metrics_text(process, threads);
    BOOST_TEST(has(text, R"(pdpp_http_requests_total{method="GET",route="/a",status="200"} 400)"));
    BOOST_TEST(has(text, R"(pdpp_http_request_duration_seconds_count{route="/a"} 20000)"));
    BOOST_TEST(has(text, "pdpp_http_connections 0"));
}

BOOST_AUTO_TEST_SUITE_END()
