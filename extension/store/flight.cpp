#include "store/flight.hpp"

#include "boundary.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

namespace {

/// What a column that is never null holds; nothing, if somebody allowed that and did it.
template <typename T>
T or_nothing(const std::optional<T>& value) {
    return value.value_or(T{});
}

} // namespace

Flight flight_in(const Rows& rows, std::uint64_t row) {
    const auto deadline_at = rows.columns() > 10 ? rows.instant(row, 10) : std::nullopt;
    return {
        .run = {.run_id = or_nothing(rows.text(row, 0)),
                .connector_id = or_nothing(rows.text(row, 1)),
                .connector_instance_id = or_nothing(rows.text(row, 2)),
                .trace_id = or_nothing(rows.text(row, 3)),
                .scenario_id = rows.text(row, 4),
                .admitted_at = rows.instant(row, 5).value_or(to_instant(DT_NOBEGIN))},
        .run_generation = or_nothing(rows.int8(row, 6)),
        .boot_epoch = rows.uuid(row, 7),
        .launch_deadline = rows.instant(row, 8),
        .cancel_requested_at = rows.instant(row, 9),
        .deadline = deadline_at
                        ? std::optional{run::Deadline{.set_at = rows.instant(row, 11).value_or(to_instant(DT_NOBEGIN)),
                                                      .at = *deadline_at}}
                        : std::nullopt,
        .offered_by = {},
        .place = {},
    };
}

namespace {

/// One that was written by hand may not say when: it counts from the admission then.
std::optional<run::Deadline> deadline_in(TupleTableSlot* slot, const FlightEntry& columns) {
    const auto at = columns.has_deadlines() ? instant_of(slot, columns.deadline_at) : std::nullopt;
    if (!at) {
        return {};
    }
    const auto set_at = instant_of(slot, columns.deadline_set_at);
    return run::Deadline{
        .set_at = set_at ? *set_at : instant_of(slot, columns.started_at).value_or(to_instant(DT_NOBEGIN)), .at = *at};
}

} // namespace

Flight flight_in(TupleTableSlot* slot, const FlightEntry& columns) {
    auto run_id = text_of(slot, columns.run_id);
    auto connector_id = text_of(slot, columns.connector_id);
    auto connector_instance_id = text_of(slot, columns.connector_instance_id);
    auto trace_id = text_of(slot, columns.trace_id);
    auto scenario_id = text_of(slot, columns.scenario_id);
    keep({&run_id, &connector_id, &connector_instance_id, &trace_id, &scenario_id});
    bool has_no_generation = false;
    const Datum generation = slot_getattr(slot, columns.run_generation, &has_no_generation);
    bool has_no_owner = false;
    const Datum epoch = slot_getattr(slot, columns.boot_epoch, &has_no_owner);
    return {
        .run = {.run_id = or_nothing(run_id),
                .connector_id = or_nothing(connector_id),
                .connector_instance_id = or_nothing(connector_instance_id),
                .trace_id = or_nothing(trace_id),
                .scenario_id = scenario_id,
                .admitted_at = instant_of(slot, columns.started_at).value_or(to_instant(DT_NOBEGIN))},
        .run_generation = has_no_generation ? 0 : DatumGetInt64(generation),
        .boot_epoch = has_no_owner ? std::nullopt : std::optional{*DatumGetUUIDP(epoch)},
        .launch_deadline = instant_of(slot, columns.launch_deadline),
        .cancel_requested_at = instant_of(slot, columns.cancel_requested_at),
        .deadline = deadline_in(slot, columns),
        .offered_by = {},
        .place = {},
    };
}

namespace {

/// Locks the run's row, as a statement of ours would.
std::optional<Flight> lock_flight(std::string_view run_id, LockTupleMode mode, LockWaitPolicy policy = LockWaitBlock) {
    PreventCommandIfReadOnly(
        "SELECT FOR UPDATE"); // before anybody is told that there is no such run: this server may lag
    // that of what comes next, lest it be raised then: whoever has SHARE and wants more would be in a circle with us
    const LOCKMODE table_lock = mode == LockTupleKeyShare ? RowShareLock : RowExclusiveLock;
    std::optional<Flight> flight;
    with_row(&Catalogue::flight, table_lock, &FlightEntry::run_id, &FlightEntry::run_id_index, run_id,
             [&](Relation table, const FlightEntry& columns, TupleTableSlot* found, Snapshot snapshot) {
                 TupleTableSlot* row = lock_row(table, found, snapshot, mode, policy);
                 if (row == nullptr) {
                     return;
                 }
                 if (text_of(row, columns.run_id) == run_id) { // somebody may have changed it while we waited
                     flight = flight_in(row, columns);
                     flight->place = row->tts_tid;
                 }
                 ExecDropSingleTupleTableSlot(row);
             });
    return flight;
}

/// The run whose row our own DELETE takes, while it runs in this session.
std::optional<std::string_view> removing;

} // namespace

