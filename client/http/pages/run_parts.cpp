#include "http/pages/run_parts.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>

namespace pdpp::http {

std::vector<const ShownEvent*> events_read(const RunPageParts& parts, std::span<const RecentEvents> recent) {
    std::map<std::int64_t, const ShownEvent*, std::greater<>> events;
    const auto add = [&](const ShownEvents& read) {
        for (const auto& event : read.events) {
            events.try_emplace(event.seq, &event);
        }
    };
    add(parts.newest);
    for (const auto& each : recent) {
        add(each.found);
    }
    if (parts.first) {
        add(*parts.first);
    }
    std::vector<const ShownEvent*> read;
    read.reserve(events.size());
    for (const auto& [seq, event] : events) {
        read.push_back(event);
    }
    return read;
}

std::int64_t last_seq(const RunPageParts& parts) {
    return parts.newest.events.empty() ? 0 : parts.newest.events.front().seq;
}

LookedAt looked_for_progress(const RunPageParts& parts) {
    LookedAt looked_at{.events = {}, .last = last_seq(parts)};
    std::span<const RecentEvents> recent;
    if (parts.newest.truncated) {
        // what ends before the newest begin, since it was too much for one answer, may lack the newest of a stream
        const bool is_whole =
            parts.progress && (!parts.progress->found.truncated ||
                               parts.progress->found.events.front().seq >= parts.newest.events.back().seq);
        looked_at.from = is_whole ? parts.progress->from : parts.newest.events.back().seq;
        looked_at.first = parts.first ? std::ssize(parts.first->events) : 0;
        recent = is_whole ? std::span{&*parts.progress, 1} : recent;
    }
    looked_at.events = events_read(parts, recent);
    return looked_at;
}

} // namespace pdpp::http
