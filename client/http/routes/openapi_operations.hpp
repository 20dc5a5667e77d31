#pragma once
// One operation of the OpenAPI document.

#include "http/routes/mapping.hpp"
#include "http/routes/rpc_functions.hpp"
#include "http/wire/message.hpp"

#include <boost/json/object.hpp>

namespace pdpp::http::openapi {

/// The operation of a route; responses that others have too become `components`. Throws std::logic_error if the route
/// names a schema or an error code that has no component.
boost::json::object operation(const Route& route, verb method, boost::json::object& components);

/// The same of a function at /rpc.
boost::json::object rpc_operation(const Function& function, verb method, boost::json::object& components);

} // namespace pdpp::http::openapi
