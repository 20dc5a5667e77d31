#include "controller/recorder.hpp"

#include "pq/body.hpp"
#include "pq/error.hpp"
#include "pq/random.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace pdpp::controller {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

/// The server gives up first, and says so.
constexpr auto answer_timeout = call_timeout + 2s;
/// How long a settle is tried again. A database that restarts is back by then; one that is gone for longer finds the
/// launcher's session dead, and ends the run itself.
constexpr auto patience = 60s;

std::string text_of(const json::object& object, std::string_view key) {
    return json::value_to<std::string>(object.at(key));
}

pq::Error nothing_started(const pq::Error& error) {
    return {pq::ErrorKind::connection_lost, std::string("nothing was started: ") + error.what(), error.sqlstate()};
}

asio::awaitable<std::string> call_over(pq::Connection& connection, std::string_view function,
                                       std::vector<pq::Argument> arguments, pq::Effect effect = pq::Effect::writes) {
    auto answer = co_await connection.call(function, std::move(arguments), answer_timeout, effect);
    co_return std::move(answer).value_or("null");
}

AdmittedRun run_in(const json::object& claim) {
    return {.run_id = text_of(claim, "run_id"),
            .connector_id = text_of(claim, "connector_id"),
            .connector_instance_id = text_of(claim, "connector_instance_id"),
            .trace_id = text_of(claim, "trace_id"),
            .acknowledgement = {},
            .ended = std::nullopt};
}

} // namespace

Recorder::Recorder(asio::any_io_executor executor, const Boot& boot, std::size_t connections)
    : executor_(std::move(executor)), options_{.conninfo = boot.conninfo(),
                                               .size = connections,
                                               .wait_limit = connect_timeout,
                                               .statement_timeout = call_timeout,
                                               .prepare =
                                                   [&boot](pq::Connection& connection) {
                                                       return boot.join(connection);
                                                   }},
      pool_(executor_, options_) {}

void Recorder::renew() {
    pool_ = pq::Pool(executor_, options_);
}

asio::awaitable<std::string> Recorder::call(std::string_view function, std::vector<pq::Argument> arguments,
                                            pq::Effect effect) {
    auto connection = co_await pool_.acquire();
    co_return co_await call_over(*connection, function, std::move(arguments), effect);
}

asio::awaitable<std::string> Recorder::insist(std::string_view function, std::vector<pq::Argument> arguments) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor);
    const auto last_try = std::chrono::steady_clock::now() + patience;
    for (std::chrono::milliseconds pause = 100ms;; pause = std::min<std::chrono::milliseconds>(pause * 2, 2s)) {
        try {
            co_return co_await call(function, arguments);
        } catch (const pq::Error& error) {
            if (!pq::is_passing(error) || std::chrono::steady_clock::now() >= last_try) {
                throw;
            }
        }
        timer.expires_after(pause);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> Recorder::offer(std::string connections) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"connections", "jsonb", std::move(connections)});
    co_await call("pdpp_controller_offer", std::move(arguments));
}

asio::awaitable<std::optional<AdmittedRun>> Recorder::claim() {
    std::vector<pq::Argument> none;
    const auto answer = co_await call("pdpp_run_claim", std::move(none));
    const auto claimed = pq::parse_body(answer);
    if (!claimed.is_object()) {
        co_return std::nullopt;
    }
    co_return run_in(claimed.get_object());
}

asio::awaitable<std::string> Recorder::status(std::string run_id) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    co_return co_await call("pdpp_run_status", std::move(arguments), pq::Effect::reads);
}

