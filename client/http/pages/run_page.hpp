#pragma once
// The page of a run.

#include "http/pages/page.hpp"
#include "http/pages/reading.hpp"

#include <cstdint>
#include <optional>
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

/// What was read for it. Of a run with few events all is in one read.
struct RunPageParts {
    std::string_view status;             ///< the body
    ShownEvents newest;                  ///< the newest of all, for the drawing
    std::optional<ShownEvents> asked;    ///< what the address asks for, if that is not the newest
    std::optional<ShownEvents> first;    ///< the first few, if those are not among the newest
    std::optional<ShownEvents> progress; ///< the newest that tell of progress, likewise
};

/// `now` in milliseconds. `here` is the path with its query.
void fill_run_page(Page& page, const RunPageView& view, const RunPageParts& parts, std::string_view here,
                   std::int64_t now);

} // namespace pdpp::http
