#include "cli/now.hpp"

#include "pq/body.hpp"
#include "pq/reopening.hpp"

#include <boost/asio/this_coro.hpp>

#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

struct NowOptions {
    std::optional<std::string> connector_instance_id;
    std::optional<std::string> connector_id;
    std::optional<std::string> run_id;
    std::optional<std::string> data;
    std::optional<std::string> idempotency_key;
};

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
    add("run_id", "text", options.run_id);
    add("data", "jsonb", options.data);
    add("idempotency_key", "text", options.idempotency_key);
    return arguments;
}

asio::awaitable<int> run_now(std::string database, const NowOptions& options, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reopening caller(executor, std::move(database));
    const pq::Patience patience;
    const auto body = co_await pq::admit(caller, function_for(options), arguments_of(options), patience);
    print(json ? body + "\n" : handle_text(body));
    co_return exit_code::success;
}

asio::awaitable<int> cancel(std::string database, std::string run_id, bool json) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reopening caller(executor, std::move(database));
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    const pq::Patience patience;
    const auto body = co_await pq::write_again_until_known(caller, "pdpp_run_cancel", std::move(arguments), patience);
    print(json ? body + "\n" : cancel_text(body));
    co_return exit_code::success;
}

/// For CLI11: what is wrong with --data, or nothing. The text itself goes to the database as it is.
std::string check_json(const std::string& text) {
    try {
        return pq::parse_body(text).is_object() ? std::string() : "must be a JSON object";
    } catch (const std::exception&) {
        return "is not JSON";
    }
}

} // namespace

void add_now_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("now", "Start a run of a connection, and print its handle");
    const auto options = std::make_shared<NowOptions>();
    command->add_option("CONNECTION", options->connector_instance_id, "the connection's id");
    command
        ->add_option("--connector", options->connector_id,
                     "the connector's id: alone, its only offered connection is run; with CONNECTION, that connection\n"
                     "is put on record with it")
        ->option_text("ID");
    command->add_option("--run-id", options->run_id, "the handle (default: a new one)")->option_text("ID");
    command->add_option("--data", options->data, "a JSON object that the run is given, stored with every digit")
        ->check(check_json)
        ->option_text("JSON");
    command
        ->add_option("--idempotency-key", options->idempotency_key,
                     "repeated with the same arguments, the answer is the same and no second run starts")
        ->option_text("KEY");
    command->footer(
        "On a terminal the first line is the handle; JSON output is the acknowledgement of the database. The run is\n"
        "launched by whichever controller offers the connection; if none does, it ends as launch_failed by itself.\n"
        "A connection that has a run in flight is refused (exit code 5), and the error names the active run.\n"
        "If the database is lost at COMMIT, it is asked again what became of it: the answer is the truth, or in_doubt\n"
        "(exit code 4), which names the handle to look for.\n\n"
        "Examples:\n"
        "  pdpp now gmail-anna\n"
        "  pdpp now --connector gmail --data '{\"since\": \"yesterday\"}'\n"
        "  pdpp wait \"$(pdpp now gmail-anna | jq -r .run_id)\"");
    command->callback([&app, &action, options] {
        if (!options->connector_instance_id && !options->connector_id) {
            throw CLI::RequiredError("CONNECTION or --connector");
        }
        action = [&app, options] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(run_now(conninfo(app), *options, json), json);
        };
    });
}

void add_cancel_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("cancel", "Ask a run to end");
    const auto run_id = std::make_shared<std::string>();
    command->add_option("RUN", *run_id, "the run's id")->required();
    command->footer(
        "Its controller stops it and says so; a run that nobody has started yet ends at once. Asking again does\n"
        "no harm. JSON output is the body of pdpp_run_cancel() as PostgreSQL prints it.\n"
        "Exits with 3 if no such run was ever handed out, with 5 if it has ended in another way.\n\n"
        "Example:\n"
        "  pdpp cancel run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b && pdpp wait run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b");
    command->callback([&app, &action, run_id] {
        action = [&app, run_id] {
            const bool json = wants_json(app, STDOUT_FILENO);
            return run_to_end(cancel(conninfo(app), *run_id, json), json);
        };
    });
}

} // namespace pdpp::cli
