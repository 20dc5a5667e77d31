#pragma once
// The arguments of SQL functions: taken, checked, refused.

#include "boundary.hpp"

#include <optional>
#include <string_view>

namespace pdpp::api {

std::optional<std::string_view> text_argument(FunctionCallInfo fcinfo, int index);

std::optional<run::Instant> instant_argument(FunctionCallInfo fcinfo, int index);

/// A time that a run is given, in microseconds; nothing for null, or where the function was declared without it.
/// Refuses what is no such time.
std::optional<std::int64_t> timeout_argument(FunctionCallInfo fcinfo, int index, std::string_view param);

/// An interval that the caller must give, in microseconds, months counted as 30 days; refuses null and less than
/// nothing. What is longer than a life becomes one.
std::int64_t duration_argument(FunctionCallInfo fcinfo, int index, std::string_view param);

/// How deep data of so many bytes are nested, if that is deeper than what can be printed again: whatever prints JSON
/// calls itself for each level, and the server ends a call whose stack has no room left. 0 if all is well.
int too_deep(const JsonbContainer* data, int bytes);

/// The data argument of a writer, null standing for {}; refuses anything but an object, more than
/// pdpp.max_event_bytes, and what is nested too deep to be printed again.
Jsonb* data_argument(FunctionCallInfo fcinfo, int index);

/// An id that the caller must bring; refuses null and impossible ids.
std::string_view required_id(FunctionCallInfo fcinfo, int index, std::string_view param);

/// An id that the caller may bring; refuses impossible ids.
std::optional<std::string_view> optional_id(FunctionCallInfo fcinfo, int index, std::string_view param);

} // namespace pdpp::api
