#include "moving_in/seen.hpp"

#include <algorithm>
#include <iterator>

namespace pdpp::moving_in {

namespace {

constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
constexpr auto highest = std::numeric_limits<std::int64_t>::max();

} // namespace

void SeenNumbers::add(Range range) {
    auto next = seen_.upper_bound(range.first);
    if (next != seen_.begin()) {
        const auto before = std::prev(next);
        if (before->second >= range.first || before->second + 1 == range.first) {
            range = {before->first, std::max(range.last, before->second)};
            seen_.erase(before);
        }
    }
    while (next != seen_.end() &&
           (next->first <= range.last || (range.last != highest && next->first == range.last + 1))) {
        range.last = std::max(range.last, next->second);
        next = seen_.erase(next);
    }
    seen_.emplace(range.first, range.last);
}

bool SeenNumbers::contains(std::int64_t number) const {
    const auto next = seen_.upper_bound(number);
    return next != seen_.begin() && std::prev(next)->second >= number;
}

std::vector<Range> SeenNumbers::missing(std::size_t from, std::size_t limit) const {
    if (seen_.empty()) {
        return {{lowest, highest}};
    }
    std::vector<Range> ranges;
    const auto count = std::min(limit, seen_.size());
    auto at = std::next(seen_.begin(), static_cast<std::ptrdiff_t>(from % seen_.size()));
    for (std::size_t i = 0; i < count; ++i) {
        const auto behind = at == seen_.begin() ? lowest : std::prev(at)->second + 1;
        if (at->first != lowest) {
            ranges.push_back({behind, at->first - 1});
        }
        at = std::next(at) == seen_.end() ? seen_.begin() : std::next(at);
    }
    if (const auto last = std::prev(seen_.end())->second; last != highest) {
        ranges.push_back({last + 1, highest});
    }
    return ranges;
}

} // namespace pdpp::moving_in
