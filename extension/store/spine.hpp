#pragma once
// The spine: appending events and finding them again.

#include "pg.hpp"
#include "run/event.hpp"
#include "run/instant.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

/// The run an event belongs to, as flight state or the admission tells it.
struct RunIdentity {
    std::string_view run_id;
    std::string_view connector_id;
    std::string_view connector_instance_id;
    std::string_view trace_id;
    std::optional<std::string_view> scenario_id;
    run::Instant admitted_at;
};

struct NewEvent {
    std::string_view event_type;
    std::optional<std::string_view> event_id = {}; ///< if absent it is known by its number
    const Jsonb* data;
    std::optional<pg_uuid_t> boot_epoch = {};      ///< the boot that wrote it
    std::optional<std::string_view> retry_of = {}; ///< of an admission: the run that is repeated
    std::optional<run::Instant> occurred_at = {};  ///< now, if absent
    bool is_first = false; ///< of a run whose id was made just now: nobody can have written anything of it
};

/// An event that stands.
struct Event {
    std::string_view event_type;
    std::string_view event_id;
    std::int64_t event_seq;
    run::Instant recorded_at;
};

/// Appends an event, the run's lock being held, and announces it. Nothing if its phase or its event id is taken:
/// writers of this extension have looked before, so only a row that somebody wrote by hand can have come between.
std::optional<Event> append(const RunIdentity& run, const NewEvent& event);

/// What an event is known by, whose row has this id: `evt_<run id>_<number>` if it has none.
std::string_view event_id_or_generated(std::string_view event_id, std::string_view run_id, std::int64_t event_seq);

/// The event that a writer already wrote under this key.
std::optional<Event> find_event(std::string_view run_id, std::string_view event_id);

/// What the run was admitted with; a null pointer if its admission is not there (yet: a restore loads tables one by
/// one).
Jsonb* admission_data(std::string_view run_id);

/// The lock of a run that has no flight row any more: its admission's row. Serialises late outcomes. Whoever answers by
/// what stands already takes it as well: it is a write, so the commit waits until all before it is as durable as it has
/// to be. What stands may not be: a server that was started again shows commits that no standby has.
void lock_history(std::string_view run_id);

/// Which events of a run are read, and from where.
struct TimelineRange {
    std::optional<std::int64_t> behind; ///< the event behind which it begins, in its order; from an end, if absent
    std::optional<std::string_view> event_type = {}; ///< only those of this type
    bool newest_first = false;
};

/// A cursor over up to `limit` events of a run, in order: the columns of the timeline.
Portal open_timeline(std::string_view run_id, const TimelineRange& range, std::int64_t limit);

/// Columns of open_timeline().
namespace timeline_column {
inline constexpr int event_seq = 0;
inline constexpr int event_type = 1;
inline constexpr int occurred_at = 2;
inline constexpr int recorded_at = 3;
inline constexpr int admitted_at = 4;
inline constexpr int version = 5;
inline constexpr int data_json = 6;
inline constexpr int object_type = 7;
inline constexpr int object_id = 8;
inline constexpr int event_id = 9;
inline constexpr int source_id = 10;
inline constexpr int first_plain = source_id; ///< from here on text columns, served as they are under their own names
} // namespace timeline_column

} // namespace pdpp::store
