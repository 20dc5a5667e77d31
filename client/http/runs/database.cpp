// Asking the database.

#include "http/runs/database.hpp"

#include "http/runs/refusals.hpp"
#include "http/runs/setup_watch.hpp"
#include "http/runs/status_body.hpp"
#include "http/runs/status_fetch.hpp"
#include "http/watch/metrics.hpp"
#include "log/log.hpp"
#include "pq/advice.hpp"
#include "pq/grants.hpp"
#include "pq/hosts.hpp"
#include "pq/run_channel.hpp"
#include "pq/write.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

bool is_our_trouble(const Refusal& refusal) {
    return refusal.code >= status::internal_server_error;
}

} // namespace

/// Calls over the pools, and a line in the log for each write whose answer is lost. A server that has become read-only
/// since it was connected is left for the one that took its place: it refuses writes, and its reads are the past.
class Database::PoolCaller : public pq::Caller {
  public:
    PoolCaller(Database& database, std::string_view request_id) : database_(database), request_id_(request_id) {}

    asio::awaitable<std::string> call(std::string_view function, std::vector<pq::Argument> arguments,
                                      std::chrono::milliseconds timeout, pq::Effect effect) override {
        if (effect == pq::Effect::reads) {
            co_return co_await read(function, std::move(arguments), timeout);
        }
        const auto turn = co_await database_.turn_to_write(arguments);
        for (;;) {
            auto connection = co_await database_.writes_.acquire();
            try {
                co_return co_await connection->body(function, arguments, timeout, pq::Effect::writes);
            } catch (const pq::Error& error) {
                if (error.kind() == pq::ErrorKind::in_doubt || error.kind() == pq::ErrorKind::timeout) {
                    log::write(log::Level::warning, {{"request_id", request_id_}, {"function", function}},
                               "answer lost, finding out: {:?}", error.what());
                }
                if (error.sqlstate() != pq::sqlstate::read_only_sql_transaction || connection.is_new()) {
                    throw;
                }
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
            if (connection->is_standby()) {
                throw pq::no_primary();
            }
            try {
                auto body = co_await connection->body(function, arguments, timeout, pq::Effect::reads);
                if (!connection.is_stale()) {
                    co_return body;
                }
                if (connection.is_new()) {
                    throw pq::no_primary();
                }
            } catch (const pq::Error& error) {
                if (error.sqlstate() != pq::sqlstate::read_only_sql_transaction || connection.is_new()) {
                    throw;
                }
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
    case CallKind::admits: {
        const auto retry_of = pq::value_of(arguments, "retry_of");
        auto acknowledgement = co_await pq::admit(caller, function, std::move(arguments), patience);
        if (retry_of) { // by whoever reads this before it is told
            const auto run_number = pq::run_number(*retry_of);
            if (all_ != nullptr) {
                co_await all_->tell(run_number);
            } else {
                heard(run_number);
            }
        }
        co_return acknowledgement;
    }
    case CallKind::writes:
        co_return co_await pq::write_again_until_known(caller, function, std::move(arguments), patience);
    }
    co_return co_await caller.call(function, std::move(arguments), timeout_, pq::Effect::reads);
}

namespace {

/// A connection is named by itself or by its connector: two lines for one lock.
constexpr std::size_t names_of_one = 2;

/// What a write may have to wait for: the run that it names, or the connection, by whichever name. An admission may
/// bring the id of its run, but what it waits for is the connection.
std::string lock_of(const std::vector<pq::Argument>& arguments) {
    for (const std::string_view name : {"connector_instance_id", "connector_id", "retry_of", "run_id"}) {
        const auto found = std::ranges::find(arguments, name, &pq::Argument::name);
        if (found != arguments.end() && found->value) {
            return fmt::format("{} {}", name, *found->value);
        }
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
    if (!turn) {
        throw pq::Error(pq::ErrorKind::cannot_connect, "all database connections for long reads are in use");
    }
    auto connection = co_await pool.acquire();
    co_return Loan{std::move(*turn), std::move(connection)};
}

Database::Database(const asio::any_io_executor& executor, const DatabaseOptions& options, Metrics& metrics, All* all)
    : metrics_(metrics), all_(all), conninfo_(pq::to_primary(options.conninfo)),
      timeout_(options.statement_timeout + std::chrono::seconds(2)), lock_timeout_(options.lock_timeout),
      primary_(executor, primary_options(options), timeout_), writes_(executor, write_options(options, lock_timeout_)),
      write_turns_(executor, std::max<std::size_t>((options.pool_size - 1) / names_of_one, 1)),
      ended_(options.status_cache_bytes) {
    const auto to_standby = pq::to_standby(options.conninfo);
    if (to_standby != pq::to_primary(options.conninfo)) {
        standby_.emplace(executor,
                         pq::PoolOptions{.conninfo = to_standby,
                                         .size = options.pool_size,
                                         .wait_limit = wait_limit,
                                         .statement_timeout = options.statement_timeout},
                         timeout_);
    }
}

asio::awaitable<Database::Loan> Database::lend() {
    return primary_.lend();
}

asio::awaitable<Turns::Turn> Database::turn_to_write(const std::vector<pq::Argument>& arguments) {
    auto turn = co_await write_turns_.take(lock_of(arguments), lock_timeout_);
    if (!turn) {
        throw pq::Error(pq::ErrorKind::refused, "others wait for the same lock",
                        std::string{pq::sqlstate::lock_not_available});
    }
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
    if (standby_) {
        add_side(*standby_);
    }
    return all;
}

const RunStatus* Database::kept_status(std::string_view run_id) {
    const auto* const kept = ended_.find_fresh(run_id, StatusCache::Clock::now());
    metrics_.looked_in_cache(kept != nullptr);
    return kept;
}

asio::awaitable<std::string> history_of(pq::Connection& connection, std::chrono::milliseconds timeout) {
    // a promotion begins a timeline
    constexpr auto question =
        "SELECT system_identifier::pg_catalog.text || CASE WHEN pg_catalog.pg_is_in_recovery() THEN ''"
        " ELSE '/' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END"
        " FROM pg_catalog.pg_control_system()";
    std::string history;
    try {
        const auto answer = co_await connection.query(question, {}, timeout, pq::Effect::reads);
        history = answer.text(0, 0).value_or("");
    } catch (const pq::Error& error) {
        if (error.kind() != pq::ErrorKind::refused) {
            throw;
        }
        log::write(log::Level::debug, "the primary does not say which history it writes: {:?}", error.what());
    }
    co_return history;
}

void Database::meet_primary(const std::string& history) {
    if (history.empty() || history != history_) {
        ended_.clear();
        ++memory_;
    }
    history_ = history;
}

asio::awaitable<void> Database::watch_setup() {
    co_await http::watch_setup(primary_.pool);
}

std::string Database::explained(const pq::Error& error, std::string_view function) const {
    std::string words = error.what();
    if (error.kind() != pq::ErrorKind::refused) {
        return words;
    }
    if (error.sqlstate() == pq::sqlstate::insufficient_privilege) {
        const auto role = pq::role_in(conninfo_);
        const auto grant = pq::grant_for(function, role);
        words += fmt::format(": grant what {} lacks with: {}{}{}", pq::as_regrole(role),
                             pq::init_command(pq::database_in(conninfo_), role), grant.empty() ? "" : ", or: ", grant);
    } else if (error.sqlstate() == pq::sqlstate::undefined_function) {
        words += ": the extension in the database may be older than this program: alter extension pdpp update";
    }
    return words;
}

/// What the failure of a call means for the client; logged if it is not the client's doing.
Refusal Database::refusal_of_call(const pq::Error& error, std::string_view function,
                                  std::string_view request_id) const {
    auto refusal = refusal_for(error);
    if (is_our_trouble(refusal)) {
        log::write(log::Level::error,
                   {{"request_id", request_id}, {"function", function}, {"sqlstate", error.sqlstate()}},
                   log::Quoted{explained(error, function)});
    }
    return refusal;
}

namespace {

/// What is at fault, by the name that the path or the query has for it.
void name_as_asked(Refusal& refusal, const SqlCall& call) {
    for (const auto& binding : call.bindings) {
        if ((binding.place == Binding::Place::segment || binding.place == Binding::Place::query) &&
            binding.argument == refusal.param) {
            refusal.param = binding.name;
            return;
        }
    }
}

} // namespace

asio::awaitable<std::string> Database::ask(const SqlCall& call, std::vector<pq::Argument> arguments,
                                           std::string_view request_id) {
    try {
        std::string body;
        if (call.returns == Returns::run_timeline) {
            auto answer =
                co_await read_final([&](Side& side) { return read(side, call, arguments); }, is_terminal_timeline);
            body = std::move(answer.body);
        } else {
            body = co_await this->call(call.kind, call.function, std::move(arguments), request_id);
        }
        if (auto refusal = refusal_in(body)) {
            throw *std::move(refusal);
        }
        co_return body;
    } catch (const pq::Error& error) {
        auto refusal = refusal_of_call(error, call.function, request_id);
        name_as_asked(refusal, call);
        throw refusal;
    }
}

void Database::heard(std::optional<std::uint64_t> run_number) {
    if (run_number) {
        ended_.doubt(*run_number);
    } else {
        ended_.doubt_all();
    }
    const auto [first, last] =
        run_number ? reading_->equal_range(*run_number) : std::pair{reading_->begin(), reading_->end()};
    std::for_each(first, last, [](auto& reading) { reading.second = true; });
}

Database::Keeping::Keeping(Database& database, std::string_view run_id)
    : database_(database), reading_(database.reading_), memory_(database.memory_),
      place_(database.ended_.keeps_any() ? reading_->emplace(pq::run_number(run_id), false) : reading_->end()) {}

Database::Keeping::~Keeping() {
    if (place_ != reading_->end()) {
        reading_->erase(place_);
    }
}

void Database::Keeping::keep(std::string_view run_id, const RunStatus& status) {
    if (place_ == reading_->end() || memory_ != database_.memory_) {
        return;
    }
    database_.ended_.insert(run_id, status);
    if (place_->second) { // how it ended is known, should the database go; what may have come since is asked for
        database_.ended_.doubt(pq::run_number(run_id));
    }
}

asio::awaitable<StatusText> Database::status(std::string run_id, std::string_view request_id) {
    Keeping keeping(*this, run_id);
    std::optional<pq::Error> failure;
    try {
        auto answer = co_await read_final([&](Side& side) { return side.statuses.read(run_id); }, is_terminal_status);
        if (auto refusal = refusal_in(answer.body)) {
            throw *std::move(refusal);
        }
        StatusText text(std::move(answer.body));
        const bool is_last = text.status().is_last();
        if (is_last && !answer.from_standby) {
            keeping.keep(run_id, text.status());
        } else if (is_last && standby_ && ended_.keeps_any()) {
            asio::co_spawn(co_await asio::this_coro::executor, keep_as_primary_says(std::move(run_id)), asio::detached);
        }
        co_return text;
    } catch (const pq::Error& error) {
        failure = error;
    }
    std::string ending;
    if (failure->kind() != pq::ErrorKind::refused) { // how it ended is known, whatever became of the database
        ending = co_await ending_kept_anywhere(std::move(run_id));
    }
    if (ending.empty()) {
        throw refusal_of_call(*failure, status_call().function, request_id);
    }
    co_return StatusText(std::move(ending));
}

std::string Database::kept_ending(std::string_view run_id) {
    const auto* const kept = ended_.find(run_id);
    return kept == nullptr ? std::string{} : std::string{kept->body};
}

asio::awaitable<std::string> Database::ending_kept_anywhere(std::string run_id) {
    auto ending = kept_ending(run_id);
    if (ending.empty() && all_ != nullptr) {
        ending = co_await all_->kept_ending(std::move(run_id));
    }
    co_return ending;
}

/// A standby may have more of a former primary's history than the server that took over: what it says is told, but kept
/// only as the primary says it.
asio::awaitable<void> Database::keep_as_primary_says(std::string run_id) {
    Keeping keeping(*this, run_id);
    try {
        auto answer = co_await primary_.statuses.read(run_id);
        const StatusText text(std::move(answer.body));
        if (text.status().is_last() && !answer.from_standby) {
            keeping.keep(run_id, text.status());
        }
    } catch (const std::exception& error) { // it is asked again with the next request
        log::write(log::Level::debug, "an ending is not kept in memory: {:?}", error.what());
    }
}

/// `read` over the standby if there is one and what it says is final, else over the primary. What `read` refers to must
/// outlive this.
asio::awaitable<pq::Answer> Database::read_final(std::function<asio::awaitable<pq::Answer>(Side&)> read,
                                                 pq::Finality is_final) {
    const auto of_primary = [&]() { return read(primary_); };
    if (standby_) {
        const auto of_standby = [&]() { return read(*standby_); };
        auto either = co_await pq::read_of_either(of_standby, of_primary, is_final);
        co_return either;
    }
    auto answer = co_await of_primary();
    if (!pq::is_present(answer, is_final)) {
        throw pq::no_primary();
    }
    co_return answer;
}

asio::awaitable<pq::Answer> Database::read(Side& side, const SqlCall& call, std::vector<pq::Argument> arguments) {
    for (;;) {
        const auto loan = co_await side.lend();
        const auto& connection = loan.connection;
        const bool is_standby = connection->is_standby();
        auto body = co_await connection->body(call.function, arguments, timeout_, pq::Effect::reads);
        if (!connection.is_stale()) {
            co_return pq::Answer{std::move(body), is_standby};
        }
        if (connection.is_new()) {
            throw pq::Error(pq::ErrorKind::connection_lost, "the server takes no writes, and is no standby");
        }
    }
}

} // namespace pdpp::http
