#pragma once
// How the events that another server recorded of a run find their place beside those that are here.

#include "run/instant.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::run {

/// What is on record of a run while events are added to it, in the order in which they are told.
struct History {
    std::int64_t last_seq = 0;
    Instant last_recorded_at{}; ///< in a run, no event is recorded before the one it follows
    bool is_started = false;
    bool is_ended = false;
    std::optional<Instant> pruned_until = {}; ///< retention took events away that were recorded no later
};

/// An event that is told of it, and is not here yet.
struct ToldEvent {
    std::string_view event_type;
    bool has_id = false; ///< none: the import concluded it, and it is no evidence of anything
    std::optional<Instant> recorded_at = {};
};

/// What becomes of an event that was told.
enum class Telling : std::uint8_t {
    left_out,
    as_it_is,
    late, ///< of a phase that is taken: as evidence, a run.late_outcome
};

/// Decides it, and counts the event unless it is left out: `last_seq` and `last_recorded_at` are its own then. The
/// first start and the first ending stand; a start behind an ending does not; the admission is the import's own.
[[nodiscard]] Telling tell(History& history, const ToldEvent& event);

} // namespace pdpp::run
