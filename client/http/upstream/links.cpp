#include "http/upstream/links.hpp"

#include "http/wire/errors.hpp"
#include "log/log.hpp"

#include <algorithm>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

namespace {

/// To connect, TLS included: a server that is there does so at once.
constexpr std::chrono::milliseconds connect_time = std::chrono::seconds(5);
/// Shorter than the time after which servers close (5 s of Node.js is the shortest that is usual).
constexpr std::chrono::milliseconds idle_time = std::chrono::seconds(4);
constexpr std::size_t most_idle = 32;

} // namespace

Links::Links(const asio::any_io_executor& executor, UpstreamAddress address)
    : executor_(executor), address_(std::move(address)) {
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

asio::awaitable<std::shared_ptr<Link>> Links::open(std::string_view request_id) {
    auto link = std::make_shared<Link>(executor_, tls_ ? &*tls_ : nullptr);
    link->give(connect_time);
    const auto failure = co_await link->open(address_);
    if (link->is_late()) {
        log::write(log::Level::warning, {{"request_id", request_id}}, "upstream: no connection in time");
        throw refusal(ErrorKind::upstream_timeout);
    }
    if (failure) {
        log::write(log::Level::warning, {{"request_id", request_id}}, "upstream: {}", failure.message());
        throw refusal(ErrorKind::upstream_unavailable);
    }
    link->give_forever();
    co_return link;
}

void Links::give_back(std::shared_ptr<Link> link) {
    std::erase_if(idle_, [](const auto& other) { return !other->is_quiet(); });
    if (idle_.size() < most_idle) {
        link->give(idle_time);
        idle_.push_back(std::move(link));
    }
}

} // namespace pdpp::http
