#pragma once
// Times as pages show them. Without script in UTC; the script puts the reader's zone in their place.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

/// Milliseconds since 1970 of a time as bodies print it, `2026-01-31T08:09:10.045Z`; nothing for anything else.
std::optional<std::int64_t> millis_of(std::string_view time);

/// The time now, the same way round.
std::int64_t millis_now();
std::string time_of(std::int64_t millis);

/// `2026-01-31 08:09:10.045 UTC`
std::string readable_time(std::string_view time);

/// `452 ms`, `12.4 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`; page.js has the same rules.
std::string duration(std::int64_t millis);

/// `12,345`
std::string grouped(std::int64_t number);

/// The same of a number as it is printed, `-12,345.6`.
std::string grouped(std::string_view number);

} // namespace pdpp::http
