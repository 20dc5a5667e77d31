// Asking the database, and putting its failures in HTTP's words.

#include "http/database.hpp"

#include <boost/json/parse.hpp>

#include <spdlog/spdlog.h>

namespace pdpp::http {

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

Refusal for_sqlstate(std::string_view sqlstate) {
    if (sqlstate == "57014") // query_canceled: the statement_timeout
        return timed_out();
    // Without a SQLSTATE it is the client library that refuses: a database without the extension.
    // 55P03 lock_not_available; 57P operator intervention; 53 insufficient resources, 53400 being a misconfiguration
    if (sqlstate.empty() || sqlstate == "55P03" || sqlstate.starts_with("57P") ||
        (sqlstate.starts_with("53") && sqlstate != "53400"))
        return unavailable();
    return internal_error();
}

bool is_our_trouble(const Refusal& refusal) {
    return refusal.code >= status::internal_server_error;
}

} // namespace

Refusal refusal_for(const pq::Error& error) {
    if (auto typed = pq::typed_refusal(error))
        return {static_cast<status>(typed->http_status), std::move(typed->code), error.what(), std::move(typed->param),
                std::move(typed->extra)};
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

boost::asio::awaitable<std::string> ask_database(pq::Pool& pool, const SqlCall& call,
                                                 std::vector<pq::Argument> arguments, std::chrono::milliseconds timeout,
                                                 std::string_view request_id) {
    try {
        auto connection = co_await pool.acquire();
        auto body = co_await connection->call(call.function, std::move(arguments), timeout, call.effect);
        if (!body)
            throw pq::Error(pq::ErrorKind::misused, std::string{call.function} + " answered null");
        if (auto refusal = refusal_in(*body))
            throw *std::move(refusal);
        co_return std::move(*body);
    } catch (const pq::Error& error) {
        auto refusal = refusal_for(error);
        if (is_our_trouble(refusal))
            spdlog::error("request_id={} function={} sqlstate={} {:?}", request_id, call.function, error.sqlstate(),
                          error.what());
        throw refusal;
    }
}

} // namespace pdpp::http
