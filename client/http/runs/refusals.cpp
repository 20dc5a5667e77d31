#include "http/runs/refusals.hpp"

#include "http/wire/errors.hpp"

#include "pq/body.hpp"
#include "pq/write.hpp"
#include "run/link.hpp"

#include <boost/json/parse.hpp>

namespace pdpp::http {

namespace json = boost::json;

namespace {

/// Data exceptions come from the casts of a request's body alone: text that is no JSON, U+0000, a number beyond all
/// bounds. All else our functions check themselves.
bool is_unstorable(std::string_view sqlstate) {
    return sqlstate == "22P02" || sqlstate == "22P05" || sqlstate == "22003";
}

Refusal for_sqlstate(std::string_view sqlstate) {
    if (sqlstate == pq::sqlstate::query_canceled) {
        return refusal(ErrorKind::timeout);
    }
    if (sqlstate == pq::sqlstate::lock_not_available) {
        return refusal(ErrorKind::run_busy);
    }
    if (sqlstate.empty()) { // it is the client library that refuses
        return refusal(ErrorKind::database_unavailable,
                       "The database that this server works on has no extension pdpp yet.");
    }
    if (pq::is_passing(sqlstate)) {
        return refusal(ErrorKind::database_unavailable);
    }
    if (sqlstate == pq::sqlstate::insufficient_privilege) {
        return refusal(ErrorKind::not_granted);
    }
    if (is_unstorable(sqlstate)) {
        return invalid_request("data holds what PostgreSQL cannot store as JSON.", "data");
    }
    return refusal(ErrorKind::internal_error);
}

/// A write whose answer was lost, and could not be learned since.
Refusal in_doubt(const pq::WriteIds& ids) {
    auto refusal = http::refusal(ErrorKind::in_doubt, "The database was lost before it said whether this was done. ");
    if (ids.idempotency_key) {
        refusal.message += "Send the same request with the same Idempotency-Key again: it is not done twice.";
    } else if (ids.trace_id) {
        refusal.message += "Ask for the run: its id resolves if it was admitted, and stays unknown if it was not.";
    } else {
        refusal.message += "Send the same request again: it is not done twice.";
    }
    const auto add = [&](std::string_view key, const std::optional<std::string>& id) {
        if (id) {
            refusal.extra[key] = *id;
        }
    };
    add("run_id", ids.run_id);
    add("trace_id", ids.trace_id);
    add("idempotency_key", ids.idempotency_key);
    return refusal;
}

/// What a client does next with the refusal, where that has an address.
void add_location(Refusal& refusal) {
    const auto* const active = refusal.extra.if_contains("active_run_id");
    if (refusal.error_code == "run_already_active" && active != nullptr && active->is_string()) {
        refusal.headers.emplace_back(field::location, std::string{run::self_link(active->get_string()).view()});
    }
}

} // namespace

Refusal refusal_for(const pq::Error& error) {
    if (auto typed = pq::typed_refusal(error)) {
        Refusal refusal{static_cast<status>(typed->http_status), std::move(typed->code), error.what(),
                        std::move(typed->param), std::move(typed->extra)};
        add_location(refusal);
        return refusal;
    }
    if (const auto* const doubt = dynamic_cast<const pq::InDoubt*>(&error)) {
        return in_doubt(doubt->ids());
    }
    switch (error.kind()) {
    case pq::ErrorKind::not_let_in:
        return refusal(ErrorKind::database_unavailable,
                       "The database does not let this server in, whose log says why.");
    case pq::ErrorKind::cannot_connect:
    case pq::ErrorKind::connection_lost:
    case pq::ErrorKind::in_doubt:
        return refusal(ErrorKind::database_unavailable);
    case pq::ErrorKind::timeout:
        return refusal(ErrorKind::timeout);
    case pq::ErrorKind::refused:
        return for_sqlstate(error.sqlstate());
    case pq::ErrorKind::misused:
        break;
    }
    return refusal(ErrorKind::internal_error);
}

bool is_unknown_run(const Refusal& refusal) {
    return refusal.error_code == "not_found" && refusal.param == "run_id";
}

std::optional<Refusal> refusal_in(std::string_view body) {
    if (!body.starts_with(R"({"error": {)")) {
        return std::nullopt;
    }
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

} // namespace pdpp::http
