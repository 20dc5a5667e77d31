/*
 * The settings of the extension (prefix `pdpp.`), as the server keeps them.
 */
#pragma once

namespace pdpp::settings {

extern int launch_deadline; ///< milliseconds from admission to run.started
extern int max_event_bytes; ///< of an event's data, as stored
extern bool notify;         ///< NOTIFY pdpp_run for every committed event

/// Tells the server about them; once, from _PG_init.
void define();

} // namespace pdpp::settings
