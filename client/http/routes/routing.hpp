#pragma once
// From a request to a row of the mapping table, and to the arguments of its SQL function.

#include "http/routes/mapping.hpp"
#include "http/syntax/target.hpp"
#include "http/wire/message.hpp"
#include "pq/connection.hpp"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// A value taken from the path.
struct PathVariable {
    std::string_view name;
    std::string_view value; ///< a view into the target
};

struct Match {
    const Route& route;
    std::vector<PathVariable> variables;
};

/// The route for a request. Throws Refusal: 404 `not_found` for a path that no route has, 405 `method_not_allowed` with
/// Allow for a path without this method. `target` must outlive the match.
Match find_route(std::span<const Route> table, verb method, const Target& target);

/// The same, but nothing where find_route() throws.
std::optional<Match> match_route(std::span<const Route> table, verb method, const Target& target);

/// The arguments of `call`, bound and checked. Throws Refusal 400 `invalid_request` for a query parameter or a member
/// of the body that is unknown, repeated or not of its format, and what read_json_body() throws. The body of a read is
/// not looked at.
std::vector<pq::Argument> bind_arguments(const SqlCall& call, std::span<const PathVariable> variables,
                                         std::span<const QueryParameter> query, const Request& request);

} // namespace pdpp::http
