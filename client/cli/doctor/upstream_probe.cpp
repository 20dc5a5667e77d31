#include "cli/doctor/upstream_probe.hpp"

#include "http/upstream/links.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <fmt/format.h>

#include <chrono>
#include <stdexcept>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr auto answer_patience = std::chrono::seconds(5);
constexpr std::size_t most_of_a_head = std::size_t{64} << 10U;

Finding wrong_upstream(std::string message, std::string hint) {
    return {Level::wrong, "upstream", std::move(message), std::move(hint)};
}

Finding not_reached(const std::string& url, http::Link::Failure failure) {
    if (failure.category() == asio::error::get_ssl_category()) {
        return wrong_upstream(
            fmt::format("what answers at {} is not proved to be that server: {}", url, failure.message()),
            "It needs a certificate of that name from somebody whom this system trusts (or SSL_CERT_FILE names).");
    }
    return wrong_upstream(
        fmt::format("{} cannot be reached: {}", url,
                    failure == asio::error::timed_out ? "no connection in time" : failure.message()),
        "Start that server, or correct the URL. Until then all but reads of known runs is 502 or 504.");
}

} // namespace

asio::awaitable<Finding> probe_upstream(std::string url) {
    http::UpstreamAddress address;
    try {
        address = http::parse_upstream(url);
    } catch (const std::invalid_argument& failure) {
        co_return wrong_upstream(fmt::format("--upstream: {}", failure.what()), "pdpp serve would not start with it.");
    }
    http::Links links(co_await asio::this_coro::executor, address);
    const auto [link, not_connected] = co_await links.connect();
    if (not_connected) {
        co_return not_reached(url, not_connected);
    }
    link->give(answer_patience);
    const auto request = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", address.authority);
    auto failure = co_await link->write(asio::buffer(request));
    beast::flat_buffer buffer(most_of_a_head);
    beast::http::response_parser<beast::http::empty_body> answer;
    answer.skip(true);
    while (!failure && !answer.is_header_done()) {
        const auto [lost, size] = co_await link->read_some(buffer.prepare(buffer.max_size() - buffer.size()));
        buffer.commit(size);
        failure = lost;
        if (!failure) {
            buffer.consume(answer.put(buffer.data(), failure));
        }
        if (failure == beast::http::error::need_more && buffer.size() < buffer.max_size()) {
            failure = {};
        }
    }
    if (link->is_late()) {
        co_return wrong_upstream(fmt::format("{} takes the connection, and says nothing", url),
                                 "Look into the log of that server: is it stuck?");
    }
    if (failure) {
        co_return wrong_upstream(fmt::format("what answers at {} speaks no HTTP: {}", url, failure.message()),
                                 "Is it the port of that server, and http:// or https:// as it has it?");
    }
    co_return Finding{Level::ok, "upstream",
                      fmt::format("{} answers ({}){}", url, answer.get().result_int(),
                                  address.is_tls ? ", with a good certificate" : ""),
                      ""};
}

} // namespace pdpp::cli
