#pragma once
// Which numbers of the other server's events have been seen. As long as a number is one row's, a row that has not been
// seen has a number that has not been seen: whatever commits late, or out of its order, is among those.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

namespace pdpp::moving_in {

/// Numbers from the first to the last, both included.
struct Range {
    std::int64_t first;
    std::int64_t last;

    friend bool operator==(const Range&, const Range&) = default;
};

class SeenNumbers {
  public:
    /// Takes a range in that may touch those that are there, or lie over them.
    void add(Range range);

    [[nodiscard]] bool contains(std::int64_t number) const;

    /// Where numbers are missing: before, between and behind those that were seen. Always the last, where all but the
    /// late ones are to be found, and the `newest` before it, where most of those are; of the others up to `limit`,
    /// from the one that `from` says on, round and round.
    [[nodiscard]] std::vector<Range> missing(std::size_t from, std::size_t limit, std::size_t newest) const;

    /// How many ranges are missing but the last.
    [[nodiscard]] std::size_t gaps() const { return seen_.size(); }

  private:
    std::map<std::int64_t, std::int64_t> seen_; ///< the last of each range, by its first
};

} // namespace pdpp::moving_in
