#pragma once
// The background worker: the launch guard that needs nobody. docs/design/worker.md has its states.

#include "pg.hpp"

#include <cstdint>

namespace pdpp::worker {

/// In microseconds, as all times here.
constexpr std::int64_t millisecond = 1'000;
constexpr std::int64_t second = 1'000 * millisecond;

/// Registers the launcher with the postmaster; from _PG_init, while preloading.
void register_launcher();

/// Starts the worker of a database, which tells this process when it ends. False if the server has no place for it.
bool start_worker(Oid database, const char* name, BackgroundWorkerHandle** handle);

/// What both do first: signals, and a name in pg_stat_activity.
void begin_process();

/// As SET does it, over whatever the configuration or the database says.
void set_for_session(const char* name, const char* value);

/// What both do once they are connected: a pass may wait for somebody's lock for as long as it takes, and whoever is
/// ended for that is started again, and waits again.
void outlast_timeouts();

/// What both do before they sleep and after they wake: interrupts, and the configuration. True if that was reloaded.
bool attend();

/// Whether somebody wants the database for himself: to drop, rename, move or copy it. Such a command waits five seconds
/// for others to leave it, and holds this lock meanwhile.
bool is_wanted(Oid database);

/// Sleeps until something happens, at most so long; negative for ever.
void nap(std::int64_t micros);

} // namespace pdpp::worker
