#include "store/boots.hpp"

#include "boundary.hpp"
#include "store/digest.hpp"
#include "store/statement.hpp"

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

/// The boots of this session, latest first.
struct SessionBoot {
    pg_uuid_t epoch;
    SubTransactionId pending; ///< the subtransaction that booted, until its outcome is known
    bool lock_was_dropped;    ///< for a moment, in which it may have been seen dead
    SessionBoot* earlier;
};
SessionBoot* session_boots = nullptr;

/// DISCARD ALL and pg_advisory_unlock_all() drop every session lock of the advisory kind, whatever its class.
void take_dropped_locks_again() {
    for (SessionBoot* boot = session_boots; boot != nullptr; boot = boot->earlier) {
        const LOCKTAG tag = liveness_lock(boot->epoch);
        if (!pg::holds_lock(&tag, ShareLock)) {
            LockAcquire(&tag, ShareLock, true, false);
            boot->lock_was_dropped = true;
        }
    }
}

/// Takes back what an aborted (sub)transaction booted. Those are the latest of the list.
template <typename Aborted>
void undo_boots(Aborted aborted) {
    while (session_boots != nullptr && aborted(session_boots->pending)) {
        SessionBoot* undone = session_boots;
        const LOCKTAG tag = liveness_lock(undone->epoch);
        if (pg::holds_lock(&tag, ShareLock)) {
            LockRelease(&tag, ShareLock, true);
        }
        session_boots = undone->earlier;
        pfree(undone);
    }
}

void on_transaction_end(XactEvent event, void* /*argument*/) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        take_dropped_locks_again();
        break;
    case XACT_EVENT_PRE_PREPARE:
        if (session_boots != nullptr && session_boots->pending != InvalidSubTransactionId) {
            ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                            errmsg("cannot PREPARE a transaction that has booted a controller")));
        }
        break;
    case XACT_EVENT_COMMIT:
        for (SessionBoot* boot = session_boots; boot != nullptr; boot = boot->earlier) {
            boot->pending = InvalidSubTransactionId;
        }
        break;
    case XACT_EVENT_ABORT:
        undo_boots([](SubTransactionId pending) { return pending != InvalidSubTransactionId; });
        break;
    default:
        break;
    }
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void* /*argument*/) {
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        undo_boots([mine](SubTransactionId pending) { return pending == mine; });
    } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
        for (SessionBoot* boot = session_boots; boot != nullptr; boot = boot->earlier) {
            if (boot->pending == mine) {
                boot->pending = parent;
            }
        }
    }
}

/// From here on the session holds the boot's lock.
void hold(const pg_uuid_t& epoch) {
    // remembered first: should taking the lock fail, the abort finds nothing to release
    auto* boot = static_cast<SessionBoot*>(MemoryContextAlloc(TopMemoryContext, sizeof(SessionBoot)));
    *boot = {
        .epoch = epoch, .pending = GetCurrentSubTransactionId(), .lock_was_dropped = false, .earlier = session_boots};
    session_boots = boot;
    const LOCKTAG tag = liveness_lock(epoch);
    LockAcquire(&tag, ShareLock, true, false);
}

pg_uuid_t new_epoch() {
    const auto bytes = random_bytes<UUID_LEN>();
    pg_uuid_t epoch;
    memcpy(epoch.data, bytes.data(), UUID_LEN);
    epoch.data[6] = static_cast<unsigned char>((epoch.data[6] & 0x0f) | 0x40); // version 4
    epoch.data[8] = static_cast<unsigned char>((epoch.data[8] & 0x3f) | 0x80); // the variant
    return epoch;
}

} // namespace

Boot begin_boot(std::string_view controller_id) {
    static Statement insert{
        "insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at)"
        " select $1, 1 + coalesce((select b.seq from pdpp.controller_boots as b where b.controller_id = $1"
        "                          order by b.seq desc limit 1), 0), $2, $3"
        " on conflict do nothing returning seq"};
    const pg_uuid_t epoch = new_epoch();
    const run::Instant booted_at = now();
    hold(epoch);
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        // two boots of one controller at once want the same number: the second waits for the first and tries the next
        const Rows rows = insert.execute({controller_id, epoch, booted_at});
        if (rows.any()) {
            return {.controller_id = controller_id, .seq = *rows.int8(0, 0), .epoch = epoch, .booted_at = booted_at};
        }
    }
}

std::optional<pg_uuid_t> current_boot() {
    if (session_boots == nullptr) {
        return {};
    }
    take_dropped_locks_again();
    if (session_boots->lock_was_dropped) {
        static Statement rejoin{"update pdpp.controller_boots set lost_at = null where boot_epoch = $1"};
        rejoin.execute({session_boots->epoch});
        session_boots->lock_was_dropped = false;
    }
    return session_boots->epoch;
}

std::optional<BootRecord> find_boot(const pg_uuid_t& epoch) {
    static Statement find{"select controller_id, lost_at from pdpp.controller_boots where boot_epoch = $1"};
    const Rows rows = find.execute({epoch});
    if (!rows.any()) {
        return {};
    }
    return BootRecord{.controller_id = *rows.text(0, 0), .lost = rows.instant(0, 1).has_value()};
}

bool is_alive(const pg_uuid_t& epoch) {
    // locks of one process never conflict with each other: our own boot would look dead to the probe
    for (const SessionBoot* boot = session_boots; boot != nullptr; boot = boot->earlier) {
        if (memcmp(boot->epoch.data, epoch.data, UUID_LEN) == 0) {
            return true;
        }
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

std::int64_t mark_lost_boots(std::optional<std::string_view> controller_id) {
    // Rows that another pass is at work on are skipped: it does the same.
    static Statement all{"select boot_epoch from pdpp.controller_boots where lost_at is null"
                         " order by controller_id, seq for no key update skip locked"};
    static Statement of_controller{"select boot_epoch from pdpp.controller_boots"
                                   " where lost_at is null and controller_id = $1"
                                   " order by seq for no key update skip locked"};
    static Statement mark{"update pdpp.controller_boots set lost_at = $2 where boot_epoch = $1"};
    const Rows rows = controller_id ? of_controller.execute({*controller_id}) : all.execute({});
    std::int64_t lost = 0;
    for (std::uint64_t row = 0; row < rows.count(); ++row) {
        const pg_uuid_t epoch = *rows.uuid(row, 0);
        if (!is_alive(epoch)) {
            mark.execute({epoch, now()});
            ++lost;
        }
    }
    return lost;
}

void watch_transactions() {
    RegisterXactCallback(on_transaction_end, nullptr);
    RegisterSubXactCallback(on_subtransaction_end, nullptr);
}

} // namespace pdpp::store
