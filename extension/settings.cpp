#include "settings.hpp"

#include "pg.hpp"

namespace pdpp::settings {

int launch_deadline = 60'000;
int max_event_bytes = 65'536;
bool notify = true;

void define() {
    DefineCustomIntVariable("pdpp.launch_deadline", "How long a run may take from its admission to run.started.",
                            "A run that has not started by then is ended as launch_failed by the next reconciliation.",
                            &launch_deadline, 60'000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("pdpp.max_event_bytes", "How large the data of one event may be, as stored.",
                            "Larger data is refused with event_too_large.", &max_event_bytes, 65'536, 1,
                            64 * 1024 * 1024, PGC_SUSET, GUC_UNIT_BYTE, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable("pdpp.notify", "Sends NOTIFY pdpp_run for every committed event of a run.",
                             "The payload is a digest of the run id, and only a hint to look again.", &notify, true,
                             PGC_SUSET, 0, nullptr, nullptr, nullptr);
    pg::reserve_settings_prefix("pdpp");
}

} // namespace pdpp::settings
