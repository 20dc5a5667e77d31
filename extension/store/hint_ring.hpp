#pragma once
// Hints that wait to be sent: a ring of fixed size, in shared memory. Whoever calls its functions holds its lock.
//
// A transaction reserves room before it commits and puts its hints there afterwards, so what has committed always finds
// a place. The worker sends what waits and only then removes it: should it die in between, the next one sends it again.
// Until it is removed, nobody writes to its place, so the worker reads it without the lock.

#include <array>
#include <cstdint>
#include <span>

namespace pdpp::store {

struct HintRing {
    static constexpr std::uint32_t capacity = 1024;
    /// Hints that have waited for longer show that the worker does not get to it: better send one's own.
    static constexpr std::int64_t patience = 100'000; // microseconds
    /// Unless it is about to send some, and stands in line with others who notify: sending one's own is standing there
    /// too.
    static constexpr std::int64_t patience_in_line = 1'000'000;

    std::array<std::uint64_t, capacity> hints;
    std::uint64_t first; ///< the number of the oldest hint; numbers never restart
    std::uint64_t next;  ///< the number of the next
    std::uint32_t reserved;
    std::int64_t waiting_since; ///< of the oldest, if any; on the steady clock, as every `now` here
    bool being_sent;            ///< the worker has copied some, and not removed them yet

    [[nodiscard]] bool empty() const { return first == next; }

    bool reserve(std::uint32_t count, std::int64_t now) {
        const std::int64_t longest_wait = being_sent ? patience_in_line : patience;
        if ((!empty() && now - waiting_since > longest_wait) || next - first + reserved + count > capacity) {
            return false;
        }
        reserved += count;
        return true;
    }

    void release(std::uint32_t count) { reserved -= count; }

    void put(std::span<const std::uint64_t> fresh, std::int64_t now) {
        if (empty()) {
            waiting_since = now;
        }
        release(static_cast<std::uint32_t>(fresh.size()));
        for (const std::uint64_t hint : fresh) {
            hints[next % capacity] = hint;
            ++next;
        }
    }

    /// The number after the last that there is now, for the worker to send them.
    std::uint64_t begin_to_send() {
        being_sent = !empty();
        return next;
    }

    /// Removes those before that number: they have been sent, or never will be. Whatever another worker has removed
    /// meanwhile stays removed.
    void remove_before(std::uint64_t number, std::int64_t now) {
        being_sent = false;
        if (first < number) {
            first = number;
            waiting_since = now;
        }
    }
};

} // namespace pdpp::store
