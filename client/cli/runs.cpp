#include "cli/runs.hpp"

#include "pq/reads.hpp"
#include "pq/run_watch.hpp"

#include <boost/asio/this_coro.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

std::vector<pq::Argument> arguments_of(const RunsOptions& options, const std::optional<std::string>& cursor) {
    std::vector<pq::Argument> arguments;
    const auto add = [&](std::string_view name, std::string_view type, const std::optional<std::string>& value) {
        if (value) {
            arguments.push_back({name, type, value});
        }
    };
    add("status", "text", options.status);
    add("connector_id", "text", options.connector_id);
    add("connector_instance_id", "text", options.connector_instance_id);
    add("retry_of", "text", options.retry_of);
    add("since", "timestamptz", options.since);
    add("until", "timestamptz", options.until);
    add("cursor", "text", cursor);
    if (options.limit) {
        arguments.push_back({"page_size", "integer", std::to_string(*options.limit)});
    }
    return arguments;
}

asio::awaitable<int> list_runs(Session session, RunsOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reads reads(executor, std::move(session.database));
    auto cursor = options.cursor;
    for (bool is_first = true;; is_first = false) {
        const auto page = co_await reads.read("pdpp_run_list", arguments_of(options, cursor), {});
        print(session.json ? page + "\n" : runs_text(page, is_first));
        cursor = next_page(page);
        if (cursor && options.all) {
            continue;
        }
        if (cursor && !session.json) {
            print("more: --all, or --cursor " + *cursor + "\n");
        }
        co_return exit_code::success;
    }
}

/// Shows the first page again whenever it has changed, for ever.
asio::awaitable<int> watch_runs(Session session, RunsOptions options) {
    constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";
    const auto executor = co_await asio::this_coro::executor;
    pq::RunWatch runs(executor, std::move(session.database));
    std::string shown;
    for (;;) {
        auto page = co_await runs.read("pdpp_run_list", arguments_of(options, std::nullopt));
        if (page != shown) {
            print(session.json ? page + "\n" : std::string(clear_screen) + runs_text(page, true));
            shown = std::move(page);
        }
        co_await runs.changed();
    }
}

} // namespace

asio::awaitable<int> show_runs(Session session, RunsOptions options) {
    return (options.watch ? watch_runs : list_runs)(std::move(session), std::move(options));
}

} // namespace pdpp::cli
