#include "store/boot_session.hpp"

#include "store/boot_settings.hpp"
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
    bool in_doubt;            ///< the lock was free for a moment, in which a guard may have found it so
    HeldBoot* earlier;
};

/// What this session holds, all of it: the callbacks below carry it through transactions.
struct BootSession {
    HeldBoot* latest = nullptr; ///< the boot that it acts for

    /// The subtransaction in which RESET ALL brought the settings back, until the transaction ends.
    SubTransactionId settings_reset = InvalidSubTransactionId;
    bool unlocks_all = false; ///< this transaction calls pg_advisory_unlock_all(): the lock is free by its doing
    bool is_left = false;     ///< whoever had the session is done with it, if this transaction commits

    [[nodiscard]] bool has(const pg_uuid_t& epoch) const;
    [[nodiscard]] bool holds_lock() const;
    void take_dropped_locks_again();
    void judge_reset();
    void end_transaction();
    void end_subtransaction(SubTransactionId mine, SubTransactionId parent);
    template <typename Aborted>
    void undo(Aborted aborted);
    void forget_boots();
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

bool BootSession::holds_lock() const {
    const LOCKTAG tag = liveness_lock(latest->epoch);
    return pg::holds_lock(&tag, ShareLock);
}

/// pg_advisory_unlock_all() drops every session lock of the advisory kind, whatever its class.
void BootSession::take_dropped_locks_again() {
    for (HeldBoot* boot = latest; boot != nullptr; boot = boot->earlier) {
        const LOCKTAG tag = liveness_lock(boot->epoch);
        if (!pg::holds_lock(&tag, ShareLock)) {
            boot->in_doubt = true;
            LockAcquire(&tag, ShareLock, true, false);
        }
    }
}

/// The last moment at which a transaction can take locks.
void BootSession::judge_reset() {
    if (latest == nullptr) {
        return;
    }
    is_left = settings_reset != InvalidSubTransactionId && unlocks_all && !holds_lock();
    if (!is_left) {
        take_dropped_locks_again();
        keep_settings_of_booted();
    }
}

void BootSession::end_transaction() {
    for (HeldBoot* boot = latest; boot != nullptr; boot = boot->earlier) {
        boot->pending = InvalidSubTransactionId;
    }
    settings_reset = InvalidSubTransactionId;
    unlocks_all = false;
    is_left = false;
}

void BootSession::end_subtransaction(SubTransactionId mine, SubTransactionId parent) {
    for (HeldBoot* boot = latest; boot != nullptr; boot = boot->earlier) {
        if (boot->pending == mine) {
            boot->pending = parent;
        }
    }
    if (settings_reset == mine) {
        settings_reset = parent;
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

/// Whatever the session still held, it is nobody's proof of life from here on.
void BootSession::forget_boots() {
    undo([](SubTransactionId /*pending*/) { return true; });
}

void hold_through_transaction(XactEvent event, void* /*argument*/) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        session.judge_reset();
        break;
    case XACT_EVENT_PRE_PREPARE:
        if (session.latest != nullptr && session.latest->pending != InvalidSubTransactionId) {
            ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                            errmsg("cannot PREPARE a transaction that has booted a controller")));
        }
        session.judge_reset(); // settings and locks are the session's, whatever becomes of the transaction
        break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PREPARE:
        if (session.is_left) {
            session.forget_boots();
        }
        session.end_transaction();
        break;
    case XACT_EVENT_ABORT:
        session.undo([](SubTransactionId pending) { return pending != InvalidSubTransactionId; });
        session.end_transaction();
        break;
    default:
        break;
    }
}

void hold_through_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
                                 void* /*argument*/) {
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        session.undo([mine](SubTransactionId pending) { return pending == mine; });
        session.end_subtransaction(mine, InvalidSubTransactionId);
    } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
        session.end_subtransaction(mine, parent);
    }
}

} // namespace

void hold_boot(const pg_uuid_t& epoch) {
    // What of the session's own was dropped is in doubt, this very boot maybe, and stays so if this call comes to
    // nothing.
    session.take_dropped_locks_again();
    if (session.latest == nullptr || !is_same(session.latest->epoch, epoch)) {
        // remembered first: should taking the lock fail, the abort finds nothing to release
        auto* boot = static_cast<HeldBoot*>(MemoryContextAlloc(TopMemoryContext, sizeof(HeldBoot)));
        *boot = {.epoch = epoch, .pending = GetCurrentSubTransactionId(), .in_doubt = false, .earlier = session.latest};
        session.latest = boot;
    }
    const LOCKTAG tag = liveness_lock(epoch);
    if (!pg::holds_lock(&tag, ShareLock)) {
        LockAcquire(&tag, ShareLock, true, false);
    }
    keep_settings_of_booted();
    wake_worker_at_exit();
}

std::optional<ActingBoot> acting_boot() {
    if (session.latest == nullptr) {
        return {};
    }
    session.take_dropped_locks_again();
    return ActingBoot{.epoch = session.latest->epoch, .in_doubt = session.latest->in_doubt};
}

void end_doubt() {
    session.latest->in_doubt = false;
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

namespace {

object_access_hook_type earlier_access_hook = nullptr;

/// The server tells of each function that a statement is about to call.
void see_unlock_all(ObjectAccessType access, Oid kind, Oid object, int part, void* argument) {
    if (access == OAT_FUNCTION_EXECUTE && object == F_PG_ADVISORY_UNLOCK_ALL) {
        session.unlocks_all = true;
    }
    if (earlier_access_hook != nullptr) {
        earlier_access_hook(access, kind, object, part, argument);
    }
}

} // namespace

void watch_boot_session() {
    RegisterXactCallback(hold_through_transaction, nullptr);
    RegisterSubXactCallback(hold_through_subtransaction, nullptr);
    earlier_access_hook = object_access_hook;
    object_access_hook = see_unlock_all;
    pg::watch_resets([] { session.settings_reset = GetCurrentSubTransactionId(); }, [] { session.forget_boots(); });
}

} // namespace pdpp::store
