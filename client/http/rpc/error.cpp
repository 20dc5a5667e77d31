// Putting errors in PostgREST's words.

#include "http/rpc/error.hpp"

#include "http/runs/refusals.hpp"
#include "http/wire/envelope.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace pdpp::http {

namespace json = boost::json;

namespace {

struct Rule {
    std::string_view prefix; ///< of the SQLSTATE
    status code;
};

/// The first that fits counts, for what pq::is_passing() leaves.
constexpr std::array rules{
    Rule{"09", status::internal_server_error},
    Rule{"0L", status::forbidden},
    Rule{"0P", status::forbidden},
    Rule{"23503", status::conflict},
    Rule{"23505", status::conflict},
    Rule{"21000", status::internal_server_error},
    Rule{"25", status::internal_server_error},
    Rule{"2D", status::internal_server_error},
    Rule{"38", status::internal_server_error},
    Rule{"39", status::internal_server_error},
    Rule{"3B", status::internal_server_error},
    Rule{"28", status::forbidden},
    Rule{"53", status::internal_server_error},
    Rule{"55", status::internal_server_error},
    Rule{"57", status::internal_server_error},
    Rule{"F0", status::internal_server_error},
    Rule{"HV", status::internal_server_error},
    Rule{"XX", status::internal_server_error},
    Rule{"P0001", status::bad_request},
    Rule{"P0", status::internal_server_error},
    Rule{"42883", status::not_found},
    Rule{"42P01", status::not_found},
    Rule{"42P17", status::internal_server_error},
    Rule{"42501", status::forbidden},
};

/// nnn of `PTnnn`, if that is the status of an error.
std::optional<status> raised_status(std::string_view sqlstate) {
    if (!sqlstate.starts_with("PT")) {
        return std::nullopt;
    }
    int code = 0;
    const auto [stop, failure] = std::from_chars(sqlstate.data() + 2, sqlstate.data() + sqlstate.size(), code);
    if (failure != std::errc{} || stop != sqlstate.data() + sqlstate.size() || code < 400 || code > 599) {
        return std::nullopt;
    }
    return static_cast<status>(code);
}

std::optional<std::string> unless_empty(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional{text};
}

/// What may be said of an error whose own words may say too much.
std::string_view message_for(std::string_view sqlstate, status code) {
    if (sqlstate.starts_with("22")) {
        return "An argument does not have the form that its type demands.";
    }
    switch (code) {
    case status::bad_request:
        return "The database refuses this call.";
    case status::forbidden:
        return "The database does not allow this server to make this call.";
    case status::not_found:
        return "The database does not have this function.";
    case status::conflict:
        return "This is in conflict with what the database holds.";
    case status::service_unavailable:
        return "The database cannot do this just now. Try again.";
    case status::gateway_timeout:
        return "The database did not answer in time.";
    default:
        return "Something went wrong here.";
    }
}

/// PostgREST's code for a refusal of ours, where it has one.
std::string code_for(std::string_view error_code) {
    if (error_code == "database_unavailable") {
        return "PGRST000";
    }
    if (error_code == "internal_error") {
        return "PGRSTX00";
    }
    if (error_code == "timeout") {
        return "57014";
    }
    return std::string{error_code};
}

json::value string_or_null(const std::optional<std::string>& text) {
    return text ? json::value(*text) : json::value(nullptr);
}

} // namespace

status status_for_sqlstate(std::string_view sqlstate) {
    if (const auto raised = raised_status(sqlstate)) {
        return *raised;
    }
    if (sqlstate == pq::sqlstate::query_canceled) {
        return status::gateway_timeout;
    }
    if (pq::is_passing(sqlstate)) {
        return status::service_unavailable;
    }
    const auto* const rule =
        std::ranges::find_if(rules, [&](const Rule& candidate) { return sqlstate.starts_with(candidate.prefix); });
    return rule == rules.end() ? status::bad_request : rule->code;
}

RpcError rpc_error(const pq::Error& error) {
    // Without a SQLSTATE it is not the server that speaks.
    if (error.kind() != pq::ErrorKind::refused || error.sqlstate().empty()) {
        return rpc_error(refusal_for(error));
    }
    RpcError answer{status_for_sqlstate(error.sqlstate()), error.sqlstate(), error.what(), unless_empty(error.detail()),
                    unless_empty(error.hint())};
    if (pq::typed_refusal(error)) {
        answer.is_unknown_run = is_unknown_run(refusal_for(error));
    } else {
        answer.message = message_for(error.sqlstate(), answer.code);
        answer.details.reset();
        answer.hint.reset();
    }
    if (answer.code == status::service_unavailable) {
        answer.headers.emplace_back(field::retry_after, "1");
    }
    return answer;
}

RpcError range_not_satisfiable(std::string details) {
    return {.code = status::range_not_satisfiable,
            .error_code = "PGRST103",
            .message = "Requested range not satisfiable",
            .details = std::move(details)};
}

RpcError rpc_error(const Refusal& refusal) {
    RpcError error{.code = refusal.code,
                   .error_code = code_for(refusal.error_code),
                   .message = refusal.message,
                   .headers = refusal.headers};
    auto details = refusal.extra;
    if (!refusal.param.empty()) {
        details["param"] = refusal.param;
    }
    if (!details.empty()) {
        error.details = json::serialize(details);
    }
    return error;
}

Response rpc_error_response(const RpcError& error) {
    const json::object body{{"code", error.error_code},
                            {"details", string_or_null(error.details)},
                            {"hint", string_or_null(error.hint)},
                            {"message", error.message}};
    auto response = json_response(error.code, json::serialize(body));
    response.set(field::content_type, "application/json; charset=utf-8");
    response.set("Proxy-Status", "pdpp; error=" + error.error_code);
    if (error.code == status::unauthorized) {
        response.set(field::www_authenticate, "Bearer realm=\"pdpp\"");
    }
    for (const auto& [name, value] : error.headers) {
        response.set(name, value);
    }
    return response;
}

} // namespace pdpp::http
