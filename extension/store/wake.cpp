#include "store/wake.hpp"

#include <span>

namespace pdpp::store {

namespace {

struct Worker {
    Oid database; ///< invalid if the place is free
    Latch* latch; ///< of a process' place in shared memory: that of another process, should this one be gone
};

struct Workers {
    slock_t mutex;
    pid_t launcher;
    Worker places[max_served_databases];
};

Workers* workers = nullptr;
shmem_startup_hook_type earlier_startup_hook = nullptr;

void attach() {
    if (earlier_startup_hook != nullptr) {
        earlier_startup_hook();
    }
    bool found = false;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    workers = static_cast<Workers*>(ShmemInitStruct("pdpp workers", sizeof(Workers), &found));
    if (!found) {
        memset(workers, 0, sizeof(Workers));
        SpinLockInit(&workers->mutex);
    }
    LWLockRelease(AddinShmemInitLock);
}

/// Replaces the first place of `database`; false if there is none.
bool replace(Oid database, const Worker& worker) {
    bool replaced = false;
    SpinLockAcquire(&workers->mutex);
    for (Worker& place : std::span{workers->places}) {
        if (place.database == database && (OidIsValid(worker.database) || place.latch == MyLatch)) {
            place = worker;
            replaced = true;
            break;
        }
    }
    SpinLockRelease(&workers->mutex);
    return replaced;
}

void forget_worker(int /*code*/, Datum /*argument*/) {
    replace(MyDatabaseId, {.database = InvalidOid, .latch = nullptr});
}

void wake_worker(int /*code*/, Datum /*argument*/) {
    Latch* latch = nullptr;
    SpinLockAcquire(&workers->mutex);
    for (const Worker& place : std::span{workers->places}) {
        if (place.database == MyDatabaseId) {
            latch = place.latch;
        }
    }
    SpinLockRelease(&workers->mutex);
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
    SpinLockAcquire(&workers->mutex);
    workers->launcher = MyProcPid;
    SpinLockRelease(&workers->mutex);
}

pid_t launcher_pid() {
    SpinLockAcquire(&workers->mutex);
    const pid_t pid = workers->launcher;
    SpinLockRelease(&workers->mutex);
    return pid;
}

void be_woken() {
    // the place of a predecessor that could not clean up is taken over
    if (!replace(MyDatabaseId, {.database = MyDatabaseId, .latch = MyLatch}) &&
        !replace(InvalidOid, {.database = MyDatabaseId, .latch = MyLatch})) {
        return; // then it looks at its intervals only
    }
    on_shmem_exit(forget_worker, Datum{0});
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

} // namespace pdpp::store