WriteTarget& flight_rows() {
    static WriteTarget target;
    return target;
}

bool keeps_deadlines() {
    return catalogue().flight.has_deadlines();
}

bool keeps_offers() {
    return catalogue().flight.has_offers();
}

namespace {

/// So many rows of this run were written. None, though it is there, if somebody keeps it from being written; but it may
/// be gone, if somebody's trigger has ended the run.
void require_written(std::uint64_t rows, std::string_view run_id) {
    if (rows == 0 && is_in_flight(run_id)) {
        refuse_unwritten("controller_active_runs");
    }
}

/// Inserts it without a statement. False if a statement has to do it, or to say what is in the way.
bool insert_row_directly(const Flight& flight, bool skips) {
    FlightEntry columns;
    Relation table = open_current(&Catalogue::flight, RowExclusiveLock, columns);
    bool is_inserted = false;
    if (columns.can_be_inserted) {
        const RunIdentity& run = flight.run;
        NewRow<flight_places> row;
        row.set(columns.connector_instance_id, run.connector_instance_id);
        row.set(columns.connector_id, run.connector_id);
        row.set(columns.run_id, run.run_id);
        row.set(columns.trace_id, run.trace_id);
        row.set(columns.scenario_id, run.scenario_id);
        row.set(columns.started_at, run.admitted_at);
        row.set(columns.run_generation, Int64GetDatum(flight.run_generation));
        row.set(columns.launch_deadline, flight.launch_deadline);
        if (flight.deadline) {
            row.set(columns.deadline_at, flight.deadline->at);
            row.set(columns.deadline_set_at, flight.deadline->set_at);
        }
        if (flight.offered_by) {
            row.set(columns.offered_by, UUIDPGetDatum(&*flight.offered_by));
        }
        is_inserted = insert_directly(table, flight_rows(), row.values(), row.nulls(), !skips);
    }
    relation_close(table, NoLock);
    return is_inserted;
}

bool insert_row(const Flight& flight, bool skips) {
#define INSERT_FLIGHT(columns, values)                                                                                 \
    "insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, scenario_id,"     \
    " started_at, run_generation, launch_deadline" columns ") values ($1, $2, $3, $4, $5, $6, $7, $8" values ")"
#define WITH_OFFER INSERT_FLIGHT(", deadline_at, deadline_set_at, offered_by", ", $9, $10, $11")
#define WITH_DEADLINE INSERT_FLIGHT(", deadline_at, deadline_set_at", ", $9, $10")
    static Statement insert_or_skip{INSERT_FLIGHT("", "") " on conflict do nothing"};
    static Statement insert_or_raise{INSERT_FLIGHT("", "")};
    static Statement insert_timed_or_skip{WITH_DEADLINE " on conflict do nothing"};
    static Statement insert_timed_or_raise{WITH_DEADLINE};
#undef WITH_DEADLINE
    const RunIdentity& run = flight.run;
    if (flight.offered_by && keeps_offers()) {
        static Statement insert_offered_or_skip{WITH_OFFER " on conflict do nothing"};
        static Statement insert_offered_or_raise{WITH_OFFER};
        const auto& deadline = flight.deadline;
        Statement& insert = skips ? insert_offered_or_skip : insert_offered_or_raise;
        return insert.change({run.connector_instance_id, run.connector_id, run.run_id, run.trace_id, run.scenario_id,
                              run.admitted_at, flight.run_generation, flight.launch_deadline,
                              deadline ? std::optional{deadline->at} : std::nullopt,
                              deadline ? std::optional{deadline->set_at} : std::nullopt, flight.offered_by}) > 0;
    }
#undef WITH_OFFER
#undef INSERT_FLIGHT
    if (!flight.deadline) {
        Statement& insert = skips ? insert_or_skip : insert_or_raise;
        return insert.change({run.connector_instance_id, run.connector_id, run.run_id, run.trace_id, run.scenario_id,
                              run.admitted_at, flight.run_generation, flight.launch_deadline}) > 0;
    }
    Statement& insert = skips ? insert_timed_or_skip : insert_timed_or_raise;
    return insert.change({run.connector_instance_id, run.connector_id, run.run_id, run.trace_id, run.scenario_id,
                          run.admitted_at, flight.run_generation, flight.launch_deadline, flight.deadline->at,
                          flight.deadline->set_at}) > 0;
}

} // namespace

bool insert_flight(const Flight& flight, OnConflict on_conflict) {
    const bool skips = on_conflict == OnConflict::skip;
    const bool is_written = insert_row_directly(flight, skips) || insert_row(flight, skips);
    if (!is_written && !skips) {
        refuse_unwritten("controller_active_runs");
    }
    return is_written;
}

