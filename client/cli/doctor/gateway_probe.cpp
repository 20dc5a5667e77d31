#include "cli/doctor/gateway_probe.hpp"

#include "http/wire/listener.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <boost/system/system_error.hpp>

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr auto patience = std::chrono::seconds(5);

struct ProbeAnswer {
    unsigned status;
    std::string body;
};

/// Throws what Asio throws, and std::invalid_argument for no address.
asio::awaitable<ProbeAnswer> ask(std::string address, std::string path) {
    asio::io_context loop; // only to look a name up
    const auto endpoint = http::parse_endpoint(loop, address);
    beast::basic_stream<http::StreamProtocol> stream(co_await asio::this_coro::executor);
    stream.expires_after(patience);
    co_await stream.async_connect(endpoint, asio::use_awaitable);
    beast::http::request<beast::http::empty_body> request{beast::http::verb::get, path, 11};
    request.set(beast::http::field::host, "localhost");
    request.set(beast::http::field::connection, "close");
    co_await beast::http::async_write(stream, request, asio::use_awaitable);
    beast::flat_buffer buffer;
    beast::http::response<beast::http::string_body> response;
    co_await beast::http::async_read(stream, buffer, response, asio::use_awaitable);
    co_return ProbeAnswer{response.result_int(), std::move(response.body())};
}

/// The messages of the checks that fail in the body of /ready.
std::string failing_checks(const std::string& body) {
    std::string text;
    boost::system::error_code malformed;
    const auto report = boost::json::parse(body, malformed);
    const auto* const checks = malformed || !report.is_object() ? nullptr : report.as_object().if_contains("checks");
    if (checks == nullptr || !checks->is_object()) {
        return text;
    }
    for (const auto& [name, check] : checks->get_object()) {
        const auto* const ok = check.is_object() ? check.get_object().if_contains("ok") : nullptr;
        const auto* const message = check.is_object() ? check.get_object().if_contains("message") : nullptr;
        if (ok != nullptr && ok->is_bool() && !ok->get_bool()) {
            text += fmt::format("{}{}{}{}", text.empty() ? "" : "; ", std::string_view{name},
                                message == nullptr ? "" : ": ",
                                message != nullptr && message->is_string() ? std::string_view{message->get_string()}
                                                                           : std::string_view{});
        }
    }
    return text;
}

/// What a person wants to know of it, and not where in Asio's sources it was thrown.
std::string reason_of(const std::exception& failure) {
    const auto* const error = dynamic_cast<const boost::system::system_error*>(&failure);
    if (error == nullptr) {
        return failure.what();
    }
    return error->code() == beast::error::timeout ? "no answer in time" : error->code().message();
}

Finding no_answer(std::string check, const std::string& address, const std::exception& failure) {
    return {Level::wrong, std::move(check), fmt::format("nothing answers at {}: {}", address, reason_of(failure)),
            "Start the gateway (pdpp serve, or systemctl start pdpp-gateway) and look into its log."};
}

} // namespace

asio::awaitable<Findings> probe_gateway(std::string listen, std::string admin) {
    Findings findings;
    try {
        const auto answer = co_await ask(listen, "/");
        findings.push_back({Level::ok, "gateway", fmt::format("answers at {} ({})", listen, answer.status), ""});
    } catch (const std::exception& failure) {
        findings.push_back(no_answer("gateway", listen, failure));
    }
    if (admin.empty()) {
        co_return findings;
    }
    try {
        const auto answer = co_await ask(admin, "/ready");
        if (answer.status == 200) {
            findings.push_back({Level::ok, "ready", fmt::format("{} says that the gateway is ready", admin), ""});
        } else {
            findings.push_back(
                {Level::wrong, "ready",
                 fmt::format("{} says that the gateway is not ready: {}", admin, failing_checks(answer.body)),
                 "The gateway's log says more."});
        }
    } catch (const std::exception& failure) {
        findings.push_back(no_answer("ready", admin, failure));
    }
    co_return findings;
}

} // namespace pdpp::cli
