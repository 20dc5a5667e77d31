#pragma once
// Waking the background worker of a database: by the end of sessions that it wants to hear of, and by hints that
// committed transactions leave with it to be sent (store/announce.hpp).
//
// Its latch and the hints stand in shared memory, which exists only if the module was preloaded; without it all of this
// does nothing.

#include "pg.hpp"
#include "store/hint_ring.hpp"

#include <cstdint>
#include <span>

namespace pdpp::store {

/// As many databases as can be served.
inline constexpr int max_served_databases = 64;

/// Asks for the shared memory; from _PG_init, while preloading.
void prepare_wake();

/// From here on this process is the launcher.
void be_launcher();

/// The process that said so last.
pid_t launcher_pid();

// ---- for sessions

/// The worker of this session's database looks again when this session ends, once its locks are free.
void wake_worker_at_exit();

/// Before the commit: makes sure that the worker of this session's database has room for so many hints. False if it is
/// not there, or does not keep up.
bool reserve_hints(std::size_t count);

/// After the commit: leaves as many hints with it as were reserved, and wakes it if it sleeps. Cannot fail.
void hand_over_hints(std::span<const std::uint64_t> hints);

/// After an abort: none will come.
void release_hints(std::size_t count);

// ---- for the worker

/// From here to its end, this process is the worker of its database. Hints that its predecessor left are its own.
void be_woken();

/// Whether a session has ended since it last asked.
bool session_has_ended();

/// Hints to send: copies, until they are forgotten.
struct WaitingHints {
    std::array<std::uint64_t, HintRing::capacity> hints;
    std::size_t count = 0;
    std::uint64_t until = 0; ///< the number after the last
};

/// Whether any wait.
bool any_waiting_hints();

void copy_waiting_hints(WaitingHints& waiting);

/// They have been sent, or never will be.
void forget_hints(const WaitingHints& tried);

} // namespace pdpp::store
