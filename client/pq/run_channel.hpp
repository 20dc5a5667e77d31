#pragma once
// The channel on which the database says that something was committed about a run.

#include <string>
#include <string_view>

namespace pdpp::pq {

constexpr auto run_channel = "pdpp_run";

/// What names `run_id` in a notification: the first 16 hex digits of its SHA-256. Anybody may LISTEN, so the id itself
/// is not sent.
std::string run_digest(std::string_view run_id);

} // namespace pdpp::pq
