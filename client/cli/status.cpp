#include "cli/status.hpp"

#include "pq/reads.hpp"

#include <boost/asio/this_coro.hpp>

#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

asio::awaitable<int> show_status(Session session, StatusOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reads reads(executor, std::move(session.database));
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(options.run_id)});
    const auto body = co_await reads.read("pdpp_run_status", std::move(arguments), is_ended_status);
    if (is_error_envelope(body)) {
        throw failure_of_envelope(body);
    }
    print(session.json ? body + "\n" : status_text(body));
    co_return exit_code::success;
}

} // namespace pdpp::cli
