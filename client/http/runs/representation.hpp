#pragma once
// The answers to calls that succeeded: what the SQL function returned, under the headers that it deserves.

#include "http/runs/run_status.hpp"
#include "http/wire/message.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace pdpp::http {

constexpr std::array<std::string_view, 1> json_only{"application/json"};

/// For Vary: what decides on an answer to a read beside its path: its form, and who asks.
constexpr std::string_view varies_by = "Accept, Authorization, Cookie";

/// The one of the media types on `offer` that the request would like best. Throws Refusal 406 `not_acceptable` if it
/// accepts none of them.
std::string_view acceptable_type(const Request& request, std::span<const std::string_view> offer);

/// The answer to a read that `body` answers: 200 with an entity tag, or 304 without a body for a client that has it
/// already (If-None-Match). Throws Refusal 412 `precondition_failed` if If-Match asks for another one.
Response answer_to_read(const Request& request, std::string body);

/// The same for a status. How a run ended is good for ever, whatever may still change is to be asked for again.
Response answer_to_status(const Request& request, const RunStatus& run_status);
Response answer_to_status(const Request& request, StatusText text);

/// The answer to an admission: where to find the run, and, if the run is part of the trace that the request came with,
/// its traceparent.
Response answer_to_admission(const Request& request, status success, std::string acknowledgement);

} // namespace pdpp::http
