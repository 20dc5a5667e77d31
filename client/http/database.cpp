// Asking the database, and putting its failures in HTTP's words.

#include "http/database.hpp"

#include "http/metrics.hpp"
#include "http/status_body.hpp"
#include "pq/hosts.hpp"
#include "pq/write.hpp"
#include "run/link.hpp"

#include <boost/json/parse.hpp>

#include <fmt/format.h>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

namespace pdpp::http {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

Refusal unavailable() {
    return {.code = status::service_unavailable,
            .error_code = "database_unavailable",
            .message = "The database cannot be reached just now. Try again.",
            .headers = {{field::retry_after, "1"}}};
}

Refusal timed_out() {
    return {status::gateway_timeout, "timeout", "The database did not answer in time."};
}

Refusal internal_error() {
    return {status::internal_server_error, "internal_error", "Something went wrong here."};
}

/// Somebody else's transaction is open on what the call needs, and for how long is not known.
Refusal busy() {
    return {.code = status::service_unavailable,
            .error_code = "run_busy",
            .message = "Another transaction holds what this needs. Nothing was done. Try again.",
            .headers = {{field::retry_after, "1"}}};
}

/// Data exceptions come from the casts of a request's body alone: text that is no JSON, U+0000, a number beyond all
/// bounds. All else our functions check themselves.
bool is_unstorable(std::string_view sqlstate) {
    return sqlstate == "22P02" || sqlstate == "22P05" || sqlstate == "22003";
}

constexpr std::string_view query_canceled = "57014"; // the statement_timeout
constexpr std::string_view read_only = "25006";      // read_only_sql_transaction
constexpr std::string_view lock_not_available = "55P03";

Refusal for_sqlstate(std::string_view sqlstate) {
    if (sqlstate == query_canceled)
        return timed_out();
    if (sqlstate == lock_not_available)
        return busy();
    // Without a SQLSTATE it is the client library that refuses: a database without the extension.
    if (sqlstate.empty() || is_passing_trouble(sqlstate))
        return unavailable();
    if (is_unstorable(sqlstate))
        return invalid_request("data holds what PostgreSQL cannot store as JSON.", "data");
    return internal_error();
}

/// A write whose answer was lost, and could not be learned since.
Refusal in_doubt(const pq::WriteIds& ids) {
    Refusal refusal{.code = status::service_unavailable,
                    .error_code = "in_doubt",
                    .message = "The database was lost before it said whether this was done. ",
                    .headers = {{field::retry_after, "1"}}};
    if (ids.idempotency_key)
        refusal.message += "Send the same request with the same Idempotency-Key again: it is not done twice.";
    else if (ids.trace_id)
        refusal.message += "Ask for the run: its id resolves if it was admitted, and stays unknown if it was not.";
    else
        refusal.message += "Send the same request again: it is not done twice.";
    const auto add = [&](std::string_view key, const std::optional<std::string>& id) {
        if (id)
            refusal.extra[key] = *id;
    };
    add("run_id", ids.run_id);
    add("trace_id", ids.trace_id);
    add("idempotency_key", ids.idempotency_key);
    return refusal;
}

/// What a client does next with the refusal, where that has an address.
void add_location(Refusal& refusal) {
    const auto* const active = refusal.extra.if_contains("active_run_id");
    if (refusal.error_code == "run_already_active" && active != nullptr && active->is_string())
        refusal.headers.emplace_back(field::location, std::string{run::self_link(active->get_string()).view()});
}

bool is_our_trouble(const Refusal& refusal) {
    return refusal.code >= status::internal_server_error;
}

} // namespace

bool is_passing_trouble(std::string_view sqlstate) {
    constexpr std::string_view misconfigured = "53400"; // configuration_limit_exceeded
    constexpr std::string_view snapshot_too_old = "72000";
    // 08 the connection; 25006 the server is no primary now; 40 what was in the way of others, such as a read in the
    // way of a standby's replay; 53 insufficient resources; 54 limits, such as the length of the queue of notifications
    // or the age of the oldest transaction; 57P operator intervention; 58 the disk, or another part of the system
    constexpr std::array<std::string_view, 6> classes{"08", "40", "53", "54", "57P", "58"};
    return sqlstate != misconfigured &&
           (sqlstate == read_only || sqlstate == lock_not_available || sqlstate == snapshot_too_old ||
            std::ranges::any_of(classes, [&](std::string_view prefix) { return sqlstate.starts_with(prefix); }));
}

