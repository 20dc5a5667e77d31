/*
 * The session as a proof of life: a boot's session lock, held for as long as the session lives. The server frees it
 * when the process dies, however it dies. The lock is of the advisory kind, in a class that pg_advisory_lock() and its
 * like cannot reach. What is on record about boots is in store/boots.hpp.
 */
#pragma once

#include "pg.hpp"

#include <optional>

namespace pdpp::store {

/// From here on this session holds the boot's lock, in share mode, and acts for it, unless the subtransaction aborts:
/// then it has what it had. A session that takes another boot keeps its earlier ones alive.
void hold_boot(const pg_uuid_t& epoch);

/// The boot this session acts for. Takes its lock again if the session dropped it (DISCARD ALL).
struct ActingBoot {
    pg_uuid_t epoch;
    bool lock_was_dropped; ///< since forget_that_lock_was_dropped()
};
std::optional<ActingBoot> acting_boot();
void forget_that_lock_was_dropped();

/// Whether somebody holds the boot's lock: its session lives.
bool is_held(const pg_uuid_t& epoch);

/// Registers the callbacks that undo what aborts; once, from _PG_init.
void watch_boot_session();

} // namespace pdpp::store
