// Asking the database, and putting its failures in HTTP's words.

#include "http/database.hpp"

#include "http/metrics.hpp"
#include "http/status_body.hpp"
#include "pq/hosts.hpp"
#include "pq/write.hpp"
#include "run/link.hpp"

#include <boost/json/parse.hpp>

#include <spdlog/spdlog.h>

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

/// Data exceptions come from the casts of a request's body alone: text that is no JSON, U+0000, a number beyond all
/// bounds, nesting beyond the server's stack. All else our functions check themselves.
bool is_unstorable(std::string_view sqlstate) {
    return sqlstate == "22P02" || sqlstate == "22P05" || sqlstate == "22003" || sqlstate == "54001";
}

constexpr std::string_view query_canceled = "57014"; // the statement_timeout
constexpr std::string_view read_only = "25006";      // read_only_sql_transaction

Refusal for_sqlstate(std::string_view sqlstate) {
    if (sqlstate == query_canceled)
        return timed_out();
    // Without a SQLSTATE it is the client library that refuses: a database without the extension.
    // 55P03 lock_not_available; 57P operator intervention; 53 insufficient resources, 53400 being a misconfiguration;
    // 40 what was in the way of others, such as a read in the way of a standby's replay; 25006 the primary is none now
    if (sqlstate.empty() || sqlstate == "55P03" || sqlstate == read_only || sqlstate.starts_with("57P") ||
        sqlstate.starts_with("40") || sqlstate.starts_with("08") || (sqlstate.starts_with("53") && sqlstate != "53400"))
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

namespace {

/// Calls over a pool, and a line in the log for each write whose answer is lost. A server that has become read-only
/// since it was connected is left for the one that took its place: it refuses writes, and its reads are the past.
class PoolCaller : public pq::Caller {
  public:
    PoolCaller(pq::Pool& pool, std::string_view request_id) : pool_(pool), request_id_(request_id) {}

    asio::awaitable<std::string> call(std::string_view function, std::vector<pq::Argument> arguments,
                                      std::chrono::milliseconds timeout, pq::Effect effect) override {
        for (;;) {
            auto connection = co_await pool_.acquire();
            if (effect == pq::Effect::reads && connection->is_standby())
                throw pq::no_primary();
            try {
                auto body = co_await connection->body(function, arguments, timeout, effect);
                if (effect == pq::Effect::writes || !connection.is_stale())
                    co_return body;
            } catch (const pq::Error& error) {
                const bool is_lost = error.kind() == pq::ErrorKind::in_doubt || error.kind() == pq::ErrorKind::timeout;
                if (is_lost && effect == pq::Effect::writes)
                    spdlog::warn("request_id={} function={} answer lost, finding out: {:?}", request_id_, function,
                                 error.what());
                if (error.sqlstate() != read_only || connection.is_new())
                    throw;
            }
            connection->close();
        }
    }

  private:
    pq::Pool& pool_;
    std::string_view request_id_;
};

} // namespace

asio::awaitable<std::string> call_function(pq::Pool& pool, CallKind kind, std::string_view function,
                                           std::vector<pq::Argument> arguments, std::chrono::milliseconds timeout,
                                           std::string_view request_id) {
    PoolCaller caller(pool, request_id);
    const pq::Patience patience{.call = timeout};
    switch (kind) {
    case CallKind::reads:
        break;
    case CallKind::admits:
        co_return co_await pq::admit(caller, function, std::move(arguments), patience);
    case CallKind::writes:
        co_return co_await pq::write_again_until_known(caller, function, std::move(arguments), patience);
    }
    co_return co_await caller.call(function, std::move(arguments), timeout, pq::Effect::reads);
}

namespace {

pq::Finality finality_of(const SqlCall& call) {
    return call.returns == Returns::run_status ? is_terminal_status : is_terminal_timeline;
}

} // namespace

Database::Side::Side(const asio::any_io_executor& executor, const pq::PoolOptions& options,
                     std::chrono::milliseconds timeout)
    : pool(executor, options), statuses(executor, statuses_over(pool, timeout), {.calls = options.size}) {}

Database::Database(const asio::any_io_executor& executor, const DatabaseOptions& options, Metrics& metrics)
    : metrics_(metrics), timeout_(options.statement_timeout + std::chrono::seconds(2)),
      primary_(executor,
               {.conninfo = pq::to_primary(options.conninfo),
                .size = options.pool_size,
                .statement_timeout = options.statement_timeout},
               timeout_),
      ended_(options.status_cache_bytes) {
    const auto to_standby = pq::to_standby(options.conninfo);
    if (to_standby != pq::to_primary(options.conninfo))
        standby_.emplace(executor,
                         pq::PoolOptions{.conninfo = to_standby,
                                         .size = options.pool_size,
                                         .statement_timeout = options.statement_timeout},
                         timeout_);
}

pq::Pool::Usage Database::usage() const {
    auto all = primary_.pool.usage();
    all.waiting += primary_.statuses.waiting();
    if (standby_) {
        const auto usage = standby_->pool.usage();
        all.open += usage.open;
        all.busy += usage.busy;
        all.waiting += usage.waiting + standby_->statuses.waiting();
    }
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
    co_return co_await call_function(primary_.pool, call.kind, call.function, std::move(arguments), timeout_,
                                     request_id);
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
        auto connection = co_await side.pool.acquire();
        const bool is_standby = connection->is_standby();
        auto body = co_await connection->body(call.function, arguments, timeout_, pq::Effect::reads);
        if (!connection.is_stale())
            co_return StatusAnswer{std::move(body), is_standby};
        if (connection.is_new())
            throw pq::Error(pq::ErrorKind::connection_lost, "the server takes no writes, and is no standby");
    }
}

} // namespace pdpp::http
