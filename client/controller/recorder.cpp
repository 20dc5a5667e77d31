#include "controller/recorder.hpp"

#include "log/log.hpp"
#include "pq/backoff.hpp"
#include "pq/body.hpp"
#include "pq/error.hpp"
#include "pq/random.hpp"
#include "text/text.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
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
/// A lock is waited for no longer than this: what matters is repeated, and meanwhile others have the connection.
constexpr auto lock_timeout = 2s;
constexpr std::size_t repeating_connections = 2;
/// The most that pdpp_run_claim takes at a time.
constexpr std::size_t largest_claim = 1000;
/// How often the log says that something waits.
constexpr auto word_interval = 1min;
/// So often a refusal is taken for a passing one, whatever it says: somebody's trigger may have raised it.
constexpr int passing_refusals = 3;
/// How long it is tried to learn the fate of an admission that nobody was told of.
constexpr auto doubt_limit = 60s;

using Clock = std::chrono::steady_clock;

std::string text_of(const json::object& object, std::string_view key) {
    return json::value_to<std::string>(object.at(key));
}

pq::Argument span_of(std::chrono::milliseconds time) {
    return {"timeout", "interval", fmt::format("{} milliseconds", time.count())};
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

/// Whether less evidence may be taken where this is refused: a limit of the server's (54) may be one that the whole of
/// it exceeds, such as that of an index row.
bool may_be_about_evidence(const pq::Error& error) {
    return error.kind() == pq::ErrorKind::refused && (!pq::is_passing(error) || error.sqlstate().starts_with("54"));
}

bool is_refusal(const pq::Error& error, std::string_view code) {
    const auto refusal = pq::typed_refusal(error);
    return refusal && refusal->code == code;
}

} // namespace

/// What is repeated until it is answered.
struct Recorder::Report {
    AdmittedRun run;
    std::string_view function;
    std::vector<std::vector<pq::Argument>> versions; ///< the first that is taken counts
    bool is_ending = true;                           ///< and has no answer but that it stands, or that there is no run
    Clock::time_point until = Clock::time_point::max();

    /// Whether there is nothing to repeat.
    [[nodiscard]] bool is_answered_by(const pq::Error& error, int attempts) const {
        if (is_refusal(error, "not_found") || Clock::now() >= until) {
            return true;
        }
        return !is_ending && (is_refusal(error, "run_already_started") || is_refusal(error, "run_already_terminal") ||
                              (attempts >= passing_refusals && !pq::is_passing(error)));
    }
};

/// Shared with the coroutines that wait: they may outlive the recorder.
struct Recorder::Count {
    std::size_t endings = 0;
    Waiting changed;

    void add(int number) {
        endings += static_cast<std::size_t>(number);
        if (changed) {
            changed(endings);
        }
    }
};

