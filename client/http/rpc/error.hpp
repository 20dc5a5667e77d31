#pragma once
// Errors of /rpc, in the form of PostgREST: `{"code","details","hint","message"}`, every key always present, with
// PostgREST's own codes (PGRSTnnn) where it has one for the case, and SQLSTATEs for what the database refused.

#include "http/wire/message.hpp"
#include "pq/error.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::http {

/// Why a call is not made, or has failed. Thrown by the stages of /rpc.
struct RpcError {
    status code;
    std::string error_code;
    std::string message;
    std::optional<std::string> details = {};
    std::optional<std::string> hint = {};
    std::vector<std::pair<field, std::string>> headers = {};
    bool is_unknown_run = false; ///< a run id was never handed out
};

/// The HTTP status of a SQLSTATE, by PostgREST's table, but for what is not our caller's fault and not a fault of ours
/// either: a cancelled statement is 504, and what passes (pq::is_passing) is 503.
status status_for_sqlstate(std::string_view sqlstate);

/// A failed call. A typed refusal (PTnnn) keeps its message, DETAIL and HINT; of all else only the SQLSTATE gets out,
/// in words of our own.
RpcError rpc_error(const pq::Error& error);

/// 416 PGRST103.
RpcError range_not_satisfiable(std::string details);

/// A refusal of the stages that all requests pass through.
RpcError rpc_error(const Refusal& refusal);

/// The whole answer, with Proxy-Status, and the headers that its status demands.
Response rpc_error_response(const RpcError& error);

} // namespace pdpp::http
