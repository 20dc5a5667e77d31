#pragma once
// The session as a proof of life: a boot's session lock, held for as long as the session is its controller's. The
// server frees it when the process dies, however it dies. The lock is of the advisory kind, in a class that
// pg_advisory_lock() and its like cannot reach. What is on record about boots is in store/boots.hpp.
//
// A session outlives its client where a pool hands it on. What pools do then ends the hold of every boot: DISCARD ALL,
// or RESET ALL and pg_advisory_unlock_all() in one transaction. The latter alone drops the lock as well, and does not
// end the hold: the lock is taken again when the transaction commits, or before, with the next call that acts for the
// boot.

#include "pg.hpp"

#include <optional>

namespace pdpp::store {

/// From here on this session holds the boot's lock, in share mode, and acts for it, unless the subtransaction aborts:
/// then it has what it had. A session that takes another boot keeps its earlier ones alive.
void hold_boot(const pg_uuid_t& epoch);

/// The boot this session acts for, whose lock it holds.
struct ActingBoot {
    pg_uuid_t epoch;
    bool in_doubt; ///< it did not hold it all the time since end_doubt(): a guard may be declaring the boot dead
};
std::optional<ActingBoot> acting_boot();

/// No guard was about to declare it dead since the lock was taken: so none can before it is dropped again.
void end_doubt();

/// Whether somebody holds the boot's lock: its session lives.
bool is_held(const pg_uuid_t& epoch);

/// Registers the callbacks that undo what aborts, and that see resets; once, from _PG_init.
void watch_boot_session();

} // namespace pdpp::store
