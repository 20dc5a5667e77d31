#pragma once
// The bodies and headers every answer has in common: the error envelope
// `{"error":{"type","code","message","param"?,"request_id",...}}` and the headers that go with a status.

#include "http/wire/message.hpp"

#include <string>
#include <string_view>

namespace pdpp::http {

/// `type` of the error object, which depends on the status alone.
std::string_view error_type(status code);

/// The body of an error.
std::string error_body(const Refusal& refusal, std::string_view request_id);

/// A whole answer for a refusal, with the headers that its status demands: WWW-Authenticate with 401,
/// `Cache-Control: no-store` with all.
Response error_response(const Refusal& refusal, std::string_view request_id);

/// A whole answer with a JSON body, or none at all when `body` is empty.
Response json_response(status code, std::string body, std::string_view cache_control = "no-store");

} // namespace pdpp::http
