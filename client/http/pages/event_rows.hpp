#pragma once
// The events on the page of a run: the rows, and how far each stream is.

#include "http/pages/page.hpp"
#include "http/pages/reading.hpp"
#include "http/pages/run_parts.hpp"

#include <span>
#include <string_view>

namespace pdpp::http {

/// Adds a row for each. Data of some size is not in it but fetched when it is unfolded, so that a page stays small.
void add_event_rows(PageValues& page, std::string_view run_id, std::span<const ShownEvent> events, const Room& room);

/// Adds what the newest event of each stream says of its progress, if any does, and where else one would have to look:
/// at `more_url`.
void add_progress(PageValues& page, const LookedAt& looked_at, std::string_view more_url, const Room& room);

} // namespace pdpp::http
