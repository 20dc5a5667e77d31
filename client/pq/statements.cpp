// One statement at a time: sending it, and what the server says to it.

#include "pq/connection.hpp"
#include "pq/wire.hpp"

#include <charconv>
#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

Error refused(const PGresult* result) {
    return {ErrorKind::refused, error_field(result, PG_DIAG_MESSAGE_PRIMARY), error_field(result, PG_DIAG_SQLSTATE),
            error_field(result, PG_DIAG_MESSAGE_DETAIL), error_field(result, PG_DIAG_MESSAGE_HINT)};
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
        if (parameter && parameter->find('\0') != std::string::npos) {
            throw Error(ErrorKind::misused, "a parameter holds a NUL character, which no text in PostgreSQL can");
        }
        values.push_back(parameter ? parameter->c_str() : nullptr);
    }
    return values;
}

bool is_copy(const PGresult* result) {
    const auto status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

} // namespace

asio::awaitable<Result> Connection::query(std::string sql, std::vector<Parameter> parameters,
                                          std::chrono::milliseconds timeout, Effect effect) {
    if (wire_->handle == nullptr) {
        throw Error(ErrorKind::misused, "the database connection is closed");
    }
    Busy use(wire_, timeout);
    try {
        auto result = co_await run(std::move(sql), std::move(parameters), effect);
        use.done();
        co_return result;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::refused) {
            use.done();
        }
        throw;
    }
}

asio::awaitable<Result> Connection::run(std::string sql, std::vector<Parameter> parameters, Effect effect) {
    Wire& wire = *wire_;
    const auto values = values_of(parameters);
    if (PQsendQueryParams(wire.handle, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                          nullptr, 0) == 0) {
        throw wire.failure(ErrorKind::connection_lost);
    }
    auto result = co_await answer(effect);
    co_return result;
}

asio::awaitable<Result> Connection::run_prepared(std::string sql, std::vector<Parameter> parameters, Effect effect) {
    Wire& wire = *wire_;
    const auto values = values_of(parameters);
    auto& name = prepared_[sql];
    if (name.empty()) {
        const auto new_name = "pdpp_" + std::to_string(prepared_.size());
        if (PQsendPrepare(wire.handle, new_name.c_str(), sql.c_str(), 0, nullptr) == 0) {
            throw wire.failure(ErrorKind::connection_lost);
        }
        co_await answer(Effect::reads);
        name = new_name;
    }
    if (PQsendQueryPrepared(wire.handle, name.c_str(), static_cast<int>(values.size()), values.data(), nullptr, nullptr,
                            0) == 0) {
        throw wire.failure(ErrorKind::connection_lost);
    }
    auto result = co_await answer(effect);
    co_return result;
}

/// What the server says to the statement that has just been sent.
asio::awaitable<Result> Connection::answer(Effect effect) {
    Wire& wire = *wire_;
    // While the server cannot take more it may have something to say that it wants read first.
    for (int flushed = PQflush(wire.handle); flushed != 0; flushed = PQflush(wire.handle)) {
        if (flushed < 0) {
            throw wire.failure(ErrorKind::connection_lost);
        }
        co_await wire.wait_either();
        if (PQconsumeInput(wire.handle) == 0) {
            throw wire.failure(ErrorKind::connection_lost);
        }
    }

    // Everything is read, since an error at COMMIT follows the rows. Once the socket has failed, PQgetResult no longer
    // waits, and still hands out what the server said before it went.
    std::optional<Result> completed;
    std::optional<Error> refusal;
    const auto if_lost = effect == Effect::reads ? ErrorKind::connection_lost : ErrorKind::in_doubt;
    for (;;) {
        while (PQisBusy(wire.handle) != 0) {
            co_await wire.wait(Wire::WaitType::wait_read, if_lost);
            if (PQconsumeInput(wire.handle) == 0) {
                break;
            }
        }
        PGresult* const raw = PQgetResult(wire.handle);
        if (raw == nullptr) {
            break;
        }
        Result result{raw};
        if (is_copy(raw)) {
            throw Error(ErrorKind::misused, "COPY is not for this connection");
        }
        if (PQresultStatus(raw) != PGRES_FATAL_ERROR) {
            completed = std::move(result);
        } else if (PQresultErrorField(raw, PG_DIAG_SQLSTATE) != nullptr) {
            refusal = refused(raw);
        }
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
    if (!completed) { // libpq has no memory for what the server said
        throw wire.failure(if_lost);
    }
    co_return std::move(*completed);
}

/// The statement that makes the call; the values go to `parameters`.
std::string Connection::call_of(std::string_view columns, std::string_view function, std::vector<Argument> arguments,
                                std::vector<Parameter>& parameters) {
    std::string sql = "SELECT " + std::string{columns} + " FROM " + schema_ + "." + std::string{function} + "(";
    for (auto& argument : arguments) {
        if (!parameters.empty()) {
            sql += ", ";
        }
        parameters.push_back(std::move(argument.value));
        const auto parameter = "$" + std::to_string(parameters.size());
        sql.append(argument.name).append(" => ");
        if (const auto place = argument.type.find('$'); place != std::string_view::npos) {
            sql.append(argument.type.substr(0, place)).append(parameter).append(argument.type.substr(place + 1));
        } else {
            sql.append(parameter).append("::").append(argument.type);
        }
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
        if (wire_->handle == nullptr) {
            throw Error(ErrorKind::misused, "the database connection is closed");
        }
        Busy use(wire_, timeout);
        try {
            auto result = co_await run_prepared(sql, parameters, effect);
            use.done();
            if (result.name() != column) {
                throw answered_otherwise(effect);
            }
            co_return result;
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::refused) {
                use.done();
            }
            if (!is_about_keeping(error)) {
                throw;
            }
        }
        keeps_statements_ = false;
    }
    auto result = co_await query(sql, std::move(parameters), timeout, effect);
    if (result.name() != column) {
        throw answered_otherwise(effect);
    }
    co_return result;
}

Error Connection::answered_otherwise(Effect effect) {
    close();
    return {effect == Effect::reads ? ErrorKind::connection_lost : ErrorKind::in_doubt, not_what_was_asked};
}

asio::awaitable<std::optional<std::string>> Connection::call(std::string_view function, std::vector<Argument> arguments,
                                                             std::chrono::milliseconds timeout, Effect effect) {
    const auto result = co_await rows(function, std::move(arguments), timeout, effect);
    if (result.rows() == 0 || result.name() != function) { // a scalar's column has the function's name
        throw answered_otherwise(effect);
    }
    const auto value = result.text(0, 0);
    co_return value ? std::optional<std::string>(*value) : std::nullopt;
}

asio::awaitable<std::string> Connection::body(std::string_view function, std::vector<Argument> arguments,
                                              std::chrono::milliseconds timeout, Effect effect) {
    auto answer = co_await call(function, std::move(arguments), timeout, effect);
    if (!answer) {
        throw answered_otherwise(effect);
    }
    co_return std::move(*answer);
}

} // namespace pdpp::pq
