#pragma once
// The page of a run.

#include "http/pages/page.hpp"
#include "http/pages/run_parts.hpp"

#include <cstdint>
#include <string_view>

namespace pdpp::http {

constexpr int events_on_page = 50;

/// `now` in milliseconds.
void fill_run_page(Page& page, const RunPageView& view, const RunPageParts& parts, std::int64_t now, const Room& room);

} // namespace pdpp::http