Refusal refusal_for(const pq::Error& error) {
    if (auto typed = pq::typed_refusal(error)) {
        Refusal refusal{static_cast<status>(typed->http_status), std::move(typed->code), error.what(),
                        std::move(typed->param), std::move(typed->extra)};
        add_location(refusal);
        return refusal;
    }
    if (const auto* const doubt = dynamic_cast<const pq::InDoubt*>(&error))
        return in_doubt(doubt->ids());
    switch (error.kind()) {
    case pq::ErrorKind::cannot_connect:
    case pq::ErrorKind::connection_lost:
    case pq::ErrorKind::in_doubt:
        return unavailable();
    case pq::ErrorKind::timeout:
        return timed_out();
    case pq::ErrorKind::refused:
        return for_sqlstate(error.sqlstate());
    case pq::ErrorKind::misused:
        break;
    }
    return internal_error();
}

bool is_unknown_run(const Refusal& refusal) {
    return refusal.error_code == "not_found" && refusal.param == "run_id";
}

std::optional<Refusal> refusal_in(std::string_view body) {
    if (!body.starts_with(R"({"error": {)"))
        return std::nullopt;
    auto envelope = json::parse(body);
    auto& error = envelope.at("error").as_object();
    error.erase("type"); // follows from the status
    Refusal refusal{.code = status::not_found,
                    .error_code = pq::take_string(error, "code"),
                    .message = pq::take_string(error, "message"),
                    .param = pq::take_string(error, "param")};
    refusal.extra = std::move(error);
    return refusal;
}

/// Calls over the pools, and a line in the log for each write whose answer is lost. A server that has become read-only
/// since it was connected is left for the one that took its place: it refuses writes, and its reads are the past.
class Database::PoolCaller : public pq::Caller {
  public:
    PoolCaller(Database& database, std::string_view request_id) : database_(database), request_id_(request_id) {}

    asio::awaitable<std::string> call(std::string_view function, std::vector<pq::Argument> arguments,
                                      std::chrono::milliseconds timeout, pq::Effect effect) override {
        if (effect == pq::Effect::reads)
            co_return co_await read(function, std::move(arguments), timeout);
        const auto turn = co_await database_.turn_to_write(arguments);
        for (;;) {
            auto connection = co_await database_.writes_.acquire();
            try {
                co_return co_await connection->body(function, arguments, timeout, pq::Effect::writes);
            } catch (const pq::Error& error) {
                if (error.kind() == pq::ErrorKind::in_doubt || error.kind() == pq::ErrorKind::timeout)
                    spdlog::warn("request_id={} function={} answer lost, finding out: {:?}", request_id_, function,
                                 error.what());
                if (error.sqlstate() != read_only || connection.is_new())
                    throw;
            }
            connection->close();
        }
    }

  private:
    asio::awaitable<std::string> read(std::string_view function, std::vector<pq::Argument> arguments,
                                      std::chrono::milliseconds timeout) {
        for (;;) {
            auto loan = co_await database_.lend();
            auto& connection = loan.connection;
            if (connection->is_standby())
                throw pq::no_primary();
            try {
                auto body = co_await connection->body(function, arguments, timeout, pq::Effect::reads);
                if (!connection.is_stale())
                    co_return body;
            } catch (const pq::Error& error) {
                if (error.sqlstate() != read_only || connection.is_new())
                    throw;
            }
            connection->close();
        }
    }

    Database& database_;
    std::string_view request_id_;
};

asio::awaitable<std::string> Database::call(CallKind kind, std::string_view function,
                                            std::vector<pq::Argument> arguments, std::string_view request_id) {
    PoolCaller caller(*this, request_id);
    const pq::Patience patience{.call = timeout_};
    switch (kind) {
    case CallKind::reads:
        break;
    case CallKind::admits:
        co_return co_await pq::admit(caller, function, std::move(arguments), patience);
    case CallKind::writes:
        co_return co_await pq::write_again_until_known(caller, function, std::move(arguments), patience);
    }
    co_return co_await caller.call(function, std::move(arguments), timeout_, pq::Effect::reads);
}

