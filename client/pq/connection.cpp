// Connecting, and running one statement at a time, without blocking: PQconnectPoll, PQflush and PQconsumeInput each
// told by Asio when the socket is ready for them.

#include "pq/connection.hpp"

#include "pq/conninfo.hpp"
#include "pq/hosts.hpp"
#include "pq/wire.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <charconv>
#include <sstream>
#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

struct FreeMemory {
    void operator()(void* memory) const noexcept { PQfreemem(memory); }
};

/// Refuses what libpq cannot parse, in words of our own: libpq would print the string, with the password in it.
void check_readable(const std::string& conninfo) {
    if (is_database_name(conninfo))
        return; // a plain database name
    const ConninfoOptions options{PQconninfoParse(conninfo.c_str(), nullptr)};
    if (!options)
        throw Error(ErrorKind::cannot_connect, "the connection string cannot be read: it must be a list of "
                                               "keyword=value pairs, a postgresql:// URI or a database name");
}

PGconn* start_connecting(const std::string& conninfo, const std::string& application_name) {
    // What comes later goes before, and an empty value counts for nothing. A server whose host has gone without a word
    // is noticed within half a minute, unless `conninfo` says otherwise.
    const char* const keywords[] = {"keepalives_idle", "keepalives_interval",       "keepalives_count", "dbname",
                                    "client_encoding", "fallback_application_name", "application_name", nullptr};
    const char* const values[] = {"15", "5", "3", conninfo.c_str(), "UTF8", "pdpp", application_name.c_str(), nullptr};
    constexpr int expand_dbname = 1;
    return PQconnectStartParams(keywords, values, expand_dbname);
}

std::string field(const PGresult* result, int code) {
    const char* const text = PQresultErrorField(result, code);
    return text == nullptr ? std::string{} : std::string{text};
}

Error refused(const PGresult* result) {
    return {ErrorKind::refused, field(result, PG_DIAG_MESSAGE_PRIMARY), field(result, PG_DIAG_SQLSTATE),
            field(result, PG_DIAG_MESSAGE_DETAIL), field(result, PG_DIAG_MESSAGE_HINT)};
}

/// Whether a prepared statement is refused for what it is, and not for what it says: it is unknown or known already,
/// which is a pooler's doing, or its result has another form since.
bool is_about_keeping(const Error& error) {
    return error.kind() == ErrorKind::refused &&
           (error.sqlstate() == "26000" || error.sqlstate() == "42P05" || error.sqlstate() == "0A000");
}

/// As libpq takes them: they live as long as `parameters`.
std::vector<const char*> values_of(const std::vector<Parameter>& parameters) {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const auto& parameter : parameters) {
        if (parameter && parameter->find('\0') != std::string::npos)
            throw Error(ErrorKind::misused, "a parameter holds a NUL character, which no text in PostgreSQL can");
        values.push_back(parameter ? parameter->c_str() : nullptr);
    }
    return values;
}

/// libpq prints notices on standard error unless told otherwise; the server's log has them too. What matters here is
/// the word of a server that ends an idle session (class 57P), which libpq passes on as a notice: it precedes the end
/// of the stream, sometimes by a moment.
void note_farewell(void* doomed, const PGresult* notice) {
    if (field(notice, PG_DIAG_SQLSTATE).starts_with("57P"))
        *static_cast<bool*>(doomed) = true;
}

/// What an opened session is asked for first.
constexpr auto first_question =
    "SELECT (SELECT extnamespace::pg_catalog.regnamespace::pg_catalog.text FROM pg_catalog.pg_extension"
    " WHERE extname = 'pdpp'), pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'),"
    " pg_catalog.pg_backend_pid(), CASE WHEN pg_catalog.current_setting('array_nulls') = 'off'" // NULL in an array is
                                                                                                // null
    " THEN pg_catalog.set_config('array_nulls', 'on', false) END";

constexpr auto question_of_standing =
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'),"
    " pg_catalog.pg_backend_pid(), EXISTS (SELECT FROM pg_catalog.pg_listening_channels())";

