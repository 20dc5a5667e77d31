#pragma once
// What a connector is told about the run it is part of.

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::controller {

/// The header of W3C Trace Context for a child of `trace_id`: `00-<trace id>-<random span id>-01`. Nothing if the trace
/// id is not 32 hex digits, with or without our `trc_` before them, or only zeros, which that standard forbids.
std::optional<std::string> traceparent(std::string_view trace_id);

/// The environment of a connector: PDPP_RUN_ID, PDPP_TRACE_ID and TRACEPARENT. Where there is no TRACEPARENT to give,
/// one that this process was started with is taken away: it belongs to another trace.
std::map<std::string, std::optional<std::string>> run_environment(const std::string& run_id,
                                                                  const std::string& trace_id);

} // namespace pdpp::controller
