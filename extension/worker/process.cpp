// What launcher and workers have in common as processes.

#include "worker/worker.hpp"

namespace pdpp::worker {

void begin_process() {
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die); // at the next CHECK_FOR_INTERRUPTS, waits for locks and latches included
    // pg_cancel_backend() and lock_timeout: there is no statement of anybody's to cancel, and an error would end us
    pqsignal(SIGINT, SIG_IGN);
    BackgroundWorkerUnblockSignals();
}

void set_for_session(const char* name, const char* value) {
    SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

void outlast_timeouts() {
    for (const pg::IntegerSetting& timeout : pg::session_timeouts) {
        set_for_session(timeout.name, "0");
    }
}

bool attend() {
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending == 0) {
        return false;
    }
    ConfigReloadPending = 0;
    ProcessConfigFile(PGC_SIGHUP);
    return true;
}

bool is_wanted(Oid database) {
    // as a new connection takes it
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
    if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL) {
        return true;
    }
    LockRelease(&tag, RowExclusiveLock, true);
    return false;
}

void nap(std::int64_t micros) {
    if (ConfigReloadPending != 0) { // whatever waited since for something else has taken the latch's call
        return;
    }
    const int forever = micros < 0 ? 0 : WL_TIMEOUT;
    // rounded up: a nap that ends before its time would be followed by another
    const long milliseconds = micros < 0 ? -1 : static_cast<long>((micros + 999) / 1000);
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | forever, milliseconds, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
}

} // namespace pdpp::worker
