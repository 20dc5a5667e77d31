#pragma once
// Reading a request to /rpc as PostgREST would: which function, with which arguments, and in what form the answer is
// wanted. Nothing here talks to the database.

#include "http/routes/rpc_functions.hpp"
#include "http/syntax/target.hpp"
#include "http/wire/message.hpp"
#include "pq/connection.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// Which rows of a result are wanted.
struct RowRange {
    std::int64_t offset = 0;
    std::optional<std::int64_t> limit;
};

struct RpcCall {
    const Function& function;
    std::vector<pq::Argument> arguments;
    RowRange range;
    bool wants_object = false; ///< the one row itself, not an array of it
    bool wants_count = false;
    std::string_view media_type;
    std::string applied_preferences; ///< for Preference-Applied; empty if there are none
};

/// Everything that GET, HEAD or POST says. Throws RpcError: 416 PGRST103 for a range of no rows, 406 PGRST106 for
/// another schema and PGRST107 for media types that are not on offer, 400 PGRST122 for unknown preferences under
/// handling=strict, 400 PGRST100 for filters, ordering and columns, which are not supported, 400 PGRST102 for a body
/// that cannot be read, 404 PGRST202 if the arguments are not those of the function, 400 22023 for
/// an array that is too long. Throws Refusal as read_json_body()
/// does.
RpcCall read_call(const Function& function, const Target& target, const Request& request);

} // namespace pdpp::http
