#include "cli/wait.hpp"

#include "pq/body.hpp"
#include "pq/first_of.hpp"
#include "pq/run_watch.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// Until the run has ended, or is unknown: `found` holds what the database said then.
asio::awaitable<void> watch(std::string database, std::string run_id, std::optional<std::string>& found) {
    const auto executor = co_await asio::this_coro::executor;
    pq::RunWatch run(executor, std::move(database), run_id);
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    for (;;) {
        auto body = co_await run.read("pdpp_run_status", arguments, is_ended_status);
        if (is_error_envelope(body) || is_terminal(pq::string_in(body, "status"))) {
            found = std::move(body);
            co_return;
        }
        co_await run.changed();
    }
}

asio::awaitable<void> until(asio::steady_timer& timer) {
    co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

asio::awaitable<int> wait_for_end(Session session, WaitOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer patience(executor, asio::steady_timer::time_point::max());
    if (options.timeout_seconds) {
        patience.expires_after(
            std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(*options.timeout_seconds)));
    }
    std::optional<std::string> found;
    co_await pq::first_of(watch(std::move(session.database), options.run_id, found), until(patience));
    if (!found) {
        throw Failure{exit_code::timed_out,
                      "wait_timed_out",
                      fmt::format("run {} has not ended within {} s", options.run_id, *options.timeout_seconds),
                      "It goes on: wait for it again, or ask for its end with: pdpp cancel",
                      {}};
    }
    if (is_error_envelope(*found)) {
        throw failure_of_envelope(*found);
    }
    print(session.json ? *found + "\n" : ending_text(*found));
    co_return pq::string_in(*found, "status") == "completed" ? exit_code::success : exit_code::other_ending;
}

} // namespace pdpp::cli
