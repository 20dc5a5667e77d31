#include "cli/runs.hpp"

#include "pq/run_watch.hpp"

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

Filters filters_of(const RunsOptions& options) {
    Filters filters;
    filters.add("status", "text", options.status);
    filters.add("connector_id", "text", options.connector_id);
    filters.add("connector_instance_id", "text", options.connector_instance_id);
    filters.add("retry_of", "text", options.retry_of);
    filters.add("since", "timestamptz", options.since);
    filters.add("until", "timestamptz", options.until);
    return filters;
}

/// Shows the first page again whenever it has changed, for ever.
asio::awaitable<int> watch_runs(Session session, RunsOptions options) {
    constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";
    const auto executor = co_await asio::this_coro::executor;
    pq::RunWatch runs(executor, std::move(session.database));
    std::string shown;
    for (;;) {
        auto page = co_await runs.read("pdpp_run_list", filters_of(options).with(options.list));
        if (page != shown) {
            print(session.json ? page + "\n" : std::string(clear_screen) + runs_text(page, true));
            shown = std::move(page);
        }
        co_await runs.changed();
    }
}

} // namespace

asio::awaitable<int> show_runs(Session session, RunsOptions options) {
    if (options.watch) {
        return watch_runs(std::move(session), std::move(options));
    }
    return print_list(std::move(session), "pdpp_run_list", filters_of(options), std::move(options.list), runs_text);
}

} // namespace pdpp::cli