/// Why libpq found that a server is not the one that is wanted, where it told so itself.
std::string said_of_itself(const PGconn* handle) {
    const auto is_on = [&](const char* name) {
        const char* const reported = PQparameterStatus(handle, name);
        return reported != nullptr && std::string_view{reported} == "on";
    };
    if (is_on("in_hot_standby"))
        return " (it is a standby)";
    return is_on("default_transaction_read_only") ? " (its default_transaction_read_only is on)" : "";
}

/// libpq's words in one line, without the questions that it asks below each address of a host.
std::string in_one_line(const std::string& text) {
    std::string joined;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (!line.starts_with('\t'))
            joined.append(joined.empty() ? "" : "; ").append(line);
    return joined;
}

int number_in(std::string_view text) {
    int number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

bool is_copy(const PGresult* result) {
    const auto status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

} // namespace

/// Marks the connection as in use, under a deadline. What is not declared done() by the end of the scope (an error, a
/// cancelled coroutine) leaves libpq in the middle of something: the connection is closed.
class Connection::Busy {
  public:
    Busy(std::shared_ptr<Wire> wire, std::chrono::milliseconds timeout) : wire_(std::move(wire)) {
        if (wire_->busy)
            throw Error(ErrorKind::misused, "the database connection is already in use");
        wire_->busy = true;
        wire_->start_deadline(timeout);
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() {
        wire_->busy = false;
        wire_->stop_deadline();
        if (!done_)
            wire_->close();
    }

    void done() noexcept { done_ = true; }

  private:
    std::shared_ptr<Wire> wire_;
    bool done_ = false;
};

Connection::Connection(const asio::any_io_executor& executor) : wire_(std::make_shared<Wire>(executor)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

Connection::~Connection() {
    if (wire_)
        wire_->close();
}

void Connection::close() noexcept {
    wire_->close();
}

bool Connection::usable() const noexcept {
    // PQisBusy parses what PQconsumeInput has read, a farewell among it.
    return wire_->handle != nullptr && !wire_->busy && PQconsumeInput(wire_->handle) != 0 &&
           PQisBusy(wire_->handle) == 0 && !wire_->doomed && PQstatus(wire_->handle) == CONNECTION_OK;
}

bool Connection::is_standby() const noexcept {
    const char* const reported = PQparameterStatus(wire_->handle, "in_hot_standby");
    return reported != nullptr ? std::string_view{reported} == "on" : opened_on_standby_;
}

bool Connection::is_read_only() const noexcept {
    const char* const reported = PQparameterStatus(wire_->handle, "default_transaction_read_only");
    return reported != nullptr ? std::string_view{reported} == "on" : opened_read_only_;
}

bool Connection::has_refused_writes() const noexcept {
    return wire_->has_refused_writes;
}

bool Connection::is_pooled() const noexcept {
    return PQbackendPID(wire_->handle) != backend_pid_;
}

std::string Connection::place() const {
    const auto text = [](const char* value) { return std::string{value == nullptr ? "" : value}; };
    const auto host = text(PQhost(wire_->handle));
    return host.starts_with('/') ? "server on socket \"" + host + "/.s.PGSQL." + text(PQport(wire_->handle)) + '"'
                                 : "server at \"" + host + "\", port " + text(PQport(wire_->handle));
}

asio::awaitable<void> Connection::open(std::string conninfo, std::chrono::milliseconds timeout,
                                       std::string application_name) {
    check_readable(conninfo);
    const auto end = asio::steady_timer::clock_type::now() + timeout;
    const auto attempts = attempts_for(conninfo);
    std::string failures;
    for (std::size_t i = 0; i < attempts.size(); ++i) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - asio::steady_timer::clock_type::now());
        try {
            // signed, as the time is: a share of time that is over would otherwise be a century
            const auto hosts_left = static_cast<std::chrono::milliseconds::rep>(attempts.size() - i);
            co_await open_one(attempts[i], left / hosts_left, application_name);
            co_return;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::cannot_connect || attempts.size() == 1)
                throw;
            const std::string failure = error.what();
            if (failures.find(failure) == std::string::npos) // a host that is tried twice may say the same again
                failures.append(failures.empty() ? "" : "; ").append(failure);
        }
    }
    throw Error(ErrorKind::cannot_connect, failures);
}

