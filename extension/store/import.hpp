#pragma once
// Runs that another server recorded: written down beside ours, in its order and in its words (docs/design/import.md).

#include "pg.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace pdpp::store {

/// One of the runs that an import was given.
struct ImportedRun {
    std::string_view run_id;
    bool was_known;              ///< it had been admitted before
    bool is_ours;                ///< by this database itself: nothing of it was touched
    std::int64_t events;         ///< so many were written now, beside the admission
    std::string_view event_type; ///< the terminal event that stands; empty while there is none
};

/// Whether a run was admitted by an import.
bool is_imported(std::string_view run_id);

/// Writes what of these runs is not here yet, all in the caller's transaction: the admission of a run that is new, its
/// events, and a flight row for one that is in flight where it was recorded. A run has one start and one ending, the
/// first that came; what comes after the ending, or again, is evidence. Of a run that pdpp_prune() went over, only its
/// lifecycle and evidence are written: what else is not here may be what went. One for each run that was given, in
/// their order, in the memory of SPI.
///
/// Imports of one database go one after the other.
std::span<const ImportedRun> import_runs(const Jsonb* runs);

} // namespace pdpp::store
