/*
 * How runs ended, by the time at which it was recorded: from an index of its own.
 */
#pragma once

#include "pg.hpp"
#include "run/instant.hpp"

namespace pdpp::store {

/// A time before which no event of this database can be recorded any more: whatever was has been committed, or never
/// will be. At least a second ago, and not after the start of the oldest transaction that writes.
run::Instant recorded_until();

/// What a window of time has, both as jsonb arrays.
struct Endings {
    const Jsonb* counts;    ///< `{"status", "reason", "count"}`, the most first; the reason as the status tells it
    const Jsonb* detection; ///< of abandoned runs: seconds from when their controller was first seen gone
};

/// The endings that were recorded at `since` or later, and before `until`, with a snapshot of now in any transaction.
Endings endings_between(run::Instant since, run::Instant until);

} // namespace pdpp::store