asio::awaitable<void> Connection::open_primary(std::string conninfo, Effect effect, std::chrono::milliseconds timeout,
                                               std::string application_name) {
    co_await open(to_primary(conninfo), timeout, std::move(application_name));
    std::string why_not;
    if (is_standby())
        why_not = place() + " is a standby";
    else if (is_read_only() && effect == Effect::writes)
        why_not = place() + " takes no writes: its default_transaction_read_only is on";
    if (!why_not.empty()) {
        close();
        throw Error(ErrorKind::cannot_connect, why_not);
    }
}

asio::awaitable<void> Connection::open_one(std::string conninfo, std::chrono::milliseconds timeout,
                                           std::string application_name) {
    Wire& wire = *wire_;
    Busy use(wire_, timeout);
    wire.close();
    prepared_.clear();
    keeps_statements_ = true;
    listens_ = false;
    wire.handle = start_connecting(conninfo, application_name);
    if (wire.handle == nullptr)
        throw Error(ErrorKind::cannot_connect, "out of memory");
    PQsetNoticeReceiver(wire.handle, note_farewell, &wire.doomed);
    try {
        auto step = PQstatus(wire.handle) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
        while (step != PGRES_POLLING_OK) {
            if (step == PGRES_POLLING_FAILED)
                throw Error(ErrorKind::cannot_connect,
                            in_one_line(PQerrorMessage(wire.handle)) + said_of_itself(wire.handle));
            wire.attach();
            co_await wire.wait(step == PGRES_POLLING_READING ? Wire::WaitType::wait_read : Wire::WaitType::wait_write);
            wire.detach();
            step = PQconnectPoll(wire.handle);
        }
        wire.attach();
        PQsetnonblocking(wire.handle, 1);
        // What a call does is right by locks, in read committed; a stricter default would have it refused, and a
        // standby refuses every query in serializable. Not in the startup packet, which poolers refuse; and nothing is
        // set that is so already, since a pooler in transaction mode would leave it set for others.
        const auto isolation = co_await run("SHOW default_transaction_isolation", {}, Effect::reads);
        if (isolation.text(0, 0) != "read committed")
            co_await run("SET default_transaction_isolation = 'read committed'", {}, Effect::reads);
        const auto answer = co_await run(first_question, {}, Effect::reads);
        opened_on_standby_ = answer.text(0, 1) == "t";
        opened_read_only_ = answer.text(0, 2) == "on";
        backend_pid_ = number_in(answer.text(0, 3).value());
        const auto schema = answer.text(0, 0);
        const auto missing = "extension pdpp is not installed in database \"" + std::string{PQdb(wire.handle)} + "\"";
        if (!schema && opened_on_standby_) // another server may have it already
            throw Error(ErrorKind::cannot_connect, place() + ": " + missing + " as far as this standby knows");
        if (!schema)
            throw Error(ErrorKind::refused, missing + ": run CREATE EXTENSION pdpp");
        schema_ = *schema;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::timeout || error.kind() == ErrorKind::connection_lost)
            throw Error(ErrorKind::cannot_connect, place() + ": " + error.what(), error.sqlstate());
        throw;
    }
    use.done();
}

asio::awaitable<Result> Connection::query(std::string sql, std::vector<Parameter> parameters,
                                          std::chrono::milliseconds timeout, Effect effect) {
    if (wire_->handle == nullptr)
        throw Error(ErrorKind::misused, "the database connection is closed");
    Busy use(wire_, timeout);
    try {
        auto result = co_await run(std::move(sql), std::move(parameters), effect);
        use.done();
        co_return result;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::refused)
            use.done();
        throw;
    }
}

asio::awaitable<Result> Connection::run(std::string sql, std::vector<Parameter> parameters, Effect effect) {
    Wire& wire = *wire_;
    const auto values = values_of(parameters);
    if (PQsendQueryParams(wire.handle, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                          nullptr, 0) == 0)
        throw wire.failure(ErrorKind::connection_lost);
    auto result = co_await answer(effect);
    co_return result;
}

