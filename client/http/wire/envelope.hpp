#pragma once
// The bodies and headers every answer has in common: the error envelope
// `{"error":{"type","code","message","param"?,"request_id",...}}` and the headers that go with a status.

#include "http/wire/message.hpp"

#include <string>
#include <string_view>

namespace pdpp::http {

/// The body of an error.
std::string error_body(const Refusal& refusal, std::string_view request_id);

/// A whole answer for a refusal, with the headers that it brings, and
/// `Cache-Control: no-store` with all.
Response error_response(const Refusal& refusal, std::string_view request_id);

/// The head of an answer whose JSON body, of `size` bytes, is to follow.
Response json_head(status code, std::size_t size, std::string_view cache_control);

/// A whole answer with a JSON body; that of 204 has none.
Response json_response(status code, std::string body, std::string_view cache_control = "no-store");

} // namespace pdpp::http
