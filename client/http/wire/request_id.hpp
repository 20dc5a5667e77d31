#pragma once
// The name of a request: in its Request-Id header, in its error body and in the log.

#include "http/wire/message.hpp"

#include <string>
#include <string_view>

namespace pdpp::http {

/// True for 1 to 128 characters of `[A-Za-z0-9._:-]`: what can stand in a header and a log line as it is.
bool is_sane_request_id(std::string_view id);

/// `req_` and 32 random hexadecimal digits.
std::string new_request_id();

/// The Request-Id that the client sent if it is sane, else a new one.
std::string request_id_of(const Request& request);

} // namespace pdpp::http
