#include "http/upstream/links.hpp"

#include "http/wire/errors.hpp"
#include "log/log.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

namespace {

/// Shorter than the time after which servers close (5 s of Node.js is the shortest that is usual).
constexpr std::chrono::milliseconds idle_time = std::chrono::seconds(4);
constexpr std::size_t most_idle = 32;

} // namespace

Links::Links(const asio::any_io_executor& executor, UpstreamAddress address, std::chrono::milliseconds patience)
    : executor_(executor), address_(std::move(address)), patience_(patience),
      lookup_(executor, address_.host, address_.port) {
    if (address_.is_tls) {
        tls_.emplace(ssl::context::tls_client);
        tls_->set_default_verify_paths();
    }
}

std::shared_ptr<Link> Links::idle() {
    while (!idle_.empty()) {
        auto link = std::move(idle_.back()); // the last one is the least likely to have been closed
        idle_.pop_back();
        if (link->is_quiet()) {
            return link;
        }
    }
    return nullptr;
}

asio::awaitable<std::pair<std::shared_ptr<Link>, Link::Failure>> Links::connect() {
    using Connected = std::pair<std::shared_ptr<Link>, Link::Failure>;
    const auto latest = std::chrono::steady_clock::now() + patience_;
    const auto found = co_await lookup_.answer(latest);
    if (found.failure) {
        co_return Connected{nullptr, found.failure};
    }
    auto link = std::make_shared<Link>(executor_, tls_ ? &*tls_ : nullptr);
    link->give_until(latest);
    const auto failure = co_await link->open(found.endpoints, address_.host);
    if (link->is_late()) {
        co_return Connected{nullptr, asio::error::timed_out};
    }
    if (failure) {
        co_return Connected{nullptr, failure};
    }
    link->give_forever();
    co_return Connected{link, {}};
}

asio::awaitable<std::shared_ptr<Link>> Links::open(std::string_view request_id) {
    auto [link, failure] = co_await connect();
    if (failure) {
        const bool is_late = failure == asio::error::timed_out;
        log::write(log::Level::warning, {{"request_id", request_id}}, "upstream: {}",
                   is_late ? "no connection in time" : failure.message());
        throw refusal(is_late ? ErrorKind::upstream_timeout : ErrorKind::upstream_unavailable);
    }
    co_return std::move(link);
}

void Links::give_back(std::shared_ptr<Link> link) {
    std::erase_if(idle_, [](const auto& other) { return !other->is_quiet(); });
    if (idle_.size() < most_idle) {
        link->give(idle_time);
        idle_.push_back(std::move(link));
    }
}

} // namespace pdpp::http