asio::awaitable<Result> Connection::run_prepared(std::string sql, std::vector<Parameter> parameters, Effect effect) {
    Wire& wire = *wire_;
    const auto values = values_of(parameters);
    auto& name = prepared_[sql];
    if (name.empty()) {
        const auto new_name = "pdpp_" + std::to_string(prepared_.size());
        if (PQsendPrepare(wire.handle, new_name.c_str(), sql.c_str(), 0, nullptr) == 0)
            throw wire.failure(ErrorKind::connection_lost);
        co_await answer(Effect::reads);
        name = new_name;
    }
    if (PQsendQueryPrepared(wire.handle, name.c_str(), static_cast<int>(values.size()), values.data(), nullptr, nullptr,
                            0) == 0)
        throw wire.failure(ErrorKind::connection_lost);
    auto result = co_await answer(effect);
    co_return result;
}

/// What the server says to the statement that has just been sent.
asio::awaitable<Result> Connection::answer(Effect effect) {
    Wire& wire = *wire_;
    // While the server cannot take more it may have something to say that it wants read first.
    for (int flushed = PQflush(wire.handle); flushed != 0; flushed = PQflush(wire.handle)) {
        if (flushed < 0)
            throw wire.failure(ErrorKind::connection_lost);
        co_await wire.wait_either();
        if (PQconsumeInput(wire.handle) == 0)
            throw wire.failure(ErrorKind::connection_lost);
    }

    // Everything is read, since an error at COMMIT follows the rows. Once the socket has failed, PQgetResult no longer
    // waits, and still hands out what the server said before it went.
    std::optional<Result> completed;
    std::optional<Error> refusal;
    for (;;) {
        while (PQisBusy(wire.handle) != 0) {
            co_await wire.wait(Wire::WaitType::wait_read);
            if (PQconsumeInput(wire.handle) == 0)
                break;
        }
        PGresult* const raw = PQgetResult(wire.handle);
        if (raw == nullptr)
            break;
        Result result{raw};
        if (is_copy(raw))
            throw Error(ErrorKind::misused, "COPY is not for this connection");
        if (PQresultStatus(raw) != PGRES_FATAL_ERROR)
            completed = std::move(result);
        else if (PQresultErrorField(raw, PG_DIAG_SQLSTATE) != nullptr)
            refusal = refused(raw);
    }
    if (PQstatus(wire.handle) != CONNECTION_OK) {
        // A server that says why it goes, and has not yet completed the statement, has not committed it.
        const bool certain = effect == Effect::reads || (refusal && !completed);
        throw Error(certain ? ErrorKind::connection_lost : ErrorKind::in_doubt,
                    refusal ? refusal->what() : "the connection to the database was lost",
                    refusal ? refusal->sqlstate() : "");
    }
    if (refusal) {
        wire.has_refused_writes = wire.has_refused_writes || refusal->sqlstate() == sqlstate::read_only_sql_transaction;
        throw *refusal;
    }
    if (!completed)
        throw wire.failure(ErrorKind::misused);
    co_return std::move(*completed);
}

/// The statement that makes the call; the values go to `parameters`.
std::string Connection::call_of(std::string_view columns, std::string_view function, std::vector<Argument> arguments,
                                std::vector<Parameter>& parameters) {
    std::string sql = "SELECT " + std::string{columns} + " FROM " + schema_ + "." + std::string{function} + "(";
    for (auto& argument : arguments) {
        if (!parameters.empty())
            sql += ", ";
        parameters.push_back(std::move(argument.value));
        sql.append(argument.name).append(" => $").append(std::to_string(parameters.size()));
        sql.append("::").append(argument.type);
    }
    return sql + ")";
}

asio::awaitable<Result> Connection::rows(std::string_view function, std::vector<Argument> arguments,
                                         std::chrono::milliseconds timeout, Effect effect) {
    std::vector<Parameter> parameters;
    auto sql = call_of("*", function, std::move(arguments), parameters);
    co_return co_await query(std::move(sql), std::move(parameters), timeout, effect);
}

