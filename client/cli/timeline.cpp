#include "cli/timeline.hpp"

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

struct TimelineOptions {
    std::string run_id;
    std::optional<int> limit;
    std::optional<std::string> cursor;
    bool all = false;
    bool follow = false;
};

std::vector<pq::Argument> arguments_of(const TimelineOptions& options, const std::optional<std::string>& cursor) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", options.run_id});
    if (options.limit) {
        arguments.push_back({"page_size", "integer", std::to_string(*options.limit)});
    }
    arguments.push_back({"cursor", "text", cursor});
    return arguments;
}

asio::awaitable<int> show_timeline(std::string database, const TimelineOptions& options, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reads reads(executor, std::move(database));
    const bool every_page = options.all || (!json && !options.limit);
    auto cursor = options.cursor;
    for (;;) {
        const auto page = co_await reads.read("pdpp_run_timeline", arguments_of(options, cursor), is_ended_timeline);
        if (is_error_envelope(page)) {
            co_return report(failure_of_envelope(page), json);
        }
        print(json ? page + "\n" : timeline_text(page));
        const auto said = timeline_page(page);
        if (!said.is_truncated) {
            co_return exit_code::success;
        }
        cursor = said.next_cursor;
        if (!every_page) {
            if (!json) {
                print("more: pdpp timeline --cursor " + *cursor + "\n");
            }
            co_return exit_code::success;
        }
    }
}

/// Prints events as they are committed, to the end of the run. The cursor moves on only with what was printed, so a
/// lost connection neither skips nor repeats anything.
asio::awaitable<int> follow_timeline(std::string database, const TimelineOptions& options, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::RunWatch run(executor, std::move(database), options.run_id);
    auto cursor = options.cursor;
    for (;;) {
        const auto page = co_await run.read("pdpp_run_timeline", arguments_of(options, cursor), is_ended_timeline);
        if (is_error_envelope(page)) {
            co_return report(failure_of_envelope(page), json);
        }
        const auto said = timeline_page(page);
        if (!said.is_empty) {
            print(json ? page + "\n" : timeline_text(page));
        }
        if (said.next_cursor) {
            cursor = said.next_cursor;
        }
        if (said.is_truncated) {
            continue;
        }
        if (said.has_ended) {
            co_return exit_code::success;
        }
        co_await run.changed();
    }
}

} // namespace

void add_timeline_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("timeline", "Show everything that happened to a run, in order");
    const auto options = std::make_shared<TimelineOptions>();
    command->add_option("RUN", options->run_id, "the run's id")->required();
    command->add_option("--limit", options->limit, "events in a page (the server's default: 2000)")
        ->check(CLI::Range(1, 5000))
        ->option_text("N");
    command->add_option("--cursor", options->cursor, "go on where an earlier page ended (its next_cursor)")
        ->option_text("CURSOR");
    command->add_flag("--all", options->all, "every page, to the end");
    command->add_flag("--follow", options->follow, "print events as they are committed, until the run has ended")
        ->excludes("--all");
    command->footer(
        "On a terminal the whole timeline is printed, an event a line, unless --limit asks for one page.\n"
        "JSON output is one page: the body of pdpp_run_timeline() as PostgreSQL prints it; its truncated\n"
        "and next_cursor tell whether there is more. With --all it is one such body a line.\n"
        "With --follow each line of JSON is a page too, of what was new; a lost connection is made again, and\n"
        "nothing is skipped or repeated. A hot standby that is the only host, and cannot LISTEN, is asked once a "
        "second.\n"
        "Exits with 3 if no such run was ever handed out. A standby is believed about runs that have ended: with 4 if\n"
        "it knows of no ending, and there is no primary to ask.\n\n"
        "Examples:\n"
        "  pdpp timeline --follow run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b\n"
        "  pdpp timeline run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b\n"
        "  pdpp timeline --all run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b | jq '.data[].event_type'");
    command->callback([&app, &action, options] {
        action = [&app, options] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(options->follow ? follow_timeline(conninfo(app), *options, json)
                                              : show_timeline(conninfo(app), *options, json),
                              json);
        };
    });
}

} // namespace pdpp::cli
