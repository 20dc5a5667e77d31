#pragma once
// Flight state: one row for each run that has not settled. Its row lock is the run's lock.

#include "pg.hpp"
#include "run/deadline.hpp"
#include "run/instant.hpp"
#include "store/catalogue.hpp"
#include "store/direct.hpp"
#include "store/spine.hpp"
#include "store/statement.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

struct Flight {
    RunIdentity run;
    std::int64_t run_generation;
    std::optional<pg_uuid_t> boot_epoch;         ///< the boot that owns it
    std::optional<run::Instant> launch_deadline; ///< absent once the run has started
    std::optional<run::Instant> cancel_requested_at;
    std::optional<run::Deadline> deadline; ///< of the whole run
    std::optional<pg_uuid_t> offered_by;   ///< the boot that may claim it; read for nobody but an admission
    std::optional<ItemPointerData> place;  ///< of the row, if we have locked it
};

/// What a statement has to return, of the table as `f`, for flight_in(); the deadline with it, if that is wanted.
#define FLIGHT_COLUMNS                                                                                                 \
    "f.run_id, f.connector_id, f.connector_instance_id, f.trace_id, f.scenario_id, f.started_at, f.run_generation,"    \
    " f.boot_epoch, f.launch_deadline, f.cancel_requested_at"
Flight flight_in(const Rows& rows, std::uint64_t row);
Flight flight_in(TupleTableSlot* slot, const FlightEntry& columns);

/// Flight state, to be written without statements.
WriteTarget& flight_rows();

/// Whether this database keeps deadlines: its SQL may be older.
bool keeps_deadlines();

/// Whether its flight rows say which boot may claim them.
bool keeps_offers();

/// A fresh row; false if something is in the way and is to be skipped: the connection's run in flight, the run id's, or
/// whatever an index of somebody's says.
bool insert_flight(const Flight& flight, OnConflict on_conflict);

/// Whether a run with this id is in flight on any connection.
bool is_in_flight(std::string_view run_id);

/// The run in flight on a connection.
std::optional<std::string_view> active_run_of(std::string_view connector_instance_id);

/// Locks the run for an event: others wait, readers do not.
std::optional<Flight> lock_for_event(std::string_view run_id);

/// Locks the run for its ending.
std::optional<Flight> lock_for_settle(std::string_view run_id);

/// The same, unless somebody else is at work on the run.
std::optional<Flight> try_lock_for_settle(std::string_view run_id);

/// Keeps the run from being settled until this transaction ends; events and other fences go on.
std::optional<Flight> lock_for_fence(std::string_view run_id);

/// Marks the run as started, as mark_started() does, which is its lock as well. Nothing, and no lock, if it has started
/// already, has no row, or if that has changed just now, or where a statement has to do it.
std::optional<Flight> start_unstarted(std::string_view run_id, std::optional<pg_uuid_t> boot_epoch);

/// The run has started: no launch deadline any more, and the boot, if there is one, owns it.
void mark_started(const Flight& flight, std::optional<pg_uuid_t> boot_epoch);

void set_launch_deadline(std::string_view run_id, run::Instant launch_deadline);

/// Only where the database keeps deadlines.
void set_deadline(std::string_view run_id, const run::Deadline& deadline);

void mark_cancel_requested(std::string_view run_id, std::optional<std::string_view> requested_by);

/// Removes the row of a run whose terminal event stands, which the caller has written or seen; or of an imported one
/// that its server has left.
void delete_flight(const Flight& flight);

/// Whether the row that a DELETE has taken is the one that delete_flight() takes. Whatever else goes while that runs,
/// by somebody's trigger, is not.
bool is_removal_of_ended(std::string_view run_id);

} // namespace pdpp::store
