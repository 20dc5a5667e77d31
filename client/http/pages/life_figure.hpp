#pragma once
// The life of a run on its page: the drawing, what its signs mean, and what is not drawn.

#include "http/pages/life.hpp"
#include "http/pages/page.hpp"
#include "http/pages/run_parts.hpp"

#include <string_view>

namespace pdpp::http {

void add_life(PageValues& page, const LifeTimes& times, std::string_view status, const RunPageParts& parts,
              const Room& room);

} // namespace pdpp::http
