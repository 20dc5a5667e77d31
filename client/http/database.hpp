#pragma once
// The one stage that talks to the database: a SQL function's jsonb, or the refusal that its failure amounts to.

#include "http/mapping.hpp"
#include "pq/pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// What a failed call means for the client: a typed refusal (SQLSTATE PTnnn) is passed on with its status and DETAIL
/// (and the Location of the run that is in the way), a write whose fate is unknown is 503 `in_doubt` with the ids to
/// look for, a timeout is 504, a database that is away, busy or going down is 503 with Retry-After, and anything else
/// is 500. No text of the database gets out but a typed refusal's own.
Refusal refusal_for(const pq::Error& error);

/// The refusal in a body that is an error envelope, `{"error": {...}}`, as reads answer for an unknown run; nothing if
/// it is not one. A body is jsonb as PostgreSQL prints it, so its first bytes tell, and the body of a run, which may be
/// megabytes long, is neither parsed nor copied.
std::optional<Refusal> refusal_in(std::string_view body);

/// Calls the function and returns its answer byte for byte, an error envelope too; that of a write once it is known to
/// have committed, whatever happened to the connection. Throws pq::Error.
boost::asio::awaitable<std::string> call_function(pq::Pool& pool, CallKind kind, std::string_view function,
                                                  std::vector<pq::Argument> arguments,
                                                  std::chrono::milliseconds timeout, std::string_view request_id);

/// Calls the function and returns its answer byte for byte; that of a write once it is known to have committed,
/// whatever happened to the connection. Throws Refusal; failures that are not the client's doing are logged under
/// `request_id`.
boost::asio::awaitable<std::string> ask_database(pq::Pool& pool, const SqlCall& call,
                                                 std::vector<pq::Argument> arguments, std::chrono::milliseconds timeout,
                                                 std::string_view request_id);

} // namespace pdpp::http
