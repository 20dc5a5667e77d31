#include "store/boot_session.hpp"

#include "store/digest.hpp"
#include "store/wake.hpp"

namespace pdpp::store {

namespace {

/// pg_advisory_lock(bigint) uses class 1, pg_advisory_lock(int, int) class 2.
constexpr std::uint16_t liveness_lock_class = 0x7064;

LOCKTAG liveness_lock(const pg_uuid_t& epoch) {
    const std::uint64_t hash = hash_bytes_extended(epoch.data, UUID_LEN, 0);
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(hash),
                         liveness_lock_class);
    return tag;
}

bool is_same(const pg_uuid_t& one, const pg_uuid_t& other) {
    return memcmp(one.data, other.data, UUID_LEN) == 0;
}

/// A boot that this session holds.
struct HeldBoot {
    pg_uuid_t epoch;
    SubTransactionId pending; ///< the subtransaction that took it, until its outcome is known
    bool lock_was_dropped;    ///< for a moment, in which it may have been seen dead
    HeldBoot* earlier;
};

/// What this session holds, all of it: the callbacks below carry it through transactions.
struct BootSession {
    HeldBoot* latest = nullptr; ///< the boot that it acts for

    [[nodiscard]] bool has(const pg_uuid_t& epoch) const;
    void take_dropped_locks_again() const;
    void commit() const;
    void commit_subtransaction(SubTransactionId mine, SubTransactionId parent) const;
    template <typename Aborted>
    void undo(Aborted aborted);
};
BootSession session;

bool BootSession::has(const pg_uuid_t& epoch) const {
    for (const HeldBoot* boot = latest; boot != nullptr; boot = boot->earlier) {
        if (is_same(boot->epoch, epoch)) {
            return true;
        }
    }
    return false;
}

/// DISCARD ALL and pg_advisory_unlock_all() drop every session lock of the advisory kind, whatever its class.
void BootSession::take_dropped_locks_again() const {
    for (HeldBoot* boot = latest; boot != nullptr; boot = boot->earlier) {
        const LOCKTAG tag = liveness_lock(boot->epoch);
        if (!pg::holds_lock(&tag, ShareLock)) {
            LockAcquire(&tag, ShareLock, true, false);
            boot->lock_was_dropped = true;
        }
    }
}

void BootSession::commit() const {
    for (HeldBoot* boot = latest; boot != nullptr; boot = boot->earlier) {
        boot->pending = InvalidSubTransactionId;
    }
}

void BootSession::commit_subtransaction(SubTransactionId mine, SubTransactionId parent) const {
    for (HeldBoot* boot = latest; boot != nullptr; boot = boot->earlier) {
        if (boot->pending == mine) {
            boot->pending = parent;
        }
    }
}

/// Takes back what an aborted (sub)transaction took. Those are the latest of the list.
template <typename Aborted>
void BootSession::undo(Aborted aborted) {
    while (latest != nullptr && aborted(latest->pending)) {
        HeldBoot* undone = latest;
        latest = undone->earlier;
        const LOCKTAG tag = liveness_lock(undone->epoch);
        if (!has(undone->epoch) && pg::holds_lock(&tag, ShareLock)) { // its own session may have rejoined a boot
            LockRelease(&tag, ShareLock, true);
        }
        pfree(undone);
    }
}

/// The session is the proof of life, so it must not be ended for being idle. As SET does it: undone if the transaction
/// aborts.
void never_time_out() {
    for (const char* timeout : {"idle_session_timeout", "idle_in_transaction_session_timeout"}) {
        const char* value = GetConfigOption(timeout, true, false); // 13 has only the latter
        if (value != nullptr && strcmp(value, "0") != 0) {
            (void)set_config_option(timeout, "0", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
        }
    }
}

void on_transaction_end(XactEvent event, void* /*argument*/) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        if (session.latest != nullptr) { // DISCARD ALL and RESET ALL bring the timeouts back
            session.take_dropped_locks_again();
            never_time_out();
        }
        break;
    case XACT_EVENT_PRE_PREPARE:
        if (session.latest != nullptr && session.latest->pending != InvalidSubTransactionId) {
            ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                            errmsg("cannot PREPARE a transaction that has booted a controller")));
        }
        break;
    case XACT_EVENT_COMMIT:
        session.commit();
        break;
    case XACT_EVENT_ABORT:
        session.undo([](SubTransactionId pending) { return pending != InvalidSubTransactionId; });
        break;
    default:
        break;
    }
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void* /*argument*/) {
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        session.undo([mine](SubTransactionId pending) { return pending == mine; });
    } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
        session.commit_subtransaction(mine, parent);
    }
}

} // namespace

void hold_boot(const pg_uuid_t& epoch) {
    if (session.latest != nullptr && is_same(session.latest->epoch, epoch)) {
        return;
    }
    // remembered first: should taking the lock fail, the abort finds nothing to release
    auto* boot = static_cast<HeldBoot*>(MemoryContextAlloc(TopMemoryContext, sizeof(HeldBoot)));
    *boot = {
        .epoch = epoch, .pending = GetCurrentSubTransactionId(), .lock_was_dropped = false, .earlier = session.latest};
    session.latest = boot;
    const LOCKTAG tag = liveness_lock(epoch);
    if (!pg::holds_lock(&tag, ShareLock)) {
        LockAcquire(&tag, ShareLock, true, false);
    }
    never_time_out();
    wake_worker_at_exit();
}

std::optional<ActingBoot> acting_boot() {
    if (session.latest == nullptr) {
        return {};
    }
    session.take_dropped_locks_again();
    return ActingBoot{.epoch = session.latest->epoch, .lock_was_dropped = session.latest->lock_was_dropped};
}

void forget_that_lock_was_dropped() {
    session.latest->lock_was_dropped = false;
}

bool is_held(const pg_uuid_t& epoch) {
    // locks of one process never conflict with each other: our own boot would look dead to the probe
    if (session.has(epoch)) {
        return true;
    }
    // This mode conflicts with the boot's share lock, but not with itself: two probes do not take each other for the
    // boot.
    const LOCKTAG tag = liveness_lock(epoch);
    if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL) {
        return true;
    }
    LockRelease(&tag, RowExclusiveLock, false);
    return false;
}

void watch_boot_session() {
    RegisterXactCallback(on_transaction_end, nullptr);
    RegisterSubXactCallback(on_subtransaction_end, nullptr);
}

} // namespace pdpp::store
