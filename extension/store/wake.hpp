/*
 * Waking the background worker: where its latch is, for the sessions whose end it wants to hear of.
 *
 * The latches stand in shared memory, which exists only if the module was preloaded; without it all of this does
 * nothing.
 */
#pragma once

#include "pg.hpp"

namespace pdpp::store {

/// As many databases as can be served.
inline constexpr int max_served_databases = 64;

/// Asks for the shared memory; from _PG_init, while preloading.
void prepare_wake();

/// From here on this process is the launcher.
void be_launcher();

/// The process that said so last.
pid_t launcher_pid();

/// From here to its end, this process is the worker of its database.
void be_woken();

/// The worker of this session's database looks again when this session ends, once its locks are free.
void wake_worker_at_exit();

} // namespace pdpp::store
