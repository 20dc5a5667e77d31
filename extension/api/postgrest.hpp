#pragma once
// What only matters with PostgREST in front.

namespace pdpp::api {

/// An unknown run also sets the response's HTTP status, by the setting response.status.
void set_response_not_found();

} // namespace pdpp::api
