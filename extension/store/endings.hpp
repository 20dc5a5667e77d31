#pragma once
// How runs ended, by the time at which it was recorded: from an index of its own.

#include "pg.hpp"
#include "run/instant.hpp"

#include <cstdint>

namespace pdpp::store {

/// A time before which no event of this database can be recorded any more: whatever was has been committed, or never
/// will be. At least a second ago, and not after the start of the oldest transaction that writes, or that has written
/// events and is prepared.
run::Instant recorded_until();

/// Registers the callback by which recorded_until() knows of prepared transactions; once, from _PG_init.
void watch_prepared_transactions();

/// Before an event is written: recorded_until() will know of this transaction if it is being prepared.
void hold_endings_once_prepared();

/// What a window of time has, as jsonb arrays, and where it ends.
struct Endings {
    const Jsonb* counts;    ///< `{"status", "reason", "count"}`, the most first; the reason as the status tells it
    const Jsonb* detection; ///< of abandoned runs: seconds from when their controller was first seen gone
    run::Instant until;     ///< as asked for, or where the next window begins
};

/// The endings that were recorded at `since` or later, and before `until`, with a snapshot of now in any transaction.
/// Of more than `limit` the first, and all that were recorded at the same microsecond as the last of them.
Endings endings_between(run::Instant since, run::Instant until, std::int64_t limit);

} // namespace pdpp::store
