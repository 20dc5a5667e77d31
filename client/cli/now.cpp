#include "cli/now.hpp"

#include "pq/body.hpp"
#include "pq/reopening.hpp"
#include "text/text.hpp"

#include <boost/asio/this_coro.hpp>

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// Which function admits, by what is named.
std::string_view function_for(const NowOptions& options) {
    if (!options.connector_id) {
        return "pdpp_connection_run_now";
    }
    return options.connector_instance_id ? "pdpp_run_now" : "pdpp_connector_run_now";
}

std::vector<pq::Argument> arguments_of(const NowOptions& options) {
    std::vector<pq::Argument> arguments;
    const auto add = [&](std::string_view name, std::string_view type, const std::optional<std::string>& value) {
        if (value) {
            arguments.push_back({name, type, value});
        }
    };
    add("connector_id", "text", options.connector_id);
    add("connector_instance_id", "text", options.connector_instance_id);
    add("retry_of", "text", options.retry_of);
    add("run_id", "text", options.run_id);
    add("data", "jsonb", options.data);
    add("idempotency_key", "text", options.idempotency_key);
    if (options.timeout_seconds) {
        add("timeout", "interval", fmt::format("{} seconds", *options.timeout_seconds));
    }
    return arguments;
}

/// A line for people, whose run nobody may launch: a name that was mistyped is admitted like any other, since whoever
/// offers it may come yet. Empty if somebody offers the connection, or this role may not see that.
asio::awaitable<std::string> note_if_unoffered(pq::Reopening& caller, std::string run_id) {
    try {
        std::vector<pq::Argument> run;
        run.push_back({"run_id", "text", std::move(run_id)});
        const auto status =
            co_await caller.call("pdpp_run_status", std::move(run), pq::default_timeout, pq::Effect::reads);
        auto connection = pq::string_in(status, "connector_instance_id");
        std::vector<pq::Argument> wanted;
        wanted.push_back({"connector_instance_id", "text", connection});
        wanted.push_back({"offered", "boolean", "false"});
        const auto list =
            co_await caller.call("pdpp_connection_list", std::move(wanted), pq::default_timeout, pq::Effect::reads);
        const auto page = pq::parse_body(list);
        if (page.at("data").as_array().empty()) {
            co_return "";
        }
        co_return fmt::format("note: no controller that lives offers the connection {}: unless one comes, the run ends "
                              "as launch_failed\n",
                              printable(connection));
    } catch (const pq::Error&) {
        co_return "";
    }
}

} // namespace

asio::awaitable<int> run_now(Session session, NowOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reopening caller(executor, session.database);
    const pq::Patience patience;
    const auto body = co_await pq::admit(caller, function_for(options), arguments_of(options), patience);
    print(session.json ? body + "\n" : handle_text(body, session.database));
    if (!session.json) {
        print(co_await note_if_unoffered(caller, pq::string_in(body, "run_id")));
    }
    co_return exit_code::success;
}

asio::awaitable<int> cancel(Session session, CancelOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reopening caller(executor, std::move(session.database));
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(options.run_id)});
    const pq::Patience patience;
    const auto body = co_await pq::write_again_until_known(caller, "pdpp_run_cancel", std::move(arguments), patience);
    print(session.json ? body + "\n" : cancel_text(body));
    co_return exit_code::success;
}

} // namespace pdpp::cli
