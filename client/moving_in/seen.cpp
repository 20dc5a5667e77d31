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

std::vector<Range> SeenNumbers::missing(std::size_t from, std::size_t limit, std::size_t newest) const {
    if (seen_.empty()) {
        return {{lowest, highest}};
    }
    std::vector<Range> ranges;
    const auto add_before = [&](auto seen) {
        if (seen->first != lowest) {
            ranges.push_back({seen == seen_.begin() ? lowest : std::prev(seen)->second + 1, seen->first - 1});
        }
    };
    const auto older = seen_.size() - std::min(newest, seen_.size());
    const auto end_of_older = std::prev(seen_.end(), static_cast<std::ptrdiff_t>(seen_.size() - older));
    auto at = older == 0 ? seen_.begin() : std::next(seen_.begin(), static_cast<std::ptrdiff_t>(from % older));
    for (std::size_t i = 0; i < std::min(limit, older); ++i) {
        add_before(at);
        at = std::next(at) == end_of_older ? seen_.begin() : std::next(at);
    }
    for (at = end_of_older; at != seen_.end(); ++at) {
        add_before(at);
    }
    if (const auto last = std::prev(seen_.end())->second; last != highest) {
        ranges.push_back({last + 1, highest});
    }
    return ranges;
}

} // namespace pdpp::moving_in
