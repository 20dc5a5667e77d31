/*
 * Boots: the lives of controllers, and the proof that one still lives.
 *
 * A boot holds a session lock for as long as its session lives; the server frees it when the process dies, however it
 * dies. The lock is of the advisory kind, in a class that pg_advisory_lock() and its like cannot reach.
 */
#pragma once

#include "pg.hpp"
#include "run/instant.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

struct Boot {
    std::string_view controller_id;
    std::int64_t seq;
    pg_uuid_t epoch;
    run::Instant booted_at;
};

/// A new boot of this session, its lock held in share mode. If the transaction aborts, it never was. A session that
/// boots again keeps its earlier boots alive and acts for the latest.
Boot begin_boot(std::string_view controller_id);

/// The boot this session acts for. Takes its lock again if the session dropped it (DISCARD ALL).
std::optional<pg_uuid_t> current_boot();

/// What is on record about a boot that owns a run.
struct BootRecord {
    std::string_view controller_id;
    bool lost;
};
std::optional<BootRecord> find_boot(const pg_uuid_t& epoch);

/// Whether the boot's session lives: somebody holds its lock.
bool is_alive(const pg_uuid_t& epoch);

/// Records which boots, of one controller or of all, are seen dead for the first time. Returns how many.
std::int64_t mark_lost_boots(std::optional<std::string_view> controller_id);

/// Registers the callbacks that undo an aborted boot; once, from _PG_init.
void watch_transactions();

} // namespace pdpp::store
