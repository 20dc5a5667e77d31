// Connecting without blocking: PQconnectPoll, told by Asio when the socket is ready for it.

#include "pq/connection.hpp"

#include "pq/advice.hpp"
#include "pq/connect_failure.hpp"
#include "pq/hosts.hpp"
#include "pq/mistake.hpp"
#include "pq/wire.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <utility>
#include <vector>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

/// Refuses what libpq would refuse: it would print the string, with the password in it.
void check_readable(const std::string& conninfo) {
    if (const auto mistake = mistake_in(conninfo)) {
        throw Error(ErrorKind::not_let_in, "the connection string is wrong: " + *mistake, {}, {}, check_what_is_said);
    }
}

/// A server whose host has gone without a word is noticed within half a minute, unless somebody has said otherwise.
constexpr std::array<std::pair<const char*, const char*>, 3> our_keepalives{
    {{"keepalives_idle", "15"}, {"keepalives_interval", "5"}, {"keepalives_count", "3"}}};

PGconn* start_connecting(const std::string& conninfo, const std::string& application_name) {
    // what comes later goes before, and an empty value counts for nothing
    std::vector<const char*> keywords{"dbname", "client_encoding", "fallback_application_name", "application_name"};
    std::vector<const char*> values{conninfo.c_str(), "UTF8", "pdpp", application_name.c_str()};
    const auto said = resolved(conninfo);
    for (const auto& [keyword, value] : our_keepalives) {
        if (!said.contains(keyword)) { // a service file gives way to whatever is said here
            keywords.push_back(keyword);
            values.push_back(value);
        }
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    constexpr int expand_dbname = 1;
    return PQconnectStartParams(keywords.data(), values.data(), expand_dbname);
}

/// libpq prints notices on standard error unless told otherwise; the server's log has them too. What matters here is
/// the word of a server that ends an idle session (class 57P), which libpq passes on as a notice: it precedes the end
/// of the stream, sometimes by a moment.
void note_farewell(void* doomed, const PGresult* notice) {
    if (error_field(notice, PG_DIAG_SQLSTATE).starts_with("57P")) {
        *static_cast<bool*>(doomed) = true;
    }
}

/// What an opened session is asked for first.
constexpr auto first_question =
    "SELECT (SELECT extnamespace::pg_catalog.regnamespace::pg_catalog.text FROM pg_catalog.pg_extension"
    " WHERE extname = 'pdpp'), pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'),"
    " pg_catalog.pg_backend_pid(), CASE WHEN pg_catalog.current_setting('array_nulls') = 'off'" // NULL in an array is
                                                                                                // null
    " THEN pg_catalog.set_config('array_nulls', 'on', false) END";

/// Why libpq found that a server is not the one that is wanted, where it told so itself.
std::string said_of_itself(const PGconn* handle) {
    const auto is_on = [&](const char* name) {
        const char* const reported = PQparameterStatus(handle, name);
        return reported != nullptr && std::string_view{reported} == "on";
    };
    if (is_on("in_hot_standby")) {
        return " (it is a standby)";
    }
    return is_on("default_transaction_read_only") ? " (its default_transaction_read_only is on)" : "";
}

std::string text_of(const char* value) {
    return value == nullptr ? "" : value;
}

/// Why libpq could not connect.
Error cannot_connect(const PGconn* handle) {
    auto failure = read_connect_failure(PQerrorMessage(handle));
    failure.lacks_password = PQconnectionNeedsPassword(handle) != 0;
    if (is_lasting(failure)) {
        return {ErrorKind::not_let_in,
                failure.message,
                failure.sqlstate,
                {},
                advice(failure, text_of(PQuser(handle)), text_of(PQdb(handle)))};
    }
    return {ErrorKind::cannot_connect, failure.message + said_of_itself(handle), failure.sqlstate};
}

} // namespace

