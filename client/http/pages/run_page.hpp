#pragma once
// The page of a run.

#include "http/pages/page.hpp"
#include "http/pages/reading.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace pdpp::http {

constexpr int events_on_page = 50;

/// What the address asks for beside the run.
struct RunPageView {
    bool oldest_first = false;
    std::string event_type; ///< empty for any
    std::string cursor;     ///< empty for the first page

    [[nodiscard]] bool is_plain() const { return !oldest_first && event_type.empty() && cursor.empty(); }
};

/// What was read for it. Of a run with few events all of these are made of one read.
struct RunPageParts {
    std::string_view status; ///< the body
    ShownEvents shown;       ///< those on the page
    ShownEvents newest;      ///< the newest of all, for the drawing
    ShownEvents first;       ///< the first few
    ShownEvents progress;    ///< the newest that tell of progress
};

/// `now` in milliseconds. `here` is the path with its query.
void fill_run_page(Page& page, const RunPageView& view, const RunPageParts& parts, std::string_view here,
                   std::int64_t now);

} // namespace pdpp::http
