#include "cli/timeline.hpp"

#include "pq/reads.hpp"
#include "pq/run_watch.hpp"

#include <boost/asio/this_coro.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

std::vector<pq::Argument> arguments_of(const TimelineOptions& options, const std::optional<std::string>& cursor) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", options.run_id});
    if (options.limit) {
        arguments.push_back({"page_size", "integer", std::to_string(*options.limit)});
    }
    arguments.push_back({"cursor", "text", cursor});
    return arguments;
}

asio::awaitable<int> list_events(Session session, TimelineOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reads reads(executor, std::move(session.database));
    const bool every_page = options.all || (!session.json && !options.limit);
    auto cursor = options.cursor;
    for (;;) {
        const auto page = co_await reads.read("pdpp_run_timeline", arguments_of(options, cursor), is_ended_timeline);
        if (is_error_envelope(page)) {
            throw failure_of_envelope(page);
        }
        print(session.json ? page + "\n" : timeline_text(page));
        const auto said = timeline_page(page);
        if (!said.is_truncated) {
            co_return exit_code::success;
        }
        cursor = said.next_cursor;
        if (!every_page) {
            if (!session.json) {
                print("more: pdpp timeline --cursor " + *cursor + "\n");
            }
            co_return exit_code::success;
        }
    }
}

/// Prints events as they are committed, to the end of the run. The cursor moves on only with what was printed, so a
/// lost connection neither skips nor repeats anything.
asio::awaitable<int> follow_events(Session session, TimelineOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    pq::RunWatch run(executor, std::move(session.database), options.run_id);
    auto cursor = options.cursor;
    for (;;) {
        const auto page = co_await run.read("pdpp_run_timeline", arguments_of(options, cursor), is_ended_timeline);
        if (is_error_envelope(page)) {
            throw failure_of_envelope(page);
        }
        const auto said = timeline_page(page);
        if (!said.is_empty) {
            print(session.json ? page + "\n" : timeline_text(page));
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

asio::awaitable<int> show_timeline(Session session, TimelineOptions options) {
    return (options.follow ? follow_events : list_events)(std::move(session), std::move(options));
}

} // namespace pdpp::cli
