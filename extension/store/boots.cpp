#include "store/boots.hpp"

#include "boundary.hpp"
#include "settings.hpp"
#include "store/digest.hpp"
#include "store/durable.hpp"
#include "store/statement.hpp"
#include "store/wake.hpp"

#include <algorithm>

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

bool is_same(const pg_uuid_t& one, const pg_uuid_t& other) {
    return memcmp(one.data, other.data, UUID_LEN) == 0;
}

bool is_own(const pg_uuid_t& epoch) {
    for (const SessionBoot* boot = session_boots; boot != nullptr; boot = boot->earlier) {
        if (is_same(boot->epoch, epoch)) {
            return true;
        }
    }
    return false;
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

/// Takes back what an aborted (sub)transaction booted. Those are the latest of the list.
template <typename Aborted>
void undo_boots(Aborted aborted) {
    while (session_boots != nullptr && aborted(session_boots->pending)) {
        SessionBoot* undone = session_boots;
        session_boots = undone->earlier;
        const LOCKTAG tag = liveness_lock(undone->epoch);
        if (!is_own(undone->epoch) &&
            pg::holds_lock(&tag, ShareLock)) { // a boot may have been rejoined by its own session
            LockRelease(&tag, ShareLock, true);
        }
        pfree(undone);
    }
}

void on_transaction_end(XactEvent event, void* /*argument*/) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        if (session_boots != nullptr) { // DISCARD ALL and RESET ALL bring the timeouts back
            take_dropped_locks_again();
            never_time_out();
        }
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
    if (!pg::holds_lock(&tag, ShareLock)) {
        LockAcquire(&tag, ShareLock, true, false);
    }
    never_time_out();
    wake_worker_at_exit();
}

} // namespace