/// Counts one that waits.
class Recorder::Wait {
  public:
    explicit Wait(std::shared_ptr<Count> count) : count_(std::move(count)) { count_->add(1); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { count_->add(-1); }

  private:
    std::shared_ptr<Count> count_;
};

Recorder::Recorder(asio::any_io_executor executor, const Boot& boot, std::size_t connections, Waiting waiting)
    : executor_(std::move(executor)), options_{.conninfo = boot.conninfo(),
                                               .size = connections,
                                               .wait_limit = connect_timeout,
                                               .statement_timeout = call_timeout,
                                               .prepare =
                                                   [&boot](pq::Connection& connection) {
                                                       return prepare(boot, connection);
                                                   }},
      repeating_options_(options_), pool_(executor_, options_), repeating_(executor_, options_),
      waiting_(std::make_shared<Count>()) {
    waiting_->changed = std::move(waiting);
    repeating_options_.size = std::min(connections, repeating_connections);
    repeating_ = pq::Pool(executor_, repeating_options_);
}

asio::awaitable<void> Recorder::prepare(const Boot& boot, pq::Connection& connection) {
    co_await boot.join(connection);
    co_await connection.query(fmt::format("SET lock_timeout = {}", std::chrono::milliseconds(lock_timeout).count()), {},
                              answer_timeout);
}

Recorder::~Recorder() {
    waiting_->changed = {};
}

void Recorder::renew() {
    claims_several_ = true;
    pool_ = pq::Pool(executor_, options_);
    repeating_ = pq::Pool(executor_, repeating_options_);
}

std::size_t Recorder::endings_waiting() const noexcept {
    return waiting_->endings;
}

asio::awaitable<std::string> Recorder::call(std::string_view function, std::vector<pq::Argument> arguments,
                                            pq::Effect effect) {
    auto connection = co_await pool_.acquire();
    co_return co_await call_over(*connection, function, std::move(arguments), effect);
}

/// One attempt. Evidence that is refused for what it is, or by somebody who keeps refusing, gives way to less.
asio::awaitable<std::string> Recorder::attempt(const Report& report, int attempts) {
    for (auto version = report.versions.begin();; ++version) {
        try {
            auto connection = co_await (attempts == 1 ? pool_ : repeating_).acquire();
            auto answer = co_await call_over(*connection, report.function, *version);
            if (version != report.versions.begin()) {
                log::write(log::Level::warning,
                           report.is_ending ? "ending recorded with less evidence" : "start recorded without a time",
                           {{"run_id", report.run.run_id}, {"trace_id", report.run.trace_id}});
            }
            co_return answer;
        } catch (const pq::Error& error) {
            const bool is_content = is_refusal(error, "event_too_large") || is_refusal(error, "invalid_request") ||
                                    error.sqlstate() == pq::sqlstate::undefined_function || // older than what is told
                                    (attempts >= passing_refusals && may_be_about_evidence(error));
            if (!is_content || version + 1 == report.versions.end()) {
                throw;
            }
        }
    }
}

asio::awaitable<std::string> Recorder::insist(Report report) {
    std::optional<Wait> wait;
    auto next_word = Clock::time_point::min();
    pq::Backoff backoff(100ms, 3s);
    for (int attempts = 1;; ++attempts) {
        std::string trouble;
        try {
            auto answer = co_await attempt(report, attempts);
            if (attempts > 1) {
                log::write(log::Level::info, report.is_ending ? "ending recorded at last" : "start recorded at last",
                           {{"run_id", report.run.run_id}, {"trace_id", report.run.trace_id}, {"attempts", attempts}});
            }
            co_return answer;
        } catch (const pq::Error& error) {
            if (report.is_answered_by(error, attempts)) {
                throw;
            }
            trouble = error.what();
        } catch (const std::exception& error) { // being cancelled among them, which ends the pause
            trouble = error.what();
        }
        if (report.is_ending && !wait) {
            wait.emplace(waiting_);
        }
        if (Clock::now() >= next_word) {
            next_word = Clock::now() + word_interval;
            log::write(log::Level::warning, report.is_ending ? "ending not recorded yet" : "start not recorded yet",
                       {{"run_id", report.run.run_id},
                        {"trace_id", report.run.trace_id},
                        {"attempts", attempts},
                        {"endings_waiting", waiting_->endings}},
                       log::because(trouble));
        }
        co_await backoff.pause();
    }
}

asio::awaitable<void> Recorder::offer(std::string connections) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"connections", "jsonb", std::move(connections)});
    co_await call("pdpp_controller_offer", std::move(arguments));
}

asio::awaitable<std::optional<std::chrono::milliseconds>> Recorder::launch_deadline() {
    auto connection = co_await pool_.acquire();
    const auto result =
        co_await connection->query("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'pdpp.launch_deadline'", {},
                                   answer_timeout, pq::Effect::reads);
    if (result.rows() == 0) {
        co_return std::nullopt;
    }
    co_return std::chrono::milliseconds(std::stoll(std::string(result.text(0, 0).value_or("0"))));
}

asio::awaitable<std::vector<AdmittedRun>> Recorder::claim(std::size_t most) {
    if (most > 1 && claims_several_) {
        try {
            co_return co_await claim_several(std::min(most, largest_claim));
        } catch (const pq::Error& error) {
            if (error.sqlstate() != pq::sqlstate::undefined_function &&
                error.sqlstate() != pq::sqlstate::insufficient_privilege) {
                throw;
            }
            claims_several_ = false;
        }
    }
    co_return co_await claim_one();
}

asio::awaitable<std::vector<AdmittedRun>> Recorder::claim_several(std::size_t most) {
    auto connection = co_await pool_.acquire();
    std::vector<pq::Argument> arguments;
    arguments.push_back({"max", "integer", std::to_string(most)});
    const auto claimed = co_await connection->rows("pdpp_run_claim", std::move(arguments), answer_timeout);
    std::vector<AdmittedRun> runs;
    for (int row = 0; row < claimed.rows(); ++row) {
        const auto body = pq::parse_body(std::string(claimed.text(row, 0).value_or("null")));
        runs.push_back(run_in(body.get_object()));
    }
    co_return runs;
}

