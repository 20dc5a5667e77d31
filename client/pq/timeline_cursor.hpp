#pragma once
// Cursors of the timeline for whoever serves it event by event: pdpp_run_timeline() hands out one a page.

#include <cstdint>
#include <string>
#include <string_view>

namespace pdpp::pq {

/// The cursor that resumes behind the event `event_seq` of a run: what pdpp_run_timeline() returns as next_cursor for a
/// page that ends there (extension/api/timeline.cpp).
std::string timeline_cursor(std::string_view run_id, std::int64_t event_seq);

} // namespace pdpp::pq
