#pragma once
// The API as an OpenAPI 3.1 document: operations from the mapping table and that of /rpc, schemas and examples from
// openapi_components.cpp.

#include "http/routes/mapping.hpp"
#include "http/routes/rpc_functions.hpp"

#include <span>
#include <string>
#include <string_view>

namespace pdpp::http {

/// The document, as JSON text. Throws std::logic_error if a route or function names a schema or an error code that
/// has no component.
std::string openapi_document(std::span<const Route> routes, std::span<const Function> functions);

/// The `components` that do not follow from the table, as JSON text: `schemas`, `securitySchemes`, and `examples`. The
/// examples of a schema are named `<schema>.<case>`; those of an error are named `Error.<code>` or `RpcError.<code>`,
/// and hold the status of the answer as `x-status` and the names of the headers that come with it as `x-headers`.
std::string_view openapi_components();

} // namespace pdpp::http
