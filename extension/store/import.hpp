#pragma once
// Runs that another server recorded: written down beside ours, in its order and in its words (docs/design/import.md).

#include "pg.hpp"
#include "run/instant.hpp"
#include "store/spine.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace pdpp::store {

/// The texts of an event that are taken as they are given, by the names of their columns.
inline constexpr std::array<std::string_view, 19> event_texts{
    "trace_id",    "scenario_id", "actor_type", "actor_id",   "subject_type",   "subject_id",
    "object_type", "object_id",   "status",     "request_id", "grant_id",       "source_kind",
    "source_id",   "client_id",   "stream_id",  "token_id",   "interaction_id", "connector_instance_id",
    "version"};

/// An object within a jsonb, where it lies.
struct JsonbView {
    JsonbContainer* container = nullptr;
    int bytes = 0;

    /// As a jsonb of its own, in the current memory context; `{}` for nothing.
    [[nodiscard]] Jsonb* copy() const;
};

/// An event as it was recorded there.
struct GivenEvent {
    std::string_view event_type;
    std::optional<std::string_view> event_id; ///< none: the import concluded it
    std::optional<run::Instant> occurred_at;  ///< not missing
    std::optional<run::Instant> recorded_at;
    JsonbView data;
    std::array<std::optional<std::string_view>, event_texts.size()> texts;

    [[nodiscard]] constexpr std::optional<std::string_view> text(std::string_view name) const {
        return texts[static_cast<std::size_t>(std::ranges::find(event_texts, name) - event_texts.begin())];
    }
};

/// A run as it was recorded there.
struct GivenRun {
    RunIdentity identity;
    const Jsonb* data; ///< the admission's
    bool in_flight;    ///< its server may still end it
    std::optional<std::int64_t> run_generation;
    std::span<const GivenEvent> events; ///< in their order
};

/// What became of one of them.
struct ImportedRun {
    std::string_view run_id;
    bool was_known = false;           ///< it had been admitted before
    bool is_ours = false;             ///< by this database itself: nothing of it was touched
    std::int64_t events = 0;          ///< so many were written now, beside the admission
    std::string_view event_type = {}; ///< the terminal event that stands; empty while there is none
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
std::span<const ImportedRun> import_runs(std::span<const GivenRun> runs);

} // namespace pdpp::store
