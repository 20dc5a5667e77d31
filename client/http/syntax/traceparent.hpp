#pragma once
// The traceparent header of W3C Trace Context (https://www.w3.org/TR/trace-context/), by which a caller says which
// trace its request belongs to.

#include "http/wire/message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

/// The trace id in `traceparent`: 32 lower-case hex digits, not all of them zero. Nothing if the header is malformed or
/// of version ff; one of a later version is read by its first four fields, as the standard has it.
std::optional<std::string> trace_id_in(std::string_view traceparent);

/// The trace that a request belongs to, if it has one traceparent, and that one well-formed.
std::optional<std::string> trace_of(const Request& request);

} // namespace pdpp::http