asio::awaitable<AdmittedRun> Recorder::admit(std::string connector_id,
                                             std::optional<std::string> connector_instance_id) {
    std::optional<pq::Pool::Lease> connection;
    auto lease = co_await pool_.acquire();
    connection.emplace(std::move(lease));
    std::exception_ptr refusal;
    std::optional<AdmittedRun> run;
    try {
        run = co_await propose(**connection, std::move(connector_id), std::move(connector_instance_id));
    } catch (const pq::Error& error) {
        // A transaction that was not asked to commit did not.
        if (error.kind() != pq::ErrorKind::refused) {
            throw nothing_started(error);
        }
        refusal = std::current_exception();
    }
    if (refusal) {
        co_await (*connection)->query("ROLLBACK");
        std::rethrow_exception(refusal);
    }

    std::optional<pq::Error> doubt;
    try {
        co_await (*connection)->query("COMMIT", {}, answer_timeout);
    } catch (const pq::Error& error) {
        if (error.kind() == pq::ErrorKind::refused) {
            throw;
        }
        if (error.kind() == pq::ErrorKind::connection_lost) {
            throw nothing_started(error);
        }
        doubt = error;
    }
    connection.reset();
    if (doubt) {
        run->ended = co_await look_up_lost_commit(run->run_id);
        if (!run->ended) {
            throw nothing_started(*doubt);
        }
    }
    co_return std::move(*run);
}

/// Everything of an admission but its COMMIT.
asio::awaitable<AdmittedRun> Recorder::propose(pq::Connection& connection, std::string connector_id,
                                               std::optional<std::string> connector_instance_id) {
    co_await connection.query("BEGIN");
    std::vector<pq::Argument> admission;
    admission.push_back({"connector_id", "text", std::move(connector_id)});
    admission.push_back({"connector_instance_id", "text", std::move(connector_instance_id)});
    auto acknowledgement = co_await call_over(connection, "pdpp_run_now", std::move(admission));
    const auto run_id = text_of(pq::parse_body(acknowledgement).as_object(), "run_id");

    std::vector<pq::Argument> claim;
    claim.push_back({"run_id", "text", run_id});
    const auto answer = co_await call_over(connection, "pdpp_run_claim", std::move(claim));
    const auto claimed = pq::parse_body(answer);
    if (!claimed.is_object()) {
        throw pq::Error(pq::ErrorKind::refused, "the new run could not be claimed");
    }
    auto run = run_in(claimed.get_object());
    run.acknowledgement = std::move(acknowledgement);
    co_return run;
}

/// Whether the COMMIT whose answer was lost took place. If so the run is ended here and now. Nobody has seen the handle
/// yet, so should the server still be busy with that COMMIT, the guard ends a run that nobody knows.
asio::awaitable<std::optional<std::string>> Recorder::look_up_lost_commit(std::string run_id) {
    try {
        co_return co_await launch_failed(run_id, "the connection to the database was lost at the acknowledgement");
    } catch (const pq::Error& error) {
        if (const auto refusal = pq::typed_refusal(error); refusal && refusal->code == "not_found") {
            co_return std::nullopt;
        }
        throw pq::Error(pq::ErrorKind::in_doubt,
                        "the connection was lost at the acknowledgement of run " + run_id +
                            ", and it could not be learned whether it was admitted: " + error.what());
    }
}

asio::awaitable<void> Recorder::started(std::string run_id) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    arguments.push_back({"event_id", "text", "evt_" + pq::random_hex(16)});
    co_await insist("pdpp_run_started", std::move(arguments));
}

asio::awaitable<void> Recorder::progress(std::string run_id, Progress progress, std::string event_id) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    arguments.push_back({"event_type", "text", "run.progress_reported"});
    arguments.push_back({"data", "jsonb", json::serialize(progress_data(progress))});
    arguments.push_back({"event_id", "text", std::move(event_id)});
    co_await call("pdpp_run_event", std::move(arguments));
}

asio::awaitable<std::string> Recorder::settle(std::string run_id, Ending ending) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    arguments.push_back({"outcome", "text", std::move(ending.outcome)});
    arguments.push_back({"data", "jsonb", json::serialize(ending.data)});
    arguments.push_back({"event_id", "text", "evt_" + pq::random_hex(16)});
    co_return co_await insist("pdpp_run_settle", std::move(arguments));
}

asio::awaitable<std::string> Recorder::launch_failed(std::string run_id, std::string message) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    arguments.push_back({"message", "text", std::move(message)});
    co_return co_await insist("pdpp_run_launch_failed", std::move(arguments));
}

} // namespace pdpp::controller
