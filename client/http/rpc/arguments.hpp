#pragma once
// The arguments of a call at /rpc: what the body gives, and how all of it is bound to the function's.

#include "http/routes/rpc_functions.hpp"
#include "http/wire/message.hpp"
#include "pq/connection.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace pdpp::http {

/// What a request gives for an argument.
struct GivenArgument {
    pq::Parameter value;  ///< text for PostgreSQL to read, or NULL
    bool is_body = false; ///< it is the whole body, for PostgreSQL to take the argument out of
};

/// By name.
using RpcArguments = std::map<std::string, GivenArgument, std::less<>>;

/// Of an array that is an argument: each may be a row of the result to be looked for.
constexpr std::size_t most_elements = 5000;

/// What the body of a POST gives, JSON or a form. Throws RpcError 400 PGRST102 if it cannot be read, and Refusal as
/// read_json_body() does.
RpcArguments body_arguments(const Function& function, const Request& request);

/// Throws RpcError: 404 PGRST202 if these are not the arguments of the function, 400 22023 for an array that is too
/// long.
std::vector<pq::Argument> bind_arguments(const Function& function, RpcArguments arguments);

} // namespace pdpp::http