asio::awaitable<Result> Connection::prepared_column(std::string_view column, std::string_view function,
                                                    std::vector<Argument> arguments, std::chrono::milliseconds timeout,
                                                    Effect effect) {
    std::vector<Parameter> parameters;
    const auto sql = call_of(column, function, std::move(arguments), parameters);
    if (keeps_statements_) {
        if (wire_->handle == nullptr)
            throw Error(ErrorKind::misused, "the database connection is closed");
        Busy use(wire_, timeout);
        try {
            auto result = co_await run_prepared(sql, parameters, effect);
            use.done();
            co_return result;
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::refused)
                use.done();
            if (!is_about_keeping(error))
                throw;
        }
        keeps_statements_ = false;
    }
    co_return co_await query(sql, std::move(parameters), timeout, effect);
}

asio::awaitable<std::optional<std::string>> Connection::call(std::string_view function, std::vector<Argument> arguments,
                                                             std::chrono::milliseconds timeout, Effect effect) {
    const auto result = co_await rows(function, std::move(arguments), timeout, effect);
    const auto value = result.text(0, 0);
    co_return value ? std::optional<std::string>(*value) : std::nullopt;
}

asio::awaitable<std::string> Connection::body(std::string_view function, std::vector<Argument> arguments,
                                              std::chrono::milliseconds timeout, Effect effect) {
    auto answer = co_await call(function, std::move(arguments), timeout, effect);
    if (!answer)
        throw Error(ErrorKind::misused, std::string{function} + " answered null");
    co_return std::move(*answer);
}

asio::awaitable<void> Connection::listen(std::string channel, std::chrono::milliseconds timeout) {
    if (wire_->handle == nullptr)
        throw Error(ErrorKind::misused, "the database connection is closed");
    const std::unique_ptr<char, FreeMemory> name{PQescapeIdentifier(wire_->handle, channel.data(), channel.size())};
    if (!name)
        throw wire_->failure(ErrorKind::misused);
    co_await query(std::string{"LISTEN "} + name.get(), {}, timeout);
    listens_ = true;
}

asio::awaitable<Notification> Connection::notification() {
    if (wire_->handle == nullptr || wire_->busy)
        throw Error(ErrorKind::misused, "the database connection is closed or in use");
    for (;;) {
        const std::unique_ptr<PGnotify, FreeMemory> arrived{PQnotifies(wire_->handle)};
        if (arrived)
            co_return Notification{arrived->relname, arrived->extra};
        co_await wire_->wait(Wire::WaitType::wait_read);
        if (PQconsumeInput(wire_->handle) == 0) {
            const auto lost = wire_->failure(ErrorKind::connection_lost);
            wire_->close();
            throw lost;
        }
    }
}

asio::awaitable<std::optional<Notification>> Connection::notification_within(std::chrono::milliseconds patience) {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(wire_->deadline.get_executor(), patience);
    // no results of the wait, which takes one and drops the other, and goes on over a failure
    std::optional<Notification> heard;
    std::optional<Error> failure;
    const auto hear = [&]() -> asio::awaitable<void> {
        try {
            heard = co_await notification();
        } catch (const Error& error) {
            failure = error;
        }
    };
    const auto wait = [&]() -> asio::awaitable<void> { co_await timer.async_wait(asio::use_awaitable); };
    co_await (hear() || wait());
    if (failure)
        throw *failure;
    co_return heard;
}

asio::awaitable<Standing> Connection::standing(std::chrono::milliseconds timeout) {
    const auto answer = co_await query(question_of_standing, {}, timeout, Effect::reads);
    // a pooler that gives a session to somebody else has it forget what it listens to
    if (number_in(answer.text(0, 2).value()) != backend_pid_ || (listens_ && answer.text(0, 3) != "t"))
        co_return Standing::not_ours;
    co_return answer.text(0, 0) == "t" || answer.text(0, 1) == "on" ? Standing::replaced : Standing::primary;
}

} // namespace pdpp::pq
