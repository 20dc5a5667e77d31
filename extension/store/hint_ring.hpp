/*
 * Hints that wait to be sent: a ring of fixed size, in shared memory. Whoever uses it holds its lock.
 *
 * A transaction reserves room before it commits and puts its hints there afterwards, so what has committed always finds
 * a place. The worker copies what waits, sends it, and only then removes it: should it die in between, the next one
 * sends it again.
 */
#pragma once

#include "pg.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace pdpp::store {

struct HintRing {
    static constexpr std::uint32_t capacity = 1024;
    /// Hints that have waited for longer show that the worker does not get to it: better send one's own.
    static constexpr TimestampTz patience = 100'000; // microseconds

    std::array<std::uint64_t, capacity> hints;
    std::uint64_t first; ///< the number of the oldest hint; numbers never restart
    std::uint64_t next;  ///< the number of the next
    std::uint32_t reserved;
    TimestampTz waiting_since; ///< of the oldest, if any

    [[nodiscard]] bool empty() const { return first == next; }

    bool reserve(std::uint32_t count, TimestampTz now) {
        if ((!empty() && now - waiting_since > patience) || next - first + reserved + count > capacity) {
            return false;
        }
        reserved += count;
        return true;
    }

    void release(std::uint32_t count) { reserved -= count; }

    void put(std::span<const std::uint64_t> fresh, TimestampTz now) {
        if (empty()) {
            waiting_since = now;
        }
        release(static_cast<std::uint32_t>(fresh.size()));
        for (const std::uint64_t hint : fresh) {
            hints[next % capacity] = hint;
            ++next;
        }
    }

    /// All that wait, oldest first; returns how many.
    std::uint32_t copy_to(std::array<std::uint64_t, capacity>& copy) const {
        std::uint32_t count = 0;
        for (std::uint64_t number = first; number != next; ++number) {
            copy[count] = hints[number % capacity];
            ++count;
        }
        return count;
    }

    /// Removes those before that number. Whatever another worker has removed meanwhile stays removed.
    void remove_before(std::uint64_t number, TimestampTz now) {
        if (first < number) {
            first = number;
            waiting_since = now;
        }
    }
};

} // namespace pdpp::store
