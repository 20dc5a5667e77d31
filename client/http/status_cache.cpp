#include "http/status_cache.hpp"

#include "http/etag.hpp"
#include "http/status_body.hpp"

#include <iterator>
#include <utility>

namespace pdpp::http {

namespace {

/// What an entry takes beside itself, the id and the body: its tag, the links of both indexes, a bucket, and the
/// headers and rounding of two allocations.
constexpr std::size_t overhead = 128;

/// How many of those that are wanted an insert passes over: a memory full of them must not keep everybody waiting.
constexpr int second_chances = 16;

} // namespace

StatusCache::Entry::Entry(std::string_view id, std::string_view body) {
    const auto etag = entity_tag(body);
    text.reserve(id.size() + etag.size() + body.size());
    text.append(id).append(etag).append(body);
    run_id = std::string_view{text}.substr(0, id.size());
    ending.etag = std::string_view{text}.substr(id.size(), etag.size());
    ending.body = std::string_view{text}.substr(id.size() + etag.size());
    ending.status = status_in_body(ending.body);
    ending.trace_id = trace_id_in_body(ending.body);
    ending.timeline_link = timeline_link_in_body(ending.body);
}

std::size_t StatusCache::size_of(std::string_view run_id, std::string_view body) {
    return sizeof(Entry) + run_id.size() + body.size() + overhead;
}

const Ending* StatusCache::find(std::string_view run_id) {
    const auto& by_id = entries_.get<1>();
    const auto found = by_id.find(run_id);
    if (found == by_id.end())
        return nullptr;
    found->is_wanted = true;
    return &found->ending;
}

void StatusCache::insert(std::string_view run_id, std::string_view body) {
    const auto size = size_of(run_id, body);
    if (size > capacity_)
        return;
    if (!entries_.emplace_front(run_id, body).second)
        return; // another request was faster
    bytes_ += size;
    while (bytes_ > capacity_)
        drop_one();
}

void StatusCache::drop_one() {
    const auto newest = entries_.begin();
    for (int chances = second_chances; chances > 0 && std::exchange(entries_.back().is_wanted, false); --chances)
        entries_.relocate(std::next(newest), std::prev(entries_.end()));
    const auto& last = entries_.back();
    bytes_ -= size_of(last.run_id, last.ending.body);
    entries_.pop_back();
}

} // namespace pdpp::http
