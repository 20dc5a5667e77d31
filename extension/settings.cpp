#include "settings.hpp"

#include "pg.hpp"
#include "store/announce.hpp"

#include <climits>

namespace pdpp::settings {

int launch_deadline = 60'000;
int run_timeout = 0;
int cancel_grace = 60'000;
int liveness_grace = 5'000;
int reconcile_interval = 1'000;
char* databases = nullptr;
int max_event_bytes = 65'536;
bool notify = true;

namespace {

/// Names as they are, no case folded; quoted where they hold a comma or a space.
bool check_databases(char** value, void** /*extra*/, GucSource /*source*/) {
    List* names = NIL;
    const bool is_list = SplitGUCList(pstrdup(*value), ',', &names);
    if (!is_list) {
        GUC_check_errdetail("List syntax is invalid.");
    }
    list_free(names);
    return is_list;
}

const char* show_dropped_hints() {
    return psprintf("%llu", static_cast<unsigned long long>(store::dropped_hints()));
}

} // namespace

void define() {
    static int unused = 0; // a number that is counted elsewhere
    DefineCustomIntVariable("pdpp.launch_deadline", "How long a run may take from its admission to run.started.",
                            "A run that has not started by then is ended as launch_failed by the next reconciliation.",
                            &launch_deadline, 60'000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("pdpp.run_timeout", "How long a run may take that was given no time of its own.",
                            "A run that has not ended by then is ended as run_timed_out by the next reconciliation. 0 "
                            "is as long as it takes.",
                            &run_timeout, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("pdpp.cancel_grace", "How long a controller may take to end a run that is to be cancelled.",
                            "A run that has not ended by then is ended as owner_cancel_unheeded by the next "
                            "reconciliation. -1 is as long as it takes.",
                            &cancel_grace, 60'000, -1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("pdpp.liveness_grace", "How long a controller may be without its session.",
                            "A boot whose lock is free for longer is dead, and what it left is ended.", &liveness_grace,
                            5'000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("pdpp.reconcile_interval", "How often the background worker looks for runs to end.",
                            "It also looks at once when the session of a controller ends.", &reconcile_interval, 1'000,
                            0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("pdpp.databases", "The databases that the background worker serves, comma-separated.",
                               "It needs shared_preload_libraries = 'pdpp'.", &databases, "", PGC_SIGHUP,
                               GUC_LIST_INPUT, check_databases, nullptr, nullptr);
    DefineCustomIntVariable("pdpp.max_event_bytes", "How large the data of one event may be, as stored.",
                            "Larger data is refused with event_too_large.", &max_event_bytes, 65'536, 1,
                            64 * 1024 * 1024, PGC_SUSET, GUC_UNIT_BYTE, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable("pdpp.notify", "Sends NOTIFY pdpp_run for every committed event of a run.",
                             "The payload is a digest of the run id, and only a hint to look again.", &notify, true,
                             PGC_SUSET, 0, nullptr, nullptr, nullptr);
    // no setting but a figure, which SHOW ALL leaves out
    DefineCustomIntVariable("pdpp.dropped_hints", "How many notifications were not sent.",
                            "The server's queue of notifications had no room for them, or others kept it locked. Since "
                            "its start where pdpp is in shared_preload_libraries, else by this session.",
                            &unused, 0, 0, INT_MAX, PGC_INTERNAL,
                            GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, nullptr, nullptr,
                            show_dropped_hints);
    pg::reserve_settings_prefix("pdpp");
}

} // namespace pdpp::settings