bool is_held(const pg_uuid_t& epoch) {
    // locks of one process never conflict with each other: our own boot would look dead to the probe
    if (is_own(epoch)) {
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

std::int64_t grace_micros() {
    return std::int64_t{settings::liveness_grace} * 1000;
}

/// When a boot that was seen lost then is dead. The grace counts anew from the server's start or promotion: every
/// session was lost then, whoever had one. Nothing while the server is not quite up.
std::optional<run::Instant> death_of(run::Instant lost_at) {
    static run::Instant since{}; // of this server's life, which no session outlives; a promotion comes before any write
    if (since.unix_micros == 0) {
        const TimestampTz serving_since = pg::serving_since();
        if (serving_since == 0) {
            return {};
        }
        since = to_instant(serving_since);
    }
    return run::Instant{std::max(lost_at.unix_micros, since.unix_micros) + grace_micros()};
}

bool is_past(std::optional<run::Instant> instant) {
    return instant && instant->unix_micros <= now().unix_micros;
}

/// Which boots to look at, and how.
struct Look {
    bool is_over; ///< they are lives of a controller that lives again: as if lost since ever
    BootWatch found;

    [[nodiscard]] std::optional<run::Instant> death_of_lost(run::Instant lost_at) const {
        return death_of(is_over ? run::Instant{} : lost_at);
    }

    void expect(std::optional<run::Instant> death) {
        if (death && (!found.next_death || death->unix_micros < found.next_death->unix_micros)) {
            found.next_death = death;
        }
    }

    void at(const pg_uuid_t& epoch, std::optional<run::Instant> lost_at);
};

/// Looks at one boot and records what changed; `lost_at` as it was read without a lock.
void Look::at(const pg_uuid_t& epoch, std::optional<run::Instant> lost_at) {
    // A rejoin takes the lock first and the row second, this look the row first and the lock second: one of the two
    // sees the other. A row that somebody else is at work on is left to the next look.
    static Statement lock{"select lost_at from pdpp.controller_boots where boot_epoch = $1 and dead_at is null"
                          " for no key update skip locked"};
    static Statement mark{"update pdpp.controller_boots set lost_at = $2, dead_at = $3 where boot_epoch = $1"};
    constexpr std::optional<run::Instant> never;

    // most looks change nothing, and take no row lock
    const bool held = is_held(epoch);
    if (held && !lost_at) {
        return;
    }
    if (!held && lost_at && lost_at->unix_micros <= now().unix_micros && !is_past(death_of_lost(*lost_at))) {
        expect(death_of_lost(*lost_at));
        return;
    }

    const Rows row = lock.execute({epoch});
    if (!row.any()) {
        return;
    }
    if (is_held(epoch)) {
        mark.execute({epoch, never, never});
        return;
    }
    const run::Instant seen_at = now();
    const std::optional<run::Instant> earlier = row.instant(0, 0);
    // a time to come was stamped by a clock that has been set back since, or by another server's
    const run::Instant lost = earlier && earlier->unix_micros <= seen_at.unix_micros ? *earlier : seen_at;
    const auto death = death_of_lost(lost);
    const bool is_dead = is_past(death);
    mark.execute({epoch, lost, is_dead ? std::optional{seen_at} : never});
    found.lost += earlier ? 0 : 1;
    if (!is_dead) {
        expect(death);
    }
}

BootWatch look_at(const Rows& rows, bool is_over) {
    Look look{.is_over = is_over, .found = {}};
    for (std::uint64_t row = 0; row < rows.count(); ++row) {
        CHECK_FOR_INTERRUPTS();
        look.at(required(rows.uuid(row, 0)), rows.instant(row, 1));
    }
    return look.found;
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
    require_durable_commit();
    hold(epoch);
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        // two boots of one controller at once want the same number: the second waits for the first and tries the next
        const Rows rows = insert.execute({controller_id, epoch, booted_at});
        if (rows.any()) {
            return {.controller_id = controller_id,
                    .seq = required(rows.int8(0, 0)),
                    .epoch = epoch,
                    .booted_at = booted_at};
        }
    }
}

std::optional<Boot> rejoin_boot(const pg_uuid_t& epoch) {
    // waits for a guard that is judging this boot, and reads its verdict
    static Statement lock{"select controller_id, seq, booted_at from pdpp.controller_boots"
                          " where boot_epoch = $1 and dead_at is null for no key update"};
    static Statement clear{
        "update pdpp.controller_boots set lost_at = null where boot_epoch = $1 and lost_at is not null"};
    if (session_boots == nullptr || !is_same(session_boots->epoch, epoch)) {
        hold(epoch);
    }
    const Rows rows = lock.execute({epoch});
    if (!rows.any()) {
        return {}; // the caller raises an error, whose abort gives the lock back
    }
    const Boot boot{.controller_id = required(rows.text(0, 0)),
                    .seq = required(rows.int8(0, 1)),
                    .epoch = epoch,
                    .booted_at = required(rows.instant(0, 2))};
    clear.execute({epoch});
    return boot;
}

std::optional<pg_uuid_t> current_boot() {
    if (session_boots == nullptr) {
        return {};
    }
    take_dropped_locks_again();
    if (session_boots->lock_was_dropped) {
        static Statement revive{
            "update pdpp.controller_boots set lost_at = null, dead_at = null where boot_epoch = $1"};
        revive.execute({session_boots->epoch});
        session_boots->lock_was_dropped = false;
    }
    return session_boots->epoch;
}

std::optional<BootRecord> find_boot(const pg_uuid_t& epoch) {
    static Statement find{"select controller_id, lost_at, dead_at from pdpp.controller_boots where boot_epoch = $1"};
    const Rows rows = find.execute({epoch});
    if (!rows.any()) {
        return {};
    }
    return BootRecord{.controller_id = required(rows.text(0, 0)),
                      .lost_at = rows.instant(0, 1),
                      .dead = rows.instant(0, 2).has_value()};
}

bool is_dead(const pg_uuid_t& epoch) {
    const auto boot = find_boot(epoch);
    if (!boot || boot->dead) {
        return true;
    }
    return !is_held(epoch) && is_past(death_of(boot->lost_at.value_or(now())));
}

BootWatch watch_boots() {
    static Statement all{"select boot_epoch, lost_at from pdpp.controller_boots where dead_at is null"
                         " order by controller_id, seq"};
    return look_at(all.execute({}), false);
}

BootWatch watch_boots_of(std::string_view controller_id) {
    static Statement of_controller{"select boot_epoch, lost_at from pdpp.controller_boots"
                                   " where dead_at is null and controller_id = $1 order by seq"};
    return look_at(of_controller.execute({controller_id}), true);
}

void watch_transactions() {
    RegisterXactCallback(on_transaction_end, nullptr);
    RegisterSubXactCallback(on_subtransaction_end, nullptr);
}

} // namespace pdpp::store
