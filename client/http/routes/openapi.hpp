#pragma once
// The API as an OpenAPI 3.1 document: operations from the mapping table and that of /rpc, schemas and examples from
// openapi.json, errors from wire/errors.

#include "http/routes/mapping.hpp"
#include "http/routes/rpc_functions.hpp"

#include <span>
#include <string>
#include <string_view>

namespace pdpp::http {

/// The document, as JSON text. openapi.json holds the `components` that do not follow from the tables: `schemas`,
/// `securitySchemes`, and `examples`. The examples of a schema are named `<schema>.<case>`; those of an error are named
/// `Error.<code>` or `RpcError.<code>`, and hold the status of the answer as `x-status` and the names of the headers
/// that come with it as `x-headers`. Throws std::logic_error if a route or function names a schema or an error code
/// that has no component.
std::string openapi_document(std::span<const Route> routes, std::span<const Function> functions);

} // namespace pdpp::http