namespace {

pq::Finality finality_of(const SqlCall& call) {
    return call.returns == Returns::run_status ? is_terminal_status : is_terminal_timeline;
}

/// What a write may have to wait for: the run that it names, or the connection, by whichever name. An admission may
/// bring the id of its run, but what it waits for is the connection.
std::string lock_of(const std::vector<pq::Argument>& arguments) {
    for (const std::string_view name : {"connector_instance_id", "connector_id", "run_id"}) {
        const auto found = std::ranges::find(arguments, name, &pq::Argument::name);
        if (found != arguments.end() && found->value)
            return fmt::format("{} {}", name, *found->value);
    }
    return {};
}

/// For a write.
asio::awaitable<void> set_lock_timeout(pq::Connection& connection, std::chrono::milliseconds timeout) {
    constexpr auto patience = std::chrono::seconds(2);
    co_await connection.query(fmt::format("SET lock_timeout = {}", timeout.count()), {}, patience);
}

/// How long anybody waits for a connection, or his turn for one.
constexpr auto wait_limit = std::chrono::seconds(2);

pq::PoolOptions primary_options(const DatabaseOptions& options) {
    return {.conninfo = pq::to_primary(options.conninfo),
            .size = options.pool_size,
            .wait_limit = wait_limit,
            .statement_timeout = options.statement_timeout};
}

pq::PoolOptions write_options(const DatabaseOptions& options, std::chrono::milliseconds lock_timeout) {
    auto write = primary_options(options);
    write.prepare = [lock_timeout](pq::Connection& connection) { return set_lock_timeout(connection, lock_timeout); };
    return write;
}

} // namespace

Database::Side::Side(const asio::any_io_executor& executor, const pq::PoolOptions& options,
                     std::chrono::milliseconds timeout)
    : pool(executor, options), statuses(executor, statuses_over(pool, timeout), {.calls = options.size}),
      long_reads(executor, options.size - options.size / 4) {}

asio::awaitable<Database::Loan> Database::Side::lend() {
    auto turn = co_await long_reads.take({}, wait_limit);
    if (!turn)
        throw pq::Error(pq::ErrorKind::cannot_connect, "all database connections for long reads are in use");
    auto connection = co_await pool.acquire();
    co_return Loan{std::move(*turn), std::move(connection)};
}

Database::Database(const asio::any_io_executor& executor, const DatabaseOptions& options, Metrics& metrics)
    : metrics_(metrics), timeout_(options.statement_timeout + std::chrono::seconds(2)),
      lock_timeout_(options.lock_timeout), primary_(executor, primary_options(options), timeout_),
      writes_(executor, write_options(options, lock_timeout_)),
      write_turns_(executor, std::max<std::size_t>(options.pool_size - 1, 1)), ended_(options.status_cache_bytes) {
    const auto to_standby = pq::to_standby(options.conninfo);
    if (to_standby != pq::to_primary(options.conninfo))
        standby_.emplace(executor,
                         pq::PoolOptions{.conninfo = to_standby,
                                         .size = options.pool_size,
                                         .wait_limit = wait_limit,
                                         .statement_timeout = options.statement_timeout},
                         timeout_);
}

asio::awaitable<Database::Loan> Database::lend() {
    return primary_.lend();
}

asio::awaitable<Turns::Turn> Database::turn_to_write(const std::vector<pq::Argument>& arguments) {
    auto turn = co_await write_turns_.take(lock_of(arguments), lock_timeout_);
    if (!turn)
        throw pq::Error(pq::ErrorKind::refused, "others wait for the same lock", std::string{lock_not_available});
    co_return std::move(*turn);
}

pq::Pool::Usage Database::usage() const {
    pq::Pool::Usage all{.open = 0, .busy = 0, .waiting = write_turns_.waiting()};
    const auto add = [&all](const pq::Pool& pool) {
        const auto usage = pool.usage();
        all.open += usage.open;
        all.busy += usage.busy;
        all.waiting += usage.waiting;
    };
    const auto add_side = [&](const Side& side) {
        add(side.pool);
        all.waiting += side.statuses.waiting() + side.long_reads.waiting();
    };
    add_side(primary_);
    add(writes_);
    if (standby_)
        add_side(*standby_);
    return all;
}

