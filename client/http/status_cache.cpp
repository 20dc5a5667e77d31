#include "http/status_cache.hpp"

namespace pdpp::http {

namespace {

/// What the index and the allocator take for an entry, beside its text: the links of both indexes, a bucket, and the
/// headers and rounding of three allocations.
constexpr std::size_t overhead = 128;

} // namespace

std::size_t StatusCache::size_of(const Entry& entry) {
    return sizeof(Entry) + entry.run_id.capacity() + entry.body.capacity() + overhead;
}

std::optional<std::string> StatusCache::find(std::string_view run_id) {
    const auto& by_id = entries_.get<1>();
    const auto found = by_id.find(run_id, Hash{}, std::equal_to<>{});
    if (found == by_id.end())
        return std::nullopt;
    entries_.relocate(entries_.begin(), entries_.project<0>(found));
    return found->body;
}

void StatusCache::insert(std::string_view run_id, std::string_view body) {
    if (capacity_ == 0)
        return;
    Entry entry{std::string{run_id}, std::string{body}};
    const auto size = size_of(entry);
    if (size > capacity_)
        return;
    if (!entries_.push_front(std::move(entry)).second)
        return; // another request was faster
    bytes_ += size;
    while (bytes_ > capacity_) {
        bytes_ -= size_of(entries_.back());
        entries_.pop_back();
    }
}

} // namespace pdpp::http
