#pragma once
// Which function a request to /rpc calls.

#include "http/routes/rpc_functions.hpp"
#include "http/rpc/error.hpp"
#include "http/syntax/target.hpp"
#include "http/wire/message.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// The one schema there is, whatever the extension's is called: what clients send unless told otherwise.
constexpr std::string_view rpc_schema = "public";

/// Whether a target is answered by these conventions: `/rpc` and what is below it.
bool is_rpc(std::string_view target);

/// The function at /rpc/{function}. Throws RpcError 404: PGRST125 for another path, PGRST202, with a hint if a name is
/// near, for a name that is not in `table`.
const Function& find_function(std::span<const Function> table, const Target& target);

/// Throws RpcError 405: PGRST101 for a method that no function has, 25006 for GET and HEAD of one that writes.
void check_method(const Function& function, verb method);

/// 404 PGRST202: the function does not have these arguments.
RpcError no_such_function(const Function& function, const std::vector<std::string>& names);

} // namespace pdpp::http
