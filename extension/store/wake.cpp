#include "store/wake.hpp"

#include "boundary.hpp"
#include "store/shared_memory.hpp"

#include <array>
#include <atomic>
#include <optional>
#include <utility>

namespace pdpp::store {

namespace {

/// A database that is or was served. What its sessions and its worker change, they change under its lock, each
/// database's of its own, and only for as long as that takes: nothing is searched and nothing is sent meanwhile.
struct Place {
    slock_t mutex;
    Latch* latch;     ///< the worker's, of a process' place in shared memory; null if there is no worker just now
    bool has_hints;   ///< the latch has been set for the hints that wait
    bool has_to_look; ///< a session that it watches has ended
    HintRing ring;
};

using Index = std::size_t;

struct Workers {
    static constexpr const char* name = "pdpp workers";

    LWLock assignment; ///< of places to databases; taken before a place's lock, by workers that come and go
    std::atomic<pid_t> launcher;
    /// Of each place; invalid if it is free. Apart from them, since it is searched without a lock; it changes under
    /// both.
    std::array<std::atomic<Oid>, max_served_databases> databases;
    std::array<Place, max_served_databases> places;

    void initialise() {
        LWLockInitialize(&assignment, LWLockNewTrancheId());
        for (Place& place : places) {
            SpinLockInit(&place.mutex);
        }
    }
};

Workers* workers() {
    return SharedMemory<Workers>::get();
}

/// Where room was reserved. It stays this database's until the room is used.
Index reserved_place = 0;

/// The place of a database; that of none for an invalid one.
std::optional<Index> place_of(Oid database) {
    for (Index i = 0; i < workers()->databases.size(); ++i) {
        if (workers()->databases[i].load(std::memory_order_relaxed) == database) {
            return i;
        }
    }
    return {};
}

/// Calls body(place), which gives a T, under the lock of the place of this session's database. T{} without a place.
template <typename T, typename Body>
T at_place(Body body) {
    const auto index = place_of(MyDatabaseId);
    if (!index) {
        return T{};
    }
    Place& place = workers()->places[*index];
    return locked(place.mutex, [&] {
        return workers()->databases[*index].load(std::memory_order_relaxed) == MyDatabaseId ? body(place) : T{};
    });
}

/// The same if it is the place of this worker: another may have taken it over.
template <typename T, typename Body>
T at_own_place(Body body) {
    return at_place<T>([&](Place& place) { return place.latch == MyLatch ? body(place) : T{}; });
}

/// A place for a worker of this database: its predecessor's, a free one, or one whose database is not served any more.
std::optional<Index> choose_place() {
    if (const auto place = place_of(MyDatabaseId)) {
        return place;
    }
    if (const auto place = place_of(InvalidOid)) {
        return place;
    }
    for (Index i = 0; i < workers()->places.size(); ++i) {
        Place& place = workers()->places[i];
        if (locked(place.mutex, [&] { return place.latch == nullptr && place.ring.reserved == 0; })) {
            return i;
        }
    }
    return {};
}

/// Takes it, unless a session has reserved room there for the database that had it.
bool take_place(Index index) {
    Place& place = workers()->places[index];
    std::atomic<Oid>& database = workers()->databases[index];
    return locked(place.mutex, [&] {
        if (database != MyDatabaseId) {
            if (place.ring.reserved != 0) {
                return false;
            }
            place.ring.first = place.ring.next;
            database = MyDatabaseId;
        }
        place.latch = MyLatch;
        place.ring.being_sent = false; // by a worker that is gone
        place.has_hints = false;
        place.has_to_look = false;
        return true;
    });
}

/// The worker ends. What waits to be sent, or is about to, waits for the next one.
void leave_place(int /*code*/, Datum /*argument*/) {
    LWLockAcquire(&workers()->assignment, LW_EXCLUSIVE);
    at_own_place<bool>([](Place& place) {
        place.latch = nullptr;
        if (place.ring.empty() && place.ring.reserved == 0) {
            workers()->databases[static_cast<Index>(&place - workers()->places.data())] = InvalidOid;
        }
        return true;
    });
    LWLockRelease(&workers()->assignment);
}

void wake_worker(int /*code*/, Datum /*argument*/) {
    auto* latch = at_place<Latch*>([](Place& place) {
        place.has_to_look = true;
        return place.latch;
    });
    if (latch != nullptr) {
        SetLatch(latch);
    }
}

} // namespace

void prepare_wake() {
    SharedMemory<Workers>::request();
}

void be_launcher() {
    workers()->launcher = MyProcPid;
}

pid_t launcher_pid() {
    return workers()->launcher;
}

void wake_worker_at_exit() {
    static bool registered = false;
    if (workers() == nullptr || registered) {
        return;
    }
    // Callbacks run latest first, and all before_shmem_exit ones, which free the session's locks, before any of these.
    on_shmem_exit(wake_worker, Datum{0});
    registered = true;
}

bool reserve_hints(std::size_t count) {
    if (workers() == nullptr) {
        return false;
    }
    const std::int64_t now = steady_micros();
    return at_place<bool>([&](Place& place) {
        if (place.latch == nullptr || !place.ring.reserve(static_cast<std::uint32_t>(count), now)) {
            return false;
        }
        reserved_place = static_cast<Index>(&place - workers()->places.data());
        return true;
    });
}

void hand_over_hints(std::span<const std::uint64_t> hints) {
    const std::int64_t now = steady_micros();
    Place& place = workers()->places[reserved_place];
    Latch* latch = locked(place.mutex, [&]() -> Latch* {
        place.ring.put(hints, now);
        return std::exchange(place.has_hints, true) ? nullptr : place.latch;
    });
    if (latch != nullptr) {
        SetLatch(latch);
    }
}

void release_hints(std::size_t count) {
    Place& place = workers()->places[reserved_place];
    locked(place.mutex, [&] { place.ring.release(static_cast<std::uint32_t>(count)); });
}

void be_woken() {
    LWLockAcquire(&workers()->assignment, LW_EXCLUSIVE);
    const auto index = choose_place();
    const bool placed = index && take_place(*index);
    LWLockRelease(&workers()->assignment);
    if (placed) { // otherwise it looks at its intervals only
        on_shmem_exit(leave_place, Datum{0});
    }
}

bool session_has_ended() {
    return at_own_place<bool>([](Place& place) { return std::exchange(place.has_to_look, false); });
}

bool any_waiting_hints() {
    return at_own_place<bool>([](const Place& place) { return !place.ring.empty(); });
}

void copy_waiting_hints(WaitingHints& waiting) {
    struct Range {
        const HintRing* ring;
        std::uint64_t first;
        std::uint64_t next;
    };
    const auto range = at_own_place<Range>([](Place& place) {
        place.has_hints = false; // whoever comes from now on sets the latch again
        return Range{.ring = &place.ring, .first = place.ring.first, .next = place.ring.begin_to_send()};
    });
    waiting.count = 0;
    for (std::uint64_t number = range.first; number != range.next; ++number) { // none without a ring
        waiting.hints[waiting.count] = range.ring->hints[number % HintRing::capacity];
        ++waiting.count;
    }
    waiting.until = range.next;
}

void forget_hints(const WaitingHints& tried) {
    const std::int64_t now = steady_micros();
    at_own_place<bool>([&](Place& place) {
        place.ring.remove_before(tried.until, now);
        return true;
    });
}

} // namespace pdpp::store
