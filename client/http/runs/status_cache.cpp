#include "http/runs/status_cache.hpp"

#include "pq/run_channel.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pdpp::http {

namespace {

/// What an entry takes beside itself, the id and the body: its tag, the links of its indexes, two buckets, and the
/// headers and rounding of two allocations.
constexpr std::size_t overhead = 152;

/// How many of those that are wanted an insert passes over: a memory full of them must not keep everybody waiting.
constexpr int second_chances = 16;

} // namespace

StatusCache::Entry::Entry(std::string_view id, const RunStatus& shown, Clock::time_point now)
    : run_number(pq::run_number(id)), kept_at(now) {
    text.reserve(id.size() + shown.etag.size() + shown.body.size());
    text.append(id).append(shown.etag).append(shown.body);
    const std::string_view all = text;
    run_id = all.substr(0, id.size());
    status = read_status(all.substr(id.size() + shown.etag.size()), all.substr(id.size(), shown.etag.size()));
}

std::size_t StatusCache::size_of(std::string_view run_id, std::string_view body) {
    return sizeof(Entry) + run_id.size() + body.size() + overhead;
}

const RunStatus* StatusCache::find(std::string_view run_id) {
    const auto& by_id = entries_.get<1>();
    const auto found = by_id.find(run_id);
    if (found == by_id.end()) {
        return nullptr;
    }
    found->is_wanted = true;
    return &found->status;
}

const RunStatus* StatusCache::find_fresh(std::string_view run_id, Clock::time_point now) {
    const auto& by_id = entries_.get<1>();
    const auto found = by_id.find(run_id);
    const bool is_fresh = found != by_id.end() && !found->is_in_doubt && now - found->kept_at < good_for;
    return is_fresh ? find(run_id) : nullptr;
}

void StatusCache::doubt(std::uint64_t run_number) {
    const auto [first, last] = entries_.get<2>().equal_range(run_number);
    std::for_each(first, last, [](const Entry& entry) { entry.is_in_doubt = true; });
}

void StatusCache::doubt_all() {
    std::ranges::for_each(entries_, [](const Entry& entry) { entry.is_in_doubt = true; });
}

void StatusCache::insert(std::string_view run_id, const RunStatus& status, Clock::time_point now) {
    const auto size = size_of(run_id, status.body);
    if (size > capacity_) {
        return;
    }
    auto& by_id = entries_.get<1>();
    if (const auto known = by_id.find(run_id); known != by_id.end()) {
        bytes_ -= size_of(known->run_id, known->status.body);
        by_id.erase(known);
    }
    entries_.emplace_front(run_id, status, now);
    bytes_ += size;
    while (bytes_ > capacity_) {
        drop_one();
    }
}

void StatusCache::drop_one() {
    const auto newest = entries_.begin();
    for (int chances = second_chances; chances > 0 && std::exchange(entries_.back().is_wanted, false); --chances) {
        entries_.relocate(std::next(newest), std::prev(entries_.end()));
    }
    const auto& last = entries_.back();
    bytes_ -= size_of(last.run_id, last.status.body);
    entries_.pop_back();
}

} // namespace pdpp::http
