#pragma once
// Boots: the lives of controllers, as they are on record: begun, seen lost, declared dead. The proof that one still
// lives is its session (store/boot_session.hpp).

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

/// The boot whose session was lost, from now on this session's, and no longer lost. Nothing if no such boot is on
/// record or it has been declared dead: then this session has what it had.
std::optional<Boot> rejoin_boot(const pg_uuid_t& epoch);

/// The boot this session acts for, whatever became of it: for what a launcher has to say about a run.
std::optional<pg_uuid_t> current_boot();

/// What is on record about a boot that owns a run.
struct BootRecord {
    std::string_view controller_id;
    std::optional<run::Instant> lost_at;
    bool dead; ///< its grace is over: it never comes back
};
std::optional<BootRecord> find_boot(const pg_uuid_t& epoch);

/// The boot this session acts for, with its record as it stands until this session drops the lock: waits for a guard
/// that may be judging it. No record if somebody has removed it, or the extension.
struct OwnBoot {
    pg_uuid_t epoch;
    std::optional<BootRecord> record;

    [[nodiscard]] bool is_alive() const { return record && !record->dead; }
};
std::optional<OwnBoot> own_boot();

/// Whether the boot is dead: nobody holds its lock, and has not for the grace.
bool is_dead(const pg_uuid_t& epoch);

/// Whether an UPDATE that has changed its verdict is our own.
bool is_judged(const pg_uuid_t& epoch);

/// What a look at the boots found.
struct BootWatch {
    std::int64_t lost = 0;                       ///< seen without a session for the first time
    std::optional<run::Instant> next_death = {}; ///< when the grace of the next lost boot is over
};

/// Looks at every boot that is not dead yet: lost_at where its session is first seen gone, dead_at where the grace is
/// over, and lost_at cleared where it is back.
BootWatch watch_boots();

/// The same for the earlier boots of a controller that has just booted. That it boots again says that its earlier lives
/// are over: one whose session is gone gets no grace.
BootWatch watch_boots_of(std::string_view controller_id);

} // namespace pdpp::store
