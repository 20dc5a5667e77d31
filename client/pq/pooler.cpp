#include "pq/pooler.hpp"

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

asio::awaitable<Pooling> pooling_of(Connection& session, std::string conninfo,
                                    std::chrono::milliseconds connect_timeout, std::chrono::milliseconds call_timeout) {
    if (!session.is_pooled()) {
        co_return Pooling::none;
    }
    bool is_shared = false;
    try {
        const auto executor = co_await asio::this_coro::executor;
        Connection other(executor);
        co_await other.open(std::move(conninfo), connect_timeout, {}, Extension::not_needed);
        const auto standing = co_await session.standing(call_timeout);
        is_shared = other.backend_pid() == session.backend_pid() || standing == Standing::not_ours;
    } catch (const Error&) {
        // a pool that has one session, which is ours
    }
    if (!is_shared) {
        const auto standing = co_await session.standing(call_timeout);
        is_shared = standing == Standing::not_ours;
    }
    co_return is_shared ? Pooling::shared : Pooling::session;
}

} // namespace pdpp::pq
