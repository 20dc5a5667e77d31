// The worker of one database: passes of the guard, one each interval, one when a controller's session ends, and one
// when the grace of a lost boot is over. Each run is ended in a transaction of its own. In between it sends what
// committed transactions have to announce.

#include "worker/worker.hpp"

#include "boundary.hpp"
#include "settings.hpp"
#include "store/announce.hpp"
#include "store/boots.hpp"
#include "store/clock.hpp"
#include "store/guard.hpp"
#include "store/statement.hpp"
#include "store/wake.hpp"

#include <algorithm>
#include <limits>

namespace pdpp::worker {

namespace {

constexpr std::int64_t longest_backoff = 60 * second;
/// Passes without a pause would keep a processor busy, whatever the setting.
constexpr std::int64_t shortest_interval = 10 * millisecond;
/// Hints that come one after the other are sent together, after one that comes alone there is nothing to wait for: so
/// much time is at least between one batch and the next.
constexpr std::int64_t between_batches = 4 * millisecond;
/// After hints that could not be sent, and were dropped, others are tried that much later.
constexpr std::int64_t after_failed_batch = second;
/// How long somebody who wants the database waits for us to notice.
constexpr std::int64_t longest_nap = second;

/// Where a pass got to.
struct Progress {
    bool installed = false; ///< the extension is there
    bool failed = false;
    bool reloaded = false;                        ///< the configuration, meanwhile
    std::optional<std::int64_t> until_death = {}; ///< of the next boot that is lost, in microseconds
    store::Pass pass;
};

/// Whether the extension is here, and stays for this transaction: DROP EXTENSION waits for this lock, and we for its.
bool hold_extension() {
    for (;;) {
        const Oid extension = get_extension_oid("pdpp", true);
        if (!OidIsValid(extension)) {
            return false;
        }
        LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
        if (get_extension_oid("pdpp", true) == extension) {
            return true;
        }
        UnlockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
    }
}

/// Runs `body` in a transaction of its own. False if there was an error, which is logged and ends the transaction.
template <typename Body>
bool in_transaction(Body body) {
    MemoryContext memory = CurrentMemoryContext;
    volatile bool done = false;
    PG_TRY();
    {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        body();
        CommitTransactionCommand();
        pg::after_commit();
        done = true;
    }
    PG_CATCH();
    { pg::log_error_and_abort(); }
    PG_END_TRY();
    MemoryContextSwitchTo(memory);
    return done;
}

/// A step of a pass, in a transaction of its own, if the extension is here. What an error left to do is found again by
/// the next pass.
template <typename Body>
void make_step(Progress& progress, const char* doing, Body body) {
    pgstat_report_activity(STATE_RUNNING, doing);
    const bool done = in_transaction([&] {
        SPI_connect();
        PushActiveSnapshot(GetTransactionSnapshot());
        progress.installed = hold_extension();
        if (progress.installed) {
            body();
        }
        SPI_finish();
        PopActiveSnapshot();
    });
    progress.failed = progress.failed || !done;
}

/// The worker's own time, which no clock that is set changes.
using Steady = std::int64_t;
constexpr Steady never = std::numeric_limits<Steady>::max();

/// Sends the hints that wait. Those that cannot be sent are dropped: nobody's commit waits for them. False if that is
/// what happened.
bool send_waiting_hints() {
    static store::WaitingHints waiting;
    store::copy_waiting_hints(waiting);
    if (waiting.count == 0) {
        return true;
    }
    bool in_time = false;
    const bool done = in_transaction([&in_time] {
        // a hint is no history: no standby that keeps commits waiting may keep it from those who listen
        (void)set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                                false);
        in_time = store::send_hints_in_line({waiting.hints.data(), waiting.count});
    });
    if (!done) {
        store::drop_hints(waiting.count);
    }
    store::forget_hints(waiting);
    return done && in_time;
}

/// The same, but not too often. Returns when to call it again, should nothing set the latch before.
Steady relay_hints() {
    static Steady not_before = 0;
    if (!store::any_waiting_hints()) {
        return never;
    }
    if (steady_micros() >= not_before) {
        const bool sent = send_waiting_hints();
        not_before = steady_micros() + (sent ? between_batches : after_failed_batch);
    }
    return store::any_waiting_hints() ? not_before : never;
}

/// One pass. Run ids are kept in `memory`, which outlives the transaction that listed them.
void make_pass(Progress& progress, MemoryContext memory) {
    char** run_ids = nullptr;
    std::uint64_t count = 0;
    make_step(progress, "looking for runs to end", [&] {
        const store::BootWatch watched = store::watch_boots();
        progress.pass.lost_boots = watched.lost;
        if (watched.next_death) {
            progress.until_death = watched.next_death->unix_micros - now().unix_micros;
        }
        const store::Rows rows = store::due_runs();
        if (!rows.any()) {
            return;
        }
        run_ids = static_cast<char**>(MemoryContextAllocHuge(memory, rows.count() * sizeof(char*)));
        const store::Clock clock = store::read_clock();
        for (std::uint64_t row = 0; row < rows.count(); ++row) {
            if (!store::is_due(clock, rows, row)) {
                continue;
            }
            const std::string_view run_id = store::required(rows.text(row, 0));
            run_ids[count] = static_cast<char*>(MemoryContextAlloc(memory, run_id.size() + 1));
            memcpy(run_ids[count], run_id.data(), run_id.size());
            run_ids[count][run_id.size()] = '\0';
            ++count;
        }
    });
    if (progress.failed || !progress.installed) {
        return;
    }
    for (std::uint64_t i = 0; i < count && progress.installed && !is_wanted(MyDatabaseId); ++i) {
        progress.reloaded = attend() || progress.reloaded;
        make_step(progress, "ending a run",
                  [&] { store::end_due_run(run_ids[i], store::reconciler::worker, progress.pass); });
        relay_hints(); // a pass may take a while
    }
}

void serve(Oid database) {
    begin_process();
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    outlast_timeouts();
    pgstat_report_appname(MyBgworkerEntry->bgw_name);
    // what the functions set for themselves, and what the database or the configuration might have set otherwise
    set_for_session("search_path", "pg_catalog, pg_temp");
    set_for_session("enable_seqscan", "off");
    set_for_session("default_transaction_isolation", "read committed");
    set_for_session("default_transaction_read_only", "off");
    set_for_session("session_replication_role", "origin");
    store::be_woken();

    MemoryContext memory = pg::new_memory();
    MemoryContextSwitchTo(memory);
    std::int64_t backoff = 0;
    Steady due = steady_micros();
    // A launcher that died has another after it, which does not know us.
    while (!is_wanted(MyDatabaseId) && store::launcher_pid() == MyBgworkerEntry->bgw_notify_pid) {
        (void)store::read_clock(); // once for each nap: so the server knows when the clock was set
        const std::int64_t interval =
            std::max(std::int64_t{settings::reconcile_interval} * millisecond, shortest_interval);
        if (steady_micros() >= due) {
            Progress progress;
            make_pass(progress, memory);
            MemoryContextReset(memory);
            const Steady now = steady_micros();
            if (progress.failed) {
                backoff = std::clamp(2 * backoff, interval, std::max(interval, longest_backoff));
                due = now + backoff;
                ereport(LOG, (errmsg("pdpp: a pass of the launch guard failed; the next is in %.1f seconds",
                                     static_cast<double>(backoff) / second)));
                pgstat_report_activity(STATE_IDLE, "backing off after a pass that failed");
            } else {
                backoff = 0;
                due = progress.reloaded ? now : now + interval;
                if (progress.until_death) {
                    due = std::min(due, now + *progress.until_death);
                }
                pgstat_report_activity(STATE_IDLE, progress.installed ? "waiting for the next pass"
                                                                      : "waiting for CREATE EXTENSION pdpp");
            }
            pgstat_report_stat(true);
        }
        const Steady next = relay_hints();
        // Asked last: a session that ended since the pass looked has set the latch, but whatever the pass or the hints
        // had to wait for has reset it.
        if (store::session_has_ended() && backoff == 0) {
            due = steady_micros();
        }
        nap(std::clamp<std::int64_t>(std::min(due, next) - steady_micros(), 0, longest_nap));
        if (attend() && backoff == 0) {
            due = steady_micros();
        }
    }
    (void)send_waiting_hints();
    // The launcher starts another worker as soon as the database is free; it sends what comes until then.
}

} // namespace

bool start_worker(Oid database, const char* name, BackgroundWorkerHandle** handle) {
    BackgroundWorker worker{};
    snprintf(worker.bgw_name, BGW_MAXLEN, "pdpp worker for %s", name);
    strlcpy(worker.bgw_type, "pdpp worker", BGW_MAXLEN);
    strlcpy(worker.bgw_library_name, "pdpp", BGW_MAXLEN);
    strlcpy(worker.bgw_function_name, "pdpp_worker_main", BGW_MAXLEN);
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART; // the launcher's to decide
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    worker.bgw_notify_pid = MyProcPid;
    return RegisterDynamicBackgroundWorker(&worker, handle);
}

} // namespace pdpp::worker

extern "C" {
PGDLLEXPORT void pdpp_worker_main(Datum argument);
void pdpp_worker_main(Datum argument) {
    static Oid database;
    database = DatumGetObjectId(argument);
    pdpp::guarded(
        [](FunctionCallInfo) {
            pdpp::worker::serve(database);
            return Datum{0};
        },
        nullptr);
}
}
