#pragma once
// The settings of the extension (prefix `pdpp.`), as the server keeps them.

namespace pdpp::settings {

extern int launch_deadline;    ///< milliseconds from admission to run.started
extern int run_timeout;        ///< milliseconds that a run has which names no time of its own; 0: as long as it takes
extern int cancel_grace;       ///< milliseconds from a cancel request to the guard's ending; negative: none
extern int liveness_grace;     ///< milliseconds that a boot's lock may be free before the boot is dead
extern int reconcile_interval; ///< milliseconds from one pass of the worker to the next
extern char* databases;        ///< which databases the worker serves, comma-separated
extern int max_event_bytes;    ///< of an event's data, as stored
extern bool notify;            ///< NOTIFY pdpp_run for every committed event

/// Tells the server about them; once, from _PG_init.
void define();

} // namespace pdpp::settings
