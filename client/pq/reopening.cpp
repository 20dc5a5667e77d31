#include "pq/reopening.hpp"

#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

Reopening::Reopening(const asio::any_io_executor& executor, std::string conninfo, std::string application_name)
    : conninfo_(std::move(conninfo)), application_name_(std::move(application_name)), connection_(executor) {}

asio::awaitable<std::string> Reopening::call(std::string_view function, std::vector<Argument> arguments,
                                             std::chrono::milliseconds timeout, Effect effect) {
    if (!connection_.usable() || connection_.is_read_only() || connection_.has_refused_writes()) {
        co_await connection_.open_primary(conninfo_, Effect::writes, timeout, application_name_);
    }
    co_return co_await connection_.body(function, std::move(arguments), timeout, effect);
}

} // namespace pdpp::pq