Connection::Connection(const asio::any_io_executor& executor) : wire_(std::make_shared<Wire>(executor)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

Connection::~Connection() {
    if (wire_) {
        wire_->close();
    }
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
    const auto directory = socket_directory();
    const auto port = text_of(PQport(wire_->handle));
    return !directory.empty() ? "server on socket \"" + directory + "/.s.PGSQL." + port + '"'
                              : "server at \"" + text_of(PQhost(wire_->handle)) + "\", port " + port;
}

std::string Connection::socket_directory() const {
    auto host = text_of(PQhost(wire_->handle));
    return host.starts_with('/') ? host : "";
}

std::string Connection::role() const {
    return text_of(PQuser(wire_->handle));
}

std::string Connection::database() const {
    return text_of(PQdb(wire_->handle));
}

namespace {

using Escape = char* (*)(PGconn*, const char*, std::size_t);

/// Throws Error `misused` for what is no text in the session's encoding.
std::string escaped(PGconn* handle, Escape escape, std::string_view text) {
    const std::unique_ptr<char, FreeMemory> safe{escape(handle, text.data(), text.size())};
    if (!safe) {
        throw Error(ErrorKind::misused, PQerrorMessage(handle));
    }
    return safe.get();
}

} // namespace

std::string Connection::identifier(std::string_view name) const {
    return escaped(wire_->handle, PQescapeIdentifier, name);
}

std::string Connection::literal(std::string_view text) const {
    return escaped(wire_->handle, PQescapeLiteral, text);
}

asio::awaitable<void> Connection::open(std::string conninfo, std::chrono::milliseconds timeout,
                                       std::string application_name, Extension extension) {
    check_readable(conninfo);
    const auto end = asio::steady_timer::clock_type::now() + timeout;
    const auto attempts = attempts_for(conninfo);
    std::string failures;
    std::optional<Error> first; ///< that says more than others: the server of one host does not let in, or has spoken
    for (std::size_t i = 0; i < attempts.size(); ++i) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - asio::steady_timer::clock_type::now());
        try {
            // signed, as the time is: a share of time that is over would otherwise be a century
            const auto hosts_left = static_cast<std::chrono::milliseconds::rep>(attempts.size() - i);
            co_await open_one(attempts[i], left / hosts_left, application_name, extension);
            co_return;
        } catch (const Error& error) {
            const bool is_let_in = error.kind() != ErrorKind::not_let_in;
            if ((is_let_in && error.kind() != ErrorKind::cannot_connect) || attempts.size() == 1) {
                throw;
            }
            const std::string failure = error.what();
            if (failures.find(failure) == std::string::npos) { // a host that is tried twice may say the same again
                failures.append(failures.empty() ? "" : "; ").append(failure);
            }
            if (!first || (first->kind() != ErrorKind::not_let_in && (!is_let_in || first->sqlstate().empty()))) {
                first = error;
            }
        }
    }
    throw Error(first->kind(), failures, first->sqlstate(), {}, first->hint());
}

asio::awaitable<void> Connection::open_primary(std::string conninfo, Effect effect, std::chrono::milliseconds timeout,
                                               std::string application_name) {
    co_await open(to_primary(conninfo), timeout, std::move(application_name));
    std::string why_not;
    if (is_standby()) {
        why_not = place() + " is a standby";
    } else if (is_read_only() && effect == Effect::writes) {
        why_not = place() + " takes no writes: its default_transaction_read_only is on";
    }
    if (!why_not.empty()) {
        close();
        throw Error(ErrorKind::cannot_connect, why_not);
    }
}

asio::awaitable<void> Connection::open_one(std::string conninfo, std::chrono::milliseconds timeout,
                                           std::string application_name, Extension extension) {
    Wire& wire = *wire_;
    Busy use(wire_, timeout);
    wire.close();
    prepared_.clear();
    keeps_statements_ = true;
    listens_ = false;
    wire.handle = start_connecting(conninfo, application_name);
    if (wire.handle == nullptr) {
        throw Error(ErrorKind::cannot_connect, "out of memory");
    }
    PQsetNoticeReceiver(wire.handle, note_farewell, &wire.doomed);
    PQsetErrorVerbosity(wire.handle, PQERRORS_VERBOSE); // so that what libpq says holds the SQLSTATE
    try {
        auto step = PQstatus(wire.handle) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
        while (step != PGRES_POLLING_OK) {
            if (step == PGRES_POLLING_FAILED) {
                throw cannot_connect(wire.handle);
            }
            wire.attach();
            co_await wire.wait(step == PGRES_POLLING_READING ? Wire::WaitType::wait_read : Wire::WaitType::wait_write);
            wire.detach();
            step = PQconnectPoll(wire.handle);
        }
        wire.attach();
        PQsetErrorVerbosity(wire.handle, PQERRORS_DEFAULT);
        PQsetnonblocking(wire.handle, 1);
        if (extension == Extension::not_asked) {
            use.done();
            co_return;
        }
        // What a call does is right by locks, in read committed; a stricter default would have it refused, and a
        // standby refuses every query in serializable. Not in the startup packet, which poolers refuse; and nothing is
        // set that is so already, since a pooler in transaction mode would leave it set for others.
        const auto isolation = co_await run("SHOW default_transaction_isolation", {}, Effect::reads);
        if (isolation.text(0, 0) != "read committed") {
            co_await run("SET default_transaction_isolation = 'read committed'", {}, Effect::reads);
        }
        const auto answer = co_await run(first_question, {}, Effect::reads);
        opened_on_standby_ = answer.text(0, 1) == "t";
        opened_read_only_ = answer.text(0, 2) == "on";
        backend_pid_ = number_in(answer.text(0, 3).value_or(""));
        const auto schema = answer.text(0, 0);
        const auto missing = "extension pdpp is not installed in database \"" + std::string{PQdb(wire.handle)} + "\"";
        const bool is_missing = !schema && extension == Extension::needed;
        if (is_missing && opened_on_standby_) { // another server may have it already
            throw Error(ErrorKind::cannot_connect, place() + ": " + missing + " as far as this standby knows");
        }
        if (is_missing) {
            throw Error(ErrorKind::refused, missing + ": run CREATE EXTENSION pdpp", {}, {},
                        "As root or a superuser of the server, with all that belongs to it: " +
                            init_command(PQdb(wire.handle)));
        }
        schema_ = schema.value_or("");
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::timeout || error.kind() == ErrorKind::connection_lost) {
            throw Error(ErrorKind::cannot_connect, place() + ": " + error.what(), error.sqlstate());
        }
        throw;
    }
    use.done();
}

} // namespace pdpp::pq
