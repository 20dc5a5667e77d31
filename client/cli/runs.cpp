#include "cli/runs.hpp"

#include "pq/reads.hpp"
#include "pq/run_watch.hpp"

#include <boost/asio/this_coro.hpp>

#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

struct RunsOptions {
    std::optional<std::string> status;
    std::optional<std::string> connector_id;
    std::optional<std::string> connector_instance_id;
    std::optional<std::string> since;
    std::optional<std::string> until;
    std::optional<int> limit;
    std::optional<std::string> cursor;
    bool all = false;
    bool watch = false;
};

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
    add("since", "timestamptz", options.since);
    add("until", "timestamptz", options.until);
    add("cursor", "text", cursor);
    if (options.limit) {
        arguments.push_back({"page_size", "integer", std::to_string(*options.limit)});
    }
    return arguments;
}

asio::awaitable<int> show_runs(std::string database, const RunsOptions& options, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reads reads(executor, std::move(database));
    auto cursor = options.cursor;
    for (bool is_first = true;; is_first = false) {
        const auto page = co_await reads.read("pdpp_run_list", arguments_of(options, cursor), {});
        print(json ? page + "\n" : runs_text(page, is_first));
        cursor = next_page(page);
        if (cursor && options.all) {
            continue;
        }
        if (cursor && !json) {
            print("more: --all, or --cursor " + *cursor + "\n");
        }
        co_return exit_code::success;
    }
}

/// Shows the first page again whenever it has changed, for ever.
asio::awaitable<int> watch_runs(std::string database, const RunsOptions& options, bool json) {
    constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";
    const auto executor = co_await asio::this_coro::executor;
    pq::RunWatch runs(executor, std::move(database));
    std::string shown;
    for (;;) {
        auto page = co_await runs.read("pdpp_run_list", arguments_of(options, std::nullopt));
        if (page != shown) {
            print(json ? page + "\n" : std::string(clear_screen) + runs_text(page, true));
            shown = std::move(page);
        }
        co_await runs.changed();
    }
}

} // namespace

void add_runs_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("runs", "List runs, newest admission first");
    const auto options = std::make_shared<RunsOptions>();
    command->add_option("--status", options->status, "only these")
        ->check(CLI::IsMember({"active", "completed", "failed", "cancelled", "abandoned"}));
    command->add_option("--connector", options->connector_id, "of this connector")->option_text("ID");
    command->add_option("--connection", options->connector_instance_id, "of this connection")->option_text("ID");
    command->add_option("--since", options->since, "admitted then or later")->option_text("TIME");
    command->add_option("--until", options->until, "admitted before")->option_text("TIME");
    command->add_option("--limit", options->limit, "runs in a page (default: 50)")
        ->check(CLI::Range(1, 500))
        ->option_text("N");
    auto* const cursor =
        command->add_option("--cursor", options->cursor, "go on where an earlier page ended (its next_cursor)")
            ->option_text("CURSOR");
    auto* const all = command->add_flag("--all", options->all, "every page, to the end");
    command->add_flag("--watch", options->watch, "show the first page, and again when it changes, until interrupted")
        ->excludes(all)
        ->excludes(cursor);
    command->footer(
        "On a terminal a run a line; `pdpp status RUN` tells more. JSON output is the body of pdpp_run_list() as\n"
        "PostgreSQL prints it: its data are run statuses, its next_cursor leads to the next page. With --all and\n"
        "--watch it is one such body a line.\n"
        "TIME is anything that PostgreSQL reads as one: 2026-11-22, '2026-11-22 09:00+01', yesterday.\n"
        "With --watch the database tells when to look again (LISTEN); a lost connection is made again.\n"
        "The primary is asked, never a standby: no page says that it is complete.\n\n"
        "Examples:\n"
        "  pdpp runs --status failed --since yesterday\n"
        "  pdpp runs --watch --status active\n"
        "  pdpp runs --connection gmail-anna --all | jq -r '.data[].run_id'");
    command->callback([&app, &action, options] {
        action = [&app, options] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(options->watch ? watch_runs(conninfo(app), *options, json)
                                             : show_runs(conninfo(app), *options, json),
                              json);
        };
    });
}

} // namespace pdpp::cli
