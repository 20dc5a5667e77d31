#include "pq/reopening.hpp"

#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

Reopening::Reopening(const asio::any_io_executor& executor, std::string conninfo)
    : conninfo_(std::move(conninfo)), connection_(executor) {}

asio::awaitable<std::string> Reopening::call(std::string_view function, std::vector<Argument> arguments,
                                             std::chrono::milliseconds timeout, Effect effect) {
    if (!connection_.usable())
        co_await connection_.open(conninfo_, timeout);
    auto body = co_await connection_.call(function, std::move(arguments), timeout, effect);
    if (!body)
        throw Error(ErrorKind::misused, std::string{function} + " answered null");
    co_return std::move(*body);
}

} // namespace pdpp::pq
