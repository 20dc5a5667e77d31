// Asking the database, and putting its failures in HTTP's words.

#include "http/database.hpp"

#include "pq/write.hpp"
#include "run/link.hpp"

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

/// Data exceptions come from the casts of a request's body alone: text that is no JSON, U+0000, a number beyond all
/// bounds, nesting beyond the server's stack. All else our functions check themselves.
bool is_unstorable(std::string_view sqlstate) {
    return sqlstate == "22P02" || sqlstate == "22P05" || sqlstate == "22003" || sqlstate == "54001";
}

Refusal for_sqlstate(std::string_view sqlstate) {
    if (sqlstate == "57014") // query_canceled: the statement_timeout
        return timed_out();
    // Without a SQLSTATE it is the client library that refuses: a database without the extension.
    // 55P03 lock_not_available; 57P operator intervention; 53 insufficient resources, 53400 being a misconfiguration
    if (sqlstate.empty() || sqlstate == "55P03" || sqlstate.starts_with("57P") ||
        (sqlstate.starts_with("53") && sqlstate != "53400"))
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

/// Calls over the pool, and a line in the log for each write whose answer is lost.
class PoolCaller : public pq::Caller {
  public:
    PoolCaller(pq::Pool& pool, std::string_view request_id) : pool_(pool), request_id_(request_id) {}

    boost::asio::awaitable<std::string> call(std::string_view function, std::vector<pq::Argument> arguments,
                                             std::chrono::milliseconds timeout, pq::Effect effect) override {
        try {
            auto connection = co_await pool_.acquire();
            co_return co_await connection->body(function, std::move(arguments), timeout, effect);
        } catch (const pq::Error& error) {
            const bool is_lost = error.kind() == pq::ErrorKind::in_doubt || error.kind() == pq::ErrorKind::timeout;
            if (is_lost && effect == pq::Effect::writes)
                spdlog::warn("request_id={} function={} answer lost, finding out: {:?}", request_id_, function,
                             error.what());
            throw;
        }
    }

  private:
    pq::Pool& pool_;
    std::string_view request_id_;
};

} // namespace

boost::asio::awaitable<std::string> call_function(pq::Pool& pool, CallKind kind, std::string_view function,
                                                  std::vector<pq::Argument> arguments,
                                                  std::chrono::milliseconds timeout, std::string_view request_id) {
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

boost::asio::awaitable<std::string> ask_database(pq::Pool& pool, const SqlCall& call,
                                                 std::vector<pq::Argument> arguments, std::chrono::milliseconds timeout,
                                                 std::string_view request_id) {
    try {
        auto body = co_await call_function(pool, call.kind, call.function, std::move(arguments), timeout, request_id);
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

} // namespace pdpp::http
