#pragma once
// What the page of a run is made of: what its address asks for, and what was read of its events.

#include "http/pages/reading.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// What the address asks for beside the run.
struct RunPageView {
    bool oldest_first = false;
    std::string event_type; ///< empty for any
    std::string cursor;     ///< empty for the first page

    [[nodiscard]] bool is_plain() const { return !oldest_first && event_type.empty() && cursor.empty(); }
};

/// Those of a kind among the newest events of a run.
struct RecentEvents {
    ShownEvents found;     ///< newest first
    std::int64_t from = 1; ///< the number of the event from which on they were looked for
};

/// What was read for it. Of a run with few events all is in one read.
struct RunPageParts {
    std::string_view status;              ///< the body
    std::string last;                     ///< that of the timeline with the newest event alone, once the run has ended
    ShownEvents newest;                   ///< the newest of all, for the drawing
    std::optional<ShownEvents> asked;     ///< what the address asks for, if that is not the newest
    std::optional<ShownEvents> first;     ///< the first few, if those are not among the newest
    std::optional<ShownEvents> start;     ///< how it was started, if that is not among those
    std::optional<RecentEvents> progress; ///< those that tell of progress, likewise
    std::vector<RecentEvents> signs;      ///< those that the drawing has a sign for, likewise
};

/// The number of the newest event.
std::int64_t last_seq(const RunPageParts& parts);

/// All events that were read for the page, and these, each once, newest first.
std::vector<const ShownEvent*> events_read(const RunPageParts& parts, std::span<const RecentEvents> recent);

/// The events of a run among which something is looked for, newest first: all from one on, and a few at the beginning.
struct LookedAt {
    std::vector<const ShownEvent*> events;
    std::int64_t from = 1;  ///< the number of the event from which on all were looked at
    std::int64_t last = 0;  ///< that of the newest
    std::int64_t first = 0; ///< how many at the beginning

    [[nodiscard]] bool is_all() const { return from <= first + 1; }
};

/// Among which the progress of streams was looked for.
LookedAt looked_for_progress(const RunPageParts& parts);

} // namespace pdpp::http
