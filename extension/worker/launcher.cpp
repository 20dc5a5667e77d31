// The launcher: keeps a worker running in each database that pdpp.databases names. It is connected to none.

#include "boundary.hpp"
#include "settings.hpp"
#include "store/wake.hpp"
#include "worker/worker.hpp"

#include <algorithm>
#include <span>

namespace pdpp::worker {

namespace {

constexpr std::int64_t longest_pause = 60 * second;
/// A worker that lived so long did not fail to start.
constexpr std::int64_t a_while = 10 * second;

/// A database that is or was named, and its worker.
struct Served {
    char name[NAMEDATALEN];         ///< empty if the place is free
    bool named;                     ///< by the setting, as of the latest reading
    BackgroundWorkerHandle* handle; ///< null if no worker runs
    std::int64_t started_at;        ///< its worker; on the steady clock, as what follows
    std::int64_t not_before;        ///< of its next worker
    std::int64_t pause;             ///< after a worker that ended early: doubles each time
};
Served served[store::max_served_databases];

/// Its place, or a free one; null if there is none.
Served* place_of(const char* name) {
    Served* free = nullptr;
    for (Served& place : std::span{served}) {
        if (strcmp(place.name, name) == 0) {
            return &place;
        }
        if (place.name[0] == '\0' && free == nullptr) {
            free = &place;
        }
    }
    return free;
}

void read_setting() {
    for (Served& place : std::span{served}) {
        place.named = false;
    }
    List* names = NIL;
    char* list = pstrdup(settings::databases);
    (void)SplitGUCList(list, ',', &names); // the setting was checked
    ListCell* cell = nullptr;
    foreach (cell, names) {
        const char* name = static_cast<const char*>(lfirst(cell));
        Served* place = strlen(name) < NAMEDATALEN ? place_of(name) : nullptr;
        if (place == nullptr) {
            ereport(WARNING, (errmsg("pdpp: database \"%s\" is not served", name),
                              errdetail("pdpp.databases can name %d databases.", store::max_served_databases)));
            continue;
        }
        strlcpy(place->name, name, NAMEDATALEN);
        place->named = true;
    }
    list_free(names);
    pfree(list);
}

/// Whether the worker that was started is gone. One that has served is started again at once, as dead boots wait for
/// it; one that ended early, later and later.
void look_after(Served& place) {
    pid_t pid = 0;
    if (GetBackgroundWorkerPid(place.handle, &pid) != BGWH_STOPPED) {
        return;
    }
    pfree(place.handle);
    place.handle = nullptr;
    const std::int64_t now = steady_micros();
    place.pause = now - place.started_at >= a_while ? 0 : std::clamp(2 * place.pause, second, longest_pause);
    place.not_before = now + place.pause;
}

/// The database's oid, if it exists. Read without an index: after a start of the server, until some session has
/// connected to a database, a process that is connected to none can open but the few tables that every process knows.
Oid find_database(const char* name) {
    StartTransactionCommand();
    Oid database = InvalidOid;
    Relation table = table_open(DatabaseRelationId, AccessShareLock);
    TableScanDesc scan = table_beginscan_catalog(table, 0, nullptr);
    for (HeapTuple row = nullptr; (row = heap_getnext(scan, ForwardScanDirection)) != nullptr;) {
        const auto* entry = reinterpret_cast<const FormData_pg_database*>(GETSTRUCT(row));
        if (strcmp(NameStr(entry->datname), name) == 0) {
            database = entry->oid;
            break;
        }
    }
    table_endscan(scan);
    table_close(table, AccessShareLock);
    CommitTransactionCommand();
    return database;
}

void start(Served& place) {
    const std::int64_t now = steady_micros();
    if (now < place.not_before) {
        return;
    }
    place.not_before = now + second;
    const Oid database = find_database(place.name);
    if (!OidIsValid(database) || is_wanted(database)) {
        return; // looked for again: it may be created later
    }
    if (start_worker(database, place.name, &place.handle)) {
        place.started_at = now;
    } else {
        place.pause = std::clamp(2 * place.pause, second, longest_pause);
        place.not_before = now + place.pause;
        ereport(LOG, (errmsg("pdpp: no background worker is free for database \"%s\"", place.name),
                      errhint("Raise max_worker_processes.")));
    }
}

void launch_workers() {
    begin_process();
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    outlast_timeouts();
    pgstat_report_appname(MyBgworkerEntry->bgw_name);
    store::be_launcher();
    MemoryContext memory = pg::new_memory();
    MemoryContextSwitchTo(memory);

    read_setting();
    for (;;) {
        bool any = false;
        for (Served& place : std::span{served}) {
            if (place.handle != nullptr) {
                look_after(place);
            }
            if (place.named && place.handle == nullptr) {
                start(place);
            }
            if (!place.named && place.handle != nullptr) {
                TerminateBackgroundWorker(place.handle);
            }
            if (!place.named && place.handle == nullptr) {
                place = Served{};
            }
            any = any || place.name[0] != '\0';
        }
        MemoryContextSwitchTo(memory); // transactions leave another one
        pgstat_report_activity(STATE_IDLE, any ? "keeping a worker in each database" : "pdpp.databases names none");
        nap(any ? second : -1);
        if (attend()) {
            read_setting();
        }
    }
}

} // namespace

void register_launcher() {
    BackgroundWorker launcher{};
    strlcpy(launcher.bgw_name, "pdpp launcher", BGW_MAXLEN);
    strlcpy(launcher.bgw_type, "pdpp launcher", BGW_MAXLEN);
    strlcpy(launcher.bgw_library_name, "pdpp", BGW_MAXLEN);
    strlcpy(launcher.bgw_function_name, "pdpp_launcher_main", BGW_MAXLEN);
    launcher.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    launcher.bgw_start_time = BgWorkerStart_RecoveryFinished; // so never on a standby, and by itself on a promoted one
    launcher.bgw_restart_time = 1;
    RegisterBackgroundWorker(&launcher);
}

} // namespace pdpp::worker

extern "C" {
PGDLLEXPORT void pdpp_launcher_main(Datum argument);
void pdpp_launcher_main(Datum /*argument*/) {
    pdpp::guarded(
        [](FunctionCallInfo) {
            pdpp::worker::launch_workers();
            return Datum{0};
        },
        nullptr);
}
}
