#pragma once
// Times as clients write them.

#include <string_view>

namespace pdpp::http {

/// Whether this is a time as RFC 3339 has it (`2026-01-31T08:09:10.045Z`, or with an offset), one that exists and that
/// PostgreSQL takes: from the year 1, without leap seconds.
bool is_timestamp(std::string_view text);

} // namespace pdpp::http
