#include "store/announce.hpp"

#include "boundary.hpp"
#include "run/id.hpp"
#include "run/notify_queue.hpp"
#include "run/text.hpp"
#include "settings.hpp"
#include "store/digest.hpp"
#include "store/shared_memory.hpp"
#include "store/wake.hpp"

#include <algorithm>
#include <array>
#include <atomic>

namespace pdpp::store {

namespace {

/// A hint of the transaction that is running, and the subtransaction that it stands and falls with.
struct Pending {
    std::uint64_t hint;
    SubTransactionId subtransaction;
};

/// Hints that one transaction leaves to the worker; more of them it sends itself. A fixed number, so that nothing is
/// allocated when a transaction ends.
constexpr std::size_t most_relayed = 32;

/// How long a commit waits at most for those who are committing a NOTIFY, in microseconds: more than a disk takes to
/// sync for a crowd of them, and not again while somebody stays in the way.
constexpr std::int64_t patience_of_writer = 1'000'000;

/// How long the worker does: half of what writers wait for it, and the guard has to.
constexpr const char* longest_wait_in_line = "500ms";

void send_hints(std::span<const std::uint64_t> hints);
void notify(std::uint64_t hint);

/// Of the running transaction; gone with it.
struct Announcements {
    Pending* pending = nullptr; ///< in the transaction's memory
    std::size_t count = 0;
    std::size_t room = 0;
    std::size_t reserved = 0; ///< so many of the first the worker has room for
    bool settled = false;     ///< what becomes of them: the transaction is about to commit
    bool refused = false;     ///< as the server refuses any NOTIFY: it is about to be prepared
};
Announcements announcements;

std::span<Pending> all_pending() {
    return {announcements.pending, announcements.count};
}

/// The latest few: enough to find that a run has been announced already, most of the time.
std::span<Pending> latest_pending() {
    return all_pending().last(std::min(announcements.count, most_relayed));
}

void add(const Pending& pending) {
    if (announcements.count == announcements.room) {
        const std::size_t room = std::max(2 * announcements.room, most_relayed);
        auto* larger = static_cast<Pending*>(MemoryContextAllocHuge(TopTransactionContext, room * sizeof(Pending)));
        std::ranges::copy(all_pending(), larger);
        announcements.pending = larger; // what was before goes with the transaction
        announcements.room = room;
    }
    announcements.pending[announcements.count] = pending;
    ++announcements.count;
}

/// The last moment at which a transaction can still send a NOTIFY of its own. Room that is reserved now is there after
/// the commit, when nothing may fail any more.
void settle_pending() {
    const std::size_t relayed = std::min(announcements.count, most_relayed);
    announcements.reserved = reserve_hints(relayed) ? relayed : 0;
    const std::span<Pending> others = all_pending().subspan(announcements.reserved);
    auto* hints = static_cast<std::uint64_t*>(
        MemoryContextAllocHuge(CurrentMemoryContext, (others.size() + 1) * sizeof(std::uint64_t)));
    std::ranges::transform(others, hints, &Pending::hint);
    send_hints({hints, others.size()});
}

void notify(std::uint64_t hint) {
    Async_Notify("pdpp_run", psprintf("%016llx", static_cast<unsigned long long>(hint)));
}

void hand_over_pending() {
    std::array<std::uint64_t, most_relayed> hints;
    const auto reserved = all_pending().first(announcements.reserved);
    std::ranges::transform(reserved, hints.begin(), &Pending::hint);
    hand_over_hints({hints.data(), reserved.size()});
}

void announce_at_end(XactEvent event, void* /*argument*/) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        announcements.settled = true;
        if (announcements.count > 0) {
            settle_pending();
        }
        break;
    case XACT_EVENT_PRE_PREPARE:
        announcements.refused = true;
        if (announcements.count > 0) {
            notify(all_pending().front().hint);
        }
        break;
    case XACT_EVENT_PREPARE:
        announcements = {};
        break;
    case XACT_EVENT_COMMIT: // everybody's next snapshot shows what was committed
        if (announcements.reserved > 0) {
            hand_over_pending();
        }
        announcements = {};
        break;
    case XACT_EVENT_ABORT:
        if (announcements.reserved > 0) {
            release_hints(announcements.reserved);
        }
        announcements = {};
        break;
    default:
        break;
    }
}

void keep_or_drop_pending(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void* /*argument*/) {
    // those of the innermost subtransaction are the latest
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        while (announcements.count > 0 && all_pending().back().subtransaction == mine) {
            --announcements.count;
        }
    } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
        for (std::size_t i = announcements.count; i > 0 && all_pending()[i - 1].subtransaction == mine; --i) {
            all_pending()[i - 1].subtransaction = parent;
        }
    }
}

/// What was dropped, and when that was last said.
struct Drops {
    static constexpr const char* name = "pdpp dropped hints";
    static constexpr std::int64_t between_warnings = 60'000'000;

    std::atomic<std::uint64_t> count{0};
    std::atomic<std::int64_t> warned_at{-between_warnings};
    std::atomic<bool> in_vain{false}; ///< whoever tried last to have the queue's lock

    void initialise() { warned_at = -between_warnings; }

    /// Whether it is this process' turn to warn.
    bool is_to_be_said() {
        const std::int64_t now = steady_micros();
        std::int64_t before = warned_at;
        return now - before >= between_warnings && warned_at.compare_exchange_strong(before, now);
    }
};

Drops& drops() {
    static Drops of_session;
    Drops* shared = SharedMemory<Drops>::get();
    return shared != nullptr ? *shared : of_session;
}

