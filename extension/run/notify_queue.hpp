#pragma once
// How much of the server's queue of notifications is ours.

#include <algorithm>
#include <cstddef>

namespace pdpp::run {

/// How many hints the queue takes, `pages` long and full to `usage` (0 to 1). An eighth of it is left to what others
/// have to say.
[[nodiscard]] constexpr std::size_t hints_that_fit(double usage, double pages) {
    constexpr double hints_of_page = 150; // one takes 44 bytes of 8,192
    const double free_pages = pages * (7.0 / 8 - usage) - 1;
    return static_cast<std::size_t>(std::max(free_pages, 0.0) * hints_of_page);
}

} // namespace pdpp::run
