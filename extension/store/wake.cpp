#include "store/wake.hpp"

#include <array>
#include <type_traits>
#include <utility>

namespace pdpp::store {

namespace {

/// A database that is or was served.
struct Place {
    Oid database;     ///< invalid if the place is free
    Latch* latch;     ///< the worker's, of a process' place in shared memory; null if there is no worker just now
    bool has_hints;   ///< the latch has been set for the hints that wait
    bool has_to_look; ///< a session that it watches has ended
};

struct Workers {
    slock_t mutex;
    pid_t launcher;
    std::array<Place, max_served_databases> places;
    std::array<HintRing, max_served_databases> rings; ///< of each place; beside them, since places are searched
};

Workers* workers = nullptr;
shmem_startup_hook_type earlier_startup_hook = nullptr;

/// Where room was reserved. It stays this database's until the room is used.
std::size_t reserved_place = 0;

void attach() {
    if (earlier_startup_hook != nullptr) {
        earlier_startup_hook();
    }
    bool found = false;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    workers = static_cast<Workers*>(ShmemInitStruct("pdpp workers", sizeof(Workers), &found));
    if (!found) {
        memset(static_cast<void*>(workers), 0, sizeof(Workers));
        SpinLockInit(&workers->mutex);
    }
    LWLockRelease(AddinShmemInitLock);
}

/// Calls body() under the lock: a few instructions that cannot fail.
template <typename Body>
auto locked(Body body) {
    SpinLockAcquire(&workers->mutex);
    if constexpr (std::is_void_v<decltype(body())>) {
        body();
        SpinLockRelease(&workers->mutex);
    } else {
        const auto result = body();
        SpinLockRelease(&workers->mutex);
        return result;
    }
}

/// The place of a database; that of none for an invalid one. A null pointer if there is none.
Place* place_of(Oid database) {
    for (Place& place : workers->places) {
        if (place.database == database) {
            return &place;
        }
    }
    return nullptr;
}

HintRing& ring_of(const Place& place) {
    return workers->rings[static_cast<std::size_t>(&place - workers->places.data())];
}

/// The place of this worker, unless another has taken it over.
Place* own_place() {
    Place* place = place_of(MyDatabaseId);
    return place != nullptr && place->latch == MyLatch ? place : nullptr;
}

/// A place for a worker of this database: its predecessor's, a free one, or one whose database is not served any more.
Place* take_place() {
    if (Place* place = place_of(MyDatabaseId)) {
        return place;
    }
    Place* place = place_of(InvalidOid);
    for (Place& other : workers->places) {
        if (place == nullptr && other.latch == nullptr && ring_of(other).reserved == 0) {
            place = &other;
        }
    }
    if (place != nullptr) {
        HintRing& ring = ring_of(*place);
        ring.first = ring.next;
    }
    return place;
}

/// The worker ends. What waits to be sent, or is about to, waits for the next one.
void leave_place(int /*code*/, Datum /*argument*/) {
    locked([] {
        Place* place = own_place();
        if (place != nullptr) {
            place->latch = nullptr;
            if (ring_of(*place).empty() && ring_of(*place).reserved == 0) {
                place->database = InvalidOid;
            }
        }
    });
}

void wake_worker(int /*code*/, Datum /*argument*/) {
    Latch* latch = locked([]() -> Latch* {
        Place* place = place_of(MyDatabaseId);
        if (place == nullptr) {
            return nullptr;
        }
        place->has_to_look = true;
        return place->latch;
    });
    if (latch != nullptr) {
        SetLatch(latch);
    }
}

} // namespace

void prepare_wake() {
    pg::request_shared_memory(sizeof(Workers));
    earlier_startup_hook = shmem_startup_hook;
    shmem_startup_hook = attach;
}

void be_launcher() {
    locked([] { workers->launcher = MyProcPid; });
}

pid_t launcher_pid() {
    return locked([] { return workers->launcher; });
}

void wake_worker_at_exit() {
    static bool registered = false;
    if (workers == nullptr || registered) {
        return;
    }
    // Callbacks run latest first, and all before_shmem_exit ones, which free the session's locks, before any of these.
    on_shmem_exit(wake_worker, Datum{0});
    registered = true;
}

bool may_be_relayed() {
    return workers != nullptr;
}

bool reserve_hints(int count) {
    const TimestampTz now = GetCurrentTimestamp();
    return locked([count, now] {
        const Place* place = place_of(MyDatabaseId);
        if (place == nullptr || place->latch == nullptr ||
            !ring_of(*place).reserve(static_cast<std::uint32_t>(count), now)) {
            return false;
        }
        reserved_place = static_cast<std::size_t>(place - workers->places.data());
        return true;
    });
}

void hand_over_hints(std::span<const std::uint64_t> hints) {
    const TimestampTz now = GetCurrentTimestamp();
    Latch* latch = locked([hints, now]() -> Latch* {
        workers->rings[reserved_place].put(hints, now);
        Place& place = workers->places[reserved_place];
        return std::exchange(place.has_hints, true) ? nullptr : place.latch;
    });
    if (latch != nullptr) {
        SetLatch(latch);
    }
}

void release_hints(int count) {
    locked([count] { workers->rings[reserved_place].release(static_cast<std::uint32_t>(count)); });
}

void be_woken() {
    const bool placed = locked([] {
        Place* place = take_place();
        if (place != nullptr) {
            *place = {.database = MyDatabaseId, .latch = MyLatch, .has_hints = false, .has_to_look = false};
        }
        return place != nullptr;
    });
    if (placed) { // otherwise it looks at its intervals only
        on_shmem_exit(leave_place, Datum{0});
    }
}

bool session_has_ended() {
    return locked([] {
        Place* place = own_place();
        return place != nullptr && std::exchange(place->has_to_look, false);
    });
}

bool any_waiting_hints() {
    return locked([] {
        const Place* place = own_place();
        return place != nullptr && !ring_of(*place).empty();
    });
}

void copy_waiting_hints(WaitingHints& waiting) {
    locked([&waiting] {
        Place* place = own_place();
        if (place == nullptr) {
            waiting.count = 0;
            return;
        }
        place->has_hints = false; // whoever comes from now on sets the latch again
        waiting.count = ring_of(*place).copy_to(waiting.hints);
        waiting.until = ring_of(*place).next;
    });
}

void forget_hints(const WaitingHints& sent) {
    const TimestampTz now = GetCurrentTimestamp();
    locked([&sent, now] {
        if (Place* place = own_place()) {
            ring_of(*place).remove_before(sent.until, now);
        }
    });
}

} // namespace pdpp::store
