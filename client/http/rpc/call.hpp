#pragma once
// `/rpc/{function}`: the SQL API by PostgREST's conventions, so that its clients find here what they know. What is
// served, and what is not, stands in docs/reference/http.md.

#include "http/rpc/request.hpp"
#include "http/runs/database.hpp"
#include "http/wire/message.hpp"

#include <boost/asio/awaitable.hpp>

#include <string_view>

namespace pdpp::http {

/// The answer to OPTIONS.
Response rpc_options(const Function& function);

/// Makes the call and answers with its result: a read in one read-only transaction that knows the request's method and
/// path, as PostgREST makes it, a write as all writes of the gateway are made. Throws RpcError; failures that are not
/// the client's doing are logged under `request_id`.
boost::asio::awaitable<Response> answer_rpc(Database& database, const RpcCall& call, const Request& request,
                                            std::string_view request_id);

} // namespace pdpp::http