LOCKTAG queue_lock() {
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, InvalidOid, 0);
    return tag;
}

/// The server takes this lock before it adds to its queue, until the end of the transaction. With it in hand nobody
/// fills the queue between our look and what the server does next.
///
/// False if it is not to be had: somebody may commit a NOTIFY and wait for a standby that never comes, or for a
/// transaction of another server that waits for ours. So this never joins those who wait for the lock. It tries again
/// for a while, which no timeout and no cancel ends with an error. Once it was in vain, all try only once, until one of
/// them has succeeded.
bool try_to_lock_queue() {
    constexpr long shortest_pause = 100; // microseconds, as patience
    constexpr long longest_pause = 2'000;
    const LOCKTAG tag = queue_lock();
    const std::int64_t until = steady_micros() + (drops().in_vain ? 0 : patience_of_writer);
    bool locked = false;
    for (long pause = shortest_pause;; pause = std::min(2 * pause, longest_pause)) {
        locked = LockAcquire(&tag, AccessExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
        if (locked || steady_micros() >= until) {
            break;
        }
        pg_usleep(pause);
    }
    drops().in_vain = !locked;
    return locked;
}

/// The same, in line with all others who notify: for the worker, whose transaction has nothing else to lose. Where
/// somebody always waits, the lock goes from one to the next, and trying is in vain. False after half a second, or if
/// somebody cancels it.
bool wait_to_lock_queue() {
    MemoryContext memory = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    ErrorData* volatile error = nullptr;
    BeginInternalSubTransaction(nullptr);
    pqsignal(SIGINT, StatementCancelHandler); // by which lock_timeout tells; a worker ignores it otherwise
    PG_TRY();
    {
        (void)set_config_option("lock_timeout", longest_wait_in_line, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
                                true, 0, false);
        const LOCKTAG tag = queue_lock();
        (void)LockAcquire(&tag, AccessExclusiveLock, false, false);
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(memory);
        error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
    }
    PG_END_TRY();
    pqsignal(SIGINT, SIG_IGN);
    QueryCancelPending = false;
    MemoryContextSwitchTo(memory);
    CurrentResourceOwner = owner;
    if (error != nullptr && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
        error->sqlerrcode != ERRCODE_QUERY_CANCELED) {
        ReThrowError(error);
    }
    return error == nullptr;
}

void unlock_queue() {
    const LOCKTAG tag = queue_lock();
    LockRelease(&tag, AccessExclusiveLock, false);
}

/// With the lock of the queue in hand.
void notify_what_fits(std::span<const std::uint64_t> hints) {
    const std::size_t fitting =
        std::min(hints.size(), run::hints_that_fit(pg::notify_queue_usage(), pg::notify_queue_pages()));
    for (const std::uint64_t hint : hints.first(fitting)) {
        notify(hint);
    }
    if (fitting == 0) {
        unlock_queue();
    }
    drop_hints(hints.size() - fitting);
}

/// Of a transaction that is about to commit.
void send_hints(std::span<const std::uint64_t> hints) {
    if (hints.empty()) {
        return;
    }
    if (try_to_lock_queue()) {
        notify_what_fits(hints);
    } else {
        drop_hints(hints.size());
    }
}

} // namespace

bool send_hints_in_line(std::span<const std::uint64_t> hints) {
    const bool locked = wait_to_lock_queue();
    if (locked) {
        notify_what_fits(hints);
    } else {
        drop_hints(hints.size());
    }
    return locked;
}

void drop_hints(std::size_t count) {
    if (count == 0) {
        return;
    }
    drops().count += count;
    if (drops().is_to_be_said()) {
        ereport(WARNING,
                (errmsg("pdpp: notifications are dropped"),
                 errdetail("%llu were so far. Whoever waits for a run looks again without them, later.",
                           static_cast<unsigned long long>(dropped_hints())),
                 errhint("The server's NOTIFY queue is full where a session that has executed LISTEN stays "
                         "within a transaction; a commit with a NOTIFY that waits, for a standby maybe, keeps all "
                         "others from sending any; any other error was logged before."),
                 errhidestmt(true), errhidecontext(true)));
    }
}

std::uint64_t dropped_hints() {
    return drops().count;
}

namespace {

/// The hint about a run. Who writes to a run mostly writes to it again, and a digest costs a twentieth of a short life.
std::uint64_t hint_about(std::string_view run_id) {
    static run::Text<run::max_id_bytes> latest; // ids are checked to be no longer, and never empty
    static std::uint64_t hint;
    if (latest.view() != run_id) {
        hint = sha256_head(run_id);
        latest = run::Text<run::max_id_bytes>{run_id};
    }
    return hint;
}

} // namespace

void announce(std::string_view run_id) {
    if (!settings::notify) {
        return;
    }
    const std::uint64_t hint = hint_about(run_id);
    // by another's callback of the commit, after ours
    if (announcements.refused) {
        notify(hint);
        return;
    }
    if (announcements.settled) {
        send_hints({&hint, 1});
        return;
    }
    // what is pending stands or falls with this subtransaction or with one around it: once is enough
    if (std::ranges::find(latest_pending(), hint, &Pending::hint) == latest_pending().end()) {
        add({.hint = hint, .subtransaction = GetCurrentSubTransactionId()});
    }
}

void watch_announcements() {
    RegisterXactCallback(announce_at_end, nullptr);
    RegisterSubXactCallback(keep_or_drop_pending, nullptr);
}

void prepare_announcements() {
    SharedMemory<Drops>::request();
}

} // namespace pdpp::store