const Ending* Database::kept_ending(const SqlCall& call, const std::vector<pq::Argument>& arguments) {
    if (call.returns != Returns::run_status)
        return nullptr;
    const auto* const ending = ended_.find(arguments.at(0).value.value());
    if (ending != nullptr)
        metrics_.looked_in_cache(true);
    return ending;
}

asio::awaitable<void> Database::meet_primary(pq::Connection& connection) {
    // a promotion begins a timeline
    constexpr auto question =
        "SELECT system_identifier::pg_catalog.text || CASE WHEN pg_catalog.pg_is_in_recovery() THEN ''"
        " ELSE '/' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END"
        " FROM pg_catalog.pg_control_system()";
    std::string history;
    try {
        const auto answer = co_await connection.query(question, {}, timeout_, pq::Effect::reads);
        history = answer.text(0, 0).value();
    } catch (const pq::Error& error) {
        if (error.kind() != pq::ErrorKind::refused)
            throw;
        spdlog::debug("the primary does not say which history it writes: {:?}", error.what());
    }
    if (history.empty() || history != history_)
        ended_.clear();
    history_ = std::move(history);
}

asio::awaitable<void> Database::try_connecting() {
    co_await primary_.pool.acquire();
}

asio::awaitable<std::string> Database::ask(const SqlCall& call, std::vector<pq::Argument> arguments,
                                           std::string_view request_id) {
    try {
        auto body = co_await make_call(call, std::move(arguments), request_id);
        if (auto refusal = refusal_in(body))
            throw *std::move(refusal);
        co_return body;
    } catch (const pq::Error& error) {
        auto refusal = refusal_for(error);
        if (is_our_trouble(refusal))
            spdlog::error("request_id={} function={} sqlstate={} {:?}", request_id, call.function, error.sqlstate(),
                          error.what());
        throw refusal;
    }
}

asio::awaitable<std::string> Database::make_call(const SqlCall& call, std::vector<pq::Argument> arguments,
                                                 std::string_view request_id) {
    switch (call.returns) {
    case Returns::anything:
        break;
    case Returns::run_status:
        co_return co_await status(call, std::move(arguments));
    case Returns::run_timeline:
        co_return co_await read_final(call, std::move(arguments));
    }
    co_return co_await this->call(call.kind, call.function, std::move(arguments), request_id);
}

asio::awaitable<std::string> Database::status(const SqlCall& call, std::vector<pq::Argument> arguments) {
    const auto run_id = arguments.at(0).value.value();
    if (const auto* const ending = kept_ending(call, arguments))
        co_return std::string{ending->body};
    metrics_.looked_in_cache(false);
    const auto history = history_;
    auto body = co_await read_final(call, std::move(arguments));
    if (is_terminal_status(body) && history == history_)
        ended_.insert(run_id, body);
    co_return body;
}

asio::awaitable<std::string> Database::read_final(const SqlCall& call, std::vector<pq::Argument> arguments) {
    const auto is_final = finality_of(call);
    const auto of_primary = [&]() { return read(primary_, call, arguments); };
    if (standby_) {
        const auto of_standby = [&]() { return read(*standby_, call, arguments); };
        auto body = co_await pq::read_of_either(of_standby, of_primary, is_final);
        co_return body;
    }
    auto answer = co_await of_primary();
    if (!pq::is_present(answer, is_final))
        throw pq::no_primary();
    co_return std::move(answer.body);
}

asio::awaitable<StatusAnswer> Database::read(Side& side, const SqlCall& call, std::vector<pq::Argument> arguments) {
    if (call.returns == Returns::run_status) {
        auto run_id = std::move(arguments.at(0).value).value();
        co_return co_await side.statuses.read(std::move(run_id));
    }
    for (;;) {
        const auto loan = co_await side.lend();
        const auto& connection = loan.connection;
        const bool is_standby = connection->is_standby();
        auto body = co_await connection->body(call.function, arguments, timeout_, pq::Effect::reads);
        if (!connection.is_stale())
            co_return StatusAnswer{std::move(body), is_standby};
        if (connection.is_new())
            throw pq::Error(pq::ErrorKind::connection_lost, "the server takes no writes, and is no standby");
    }
}

} // namespace pdpp::http
