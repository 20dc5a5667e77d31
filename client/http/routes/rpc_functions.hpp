#pragma once
// THE table of /rpc: which functions of the SQL API are served by PostgREST's conventions, and what they take. It
// stands beside the mapping of the other routes; all SQL of /rpc is made of its words.

#include "http/routes/mapping.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace pdpp::http {

struct FunctionArgument {
    std::string_view name;
    std::string_view type; ///< in SQL: `text`, `integer`, `timestamptz`, `interval`, `text[]` or `jsonb`
    bool is_required = false;
    /// Of jsonb: what takes the argument out of a whole JSON body that is sent in its place, so that no digit is lost.
    std::string_view from_body = {};
};

enum class ResultShape {
    scalar, ///< one jsonb value
    rows,   ///< RETURNS TABLE
};

struct Function {
    std::string_view name;
    CallKind kind; ///< what reads is STABLE in the database, all else VOLATILE
    std::vector<FunctionArgument> arguments;
    ResultShape shape;
    std::string_view schema; ///< of the value or of one row, a name in openapi.json
    Returns returns = Returns::anything;
};

std::span<const Function> functions();

/// The methods of a function, as Allow lists them.
std::string_view allowed_methods(const Function& function);

/// The media type of the one row itself.
constexpr std::string_view object_type = "application/vnd.pgrst.object+json";

} // namespace pdpp::http