bool is_in_flight(std::string_view run_id) {
    static Statement find{"select from pdpp.controller_active_runs where run_id = $1"};
    return find.execute({run_id}).any();
}

std::optional<std::string_view> active_run_of(std::string_view connector_instance_id) {
    std::optional<std::string_view> run_id;
    with_row(&Catalogue::flight, RowExclusiveLock, &FlightEntry::connector_instance_id, &FlightEntry::primary_key,
             connector_instance_id,
             [&](Relation /*table*/, const FlightEntry& columns, TupleTableSlot* found, Snapshot /*snapshot*/) {
                 run_id = text_of(found, columns.run_id);
                 keep({&run_id});
             });
    return run_id;
}

std::optional<Flight> lock_for_event(std::string_view run_id) {
    return lock_flight(run_id, LockTupleNoKeyExclusive);
}

std::optional<Flight> lock_for_settle(std::string_view run_id) {
    return lock_flight(run_id, LockTupleExclusive);
}

std::optional<Flight> try_lock_for_settle(std::string_view run_id) {
    return lock_flight(run_id, LockTupleExclusive, LockWaitSkip);
}

std::optional<Flight> lock_for_fence(std::string_view run_id) {
    return lock_flight(run_id, LockTupleKeyShare);
}

std::optional<Flight> start_unstarted(std::string_view run_id, std::optional<pg_uuid_t> boot_epoch) {
    PreventCommandIfReadOnly("UPDATE"); // as lock_flight() does
    std::optional<Flight> flight;
    const auto mark = [&](Relation table, const FlightEntry& columns, TupleTableSlot* found, Snapshot /*snapshot*/) {
        if (!columns.can_be_started || !instant_of(found, columns.launch_deadline)) {
            return;
        }
        Flight unstarted = flight_in(found, columns);
        const auto& epoch = boot_epoch ? boot_epoch : unstarted.boot_epoch;
        const Change owner{columns.boot_epoch, epoch ? std::optional{UUIDPGetDatum(&*epoch)} : std::nullopt};
        if (update_directly(table, flight_rows(), found, {{columns.launch_deadline, {}}, owner})) {
            flight = unstarted;
        }
    };
    with_row(&Catalogue::flight, RowExclusiveLock, &FlightEntry::run_id, &FlightEntry::run_id_index, run_id, mark);
    return flight;
}

void mark_started(const Flight& flight, std::optional<pg_uuid_t> boot_epoch) {
    static Statement update{"update pdpp.controller_active_runs as f"
                            " set launch_deadline = null, boot_epoch = coalesce($2, f.boot_epoch) where f.run_id = $1"};
    require_written(update.change({flight.run.run_id, boot_epoch}), flight.run.run_id);
}

void set_launch_deadline(std::string_view run_id, run::Instant launch_deadline) {
    static Statement update{"update pdpp.controller_active_runs set launch_deadline = $2 where run_id = $1"};
    require_written(update.change({run_id, launch_deadline}), run_id);
}

void set_deadline(std::string_view run_id, const run::Deadline& deadline) {
    static Statement update{
        "update pdpp.controller_active_runs set deadline_at = $2, deadline_set_at = $3 where run_id = $1"};
    require_written(update.change({run_id, deadline.at, deadline.set_at}), run_id);
}

void mark_cancel_requested(std::string_view run_id, std::optional<std::string_view> requested_by) {
    static Statement update{"update pdpp.controller_active_runs"
                            " set cancel_requested_at = $2, cancel_requested_by = $3 where run_id = $1"};
    require_written(update.change({run_id, now(), requested_by}), run_id);
}

namespace {

/// Removes the row that we have locked, without a statement. False if a statement has to do it.
bool remove_directly(const ItemPointerData& place) {
    FlightEntry columns;
    Relation table = open_current(&Catalogue::flight, RowExclusiveLock, columns);
    bool is_removed = false;
    if (columns.can_be_removed) {
        (void)push_latest_snapshot();
        is_removed = delete_directly(table, place);
        PopActiveSnapshot();
    }
    relation_close(table, NoLock);
    return is_removed;
}

} // namespace

void delete_flight(const Flight& flight) {
    static Statement remove{"delete from pdpp.controller_active_runs where run_id = $1"};
    if (flight.place && remove_directly(*flight.place)) {
        return;
    }
    const auto outer = removing; // somebody's trigger may end another run while ours is removed
    PG_TRY();
    {
        removing = flight.run.run_id;
        require_written(remove.change({flight.run.run_id}), flight.run.run_id);
    }
    PG_FINALLY();
    { removing = outer; }
    PG_END_TRY();
}

bool is_removal_of_ended(std::string_view run_id) {
    return removing == run_id;
}

} // namespace pdpp::store