asio::awaitable<std::vector<AdmittedRun>> Recorder::claim_one() {
    std::vector<pq::Argument> none;
    const auto answer = co_await call("pdpp_run_claim", std::move(none));
    const auto claimed = pq::parse_body(answer);
    std::vector<AdmittedRun> runs;
    if (claimed.is_object()) {
        runs.push_back(run_in(claimed.get_object()));
    }
    co_return runs;
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
        run->ended = co_await look_up_lost_commit(*run);
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
    co_await connection.query("SET LOCAL lock_timeout = 0"); // this is not repeated
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
asio::awaitable<std::optional<std::string>> Recorder::look_up_lost_commit(AdmittedRun run) {
    auto report = launch_failure(run, "the connection to the database was lost at the acknowledgement");
    report.until = Clock::now() + doubt_limit;
    try {
        co_return co_await insist(std::move(report));
    } catch (const pq::Error& error) {
        if (is_refusal(error, "not_found")) {
            co_return std::nullopt;
        }
        throw pq::Error(pq::ErrorKind::in_doubt,
                        "the connection was lost at the acknowledgement of run " + run.run_id +
                            ", and it could not be learned whether it was admitted: " + error.what());
    }
}

asio::awaitable<std::string> Recorder::started(AdmittedRun run, std::optional<std::chrono::milliseconds> timeout) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", run.run_id});
    arguments.push_back({"event_id", "text", "evt_" + pq::random_hex(16)});
    std::vector<std::vector<pq::Argument>> versions{arguments};
    if (timeout) {
        arguments.push_back(span_of(*timeout));
        versions.insert(versions.begin(), std::move(arguments));
    }
    Report report{
        .run = std::move(run), .function = "pdpp_run_started", .versions = std::move(versions), .is_ending = false};
    co_return co_await insist(std::move(report));
}

asio::awaitable<void> Recorder::extend(std::string run_id, std::chrono::milliseconds timeout) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    arguments.push_back(span_of(timeout));
    co_await call("pdpp_run_extend", std::move(arguments));
}

asio::awaitable<void> Recorder::progress(std::string run_id, Progress progress, std::string event_id) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    arguments.push_back({"event_type", "text", "run.progress_reported"});
    arguments.push_back({"data", "jsonb", json::serialize(progress_data(progress))});
    arguments.push_back({"event_id", "text", std::move(event_id)});
    co_await call("pdpp_run_event", std::move(arguments));
}

asio::awaitable<std::string> Recorder::settle(AdmittedRun run, Ending ending) {
    const auto event_id = "evt_" + pq::random_hex(16);
    std::vector<std::vector<pq::Argument>> versions;
    for (const auto& data : versions_of(ending.data)) {
        std::vector<pq::Argument> arguments;
        arguments.push_back({"run_id", "text", run.run_id});
        arguments.push_back({"outcome", "text", ending.outcome});
        arguments.push_back({"data", "jsonb", json::serialize(data)});
        arguments.push_back({"event_id", "text", event_id});
        versions.push_back(std::move(arguments));
    }
    Report report{.run = std::move(run), .function = "pdpp_run_settle", .versions = std::move(versions)};
    co_return co_await insist(std::move(report));
}

asio::awaitable<std::string> Recorder::launch_failed(AdmittedRun run, std::string message) {
    auto report = launch_failure(std::move(run), std::move(message));
    co_return co_await insist(std::move(report));
}

Recorder::Report Recorder::launch_failure(AdmittedRun run, std::string message) {
    constexpr std::size_t short_message = 100;
    auto shortened = storable(message, short_message);
    const std::array<pq::Parameter, 3> messages{std::move(message), std::move(shortened), std::nullopt};
    std::vector<std::vector<pq::Argument>> versions;
    for (const auto& said : messages) {
        std::vector<pq::Argument> arguments;
        arguments.push_back({"run_id", "text", run.run_id});
        arguments.push_back({"message", "text", said});
        versions.push_back(std::move(arguments));
    }
    return {.run = std::move(run), .function = "pdpp_run_launch_failed", .versions = std::move(versions)};
}

} // namespace pdpp::controller
