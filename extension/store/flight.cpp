#include "store/flight.hpp"

#include "boundary.hpp"
#include "store/direct.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

namespace {

#define FLIGHT_COLUMNS                                                                                                 \
    "f.run_id, f.connector_id, f.connector_instance_id, f.trace_id, f.scenario_id, f.started_at, f.run_generation,"    \
    " f.boot_epoch, f.launch_deadline, f.cancel_requested_at"

std::optional<Flight> flight_in(const Rows& rows) {
    if (!rows.any()) {
        return {};
    }
    return Flight{
        .run = {.run_id = *rows.text(0, 0),
                .connector_id = *rows.text(0, 1),
                .connector_instance_id = *rows.text(0, 2),
                .trace_id = *rows.text(0, 3),
                .scenario_id = rows.text(0, 4),
                .admitted_at = *rows.instant(0, 5)},
        .run_generation = *rows.int8(0, 6),
        .boot_epoch = rows.uuid(0, 7),
        .launch_deadline = rows.instant(0, 8),
        .cancel_requested_at = rows.instant(0, 9),
    };
}

constexpr Shape flight_shape{.columns = 11, .checks = 0, .defaults = 0};

WriteTarget& flight_target() {
    static WriteTarget target;
    return target;
}

Flight flight_in(TupleTableSlot* slot, const FlightEntry& columns) {
    auto run_id = text_of(slot, columns.run_id);
    auto connector_id = text_of(slot, columns.connector_id);
    auto connector_instance_id = text_of(slot, columns.connector_instance_id);
    auto trace_id = text_of(slot, columns.trace_id);
    auto scenario_id = text_of(slot, columns.scenario_id);
    keep({&run_id, &connector_id, &connector_instance_id, &trace_id, &scenario_id});
    bool is_null = false;
    const Datum generation = slot_getattr(slot, columns.run_generation, &is_null);
    const Datum epoch = slot_getattr(slot, columns.boot_epoch, &is_null);
    return {
        .run = {.run_id = *run_id,
                .connector_id = *connector_id,
                .connector_instance_id = *connector_instance_id,
                .trace_id = *trace_id,
                .scenario_id = scenario_id,
                .admitted_at = *instant_of(slot, columns.started_at)},
        .run_generation = DatumGetInt64(generation),
        .boot_epoch = is_null ? std::nullopt : std::optional{*DatumGetUUIDP(epoch)},
        .launch_deadline = instant_of(slot, columns.launch_deadline),
        .cancel_requested_at = instant_of(slot, columns.cancel_requested_at),
        .row = slot->tts_tid,
    };
}

/// Locks the run's row, with a snapshot of its own, as a statement of ours would.
std::optional<Flight> lock_flight(std::string_view run_id, LockTupleMode mode, LockWaitPolicy policy = LockWaitBlock) {
    FlightEntry columns;
    Relation table = open_current(&Catalogue::flight, RowShareLock, columns);
    Snapshot snapshot = push_latest_snapshot();
    const Datum key = to_text(run_id);
    KeyScan scan;
    scan.open(table, columns.run_id_index, snapshot);
    scan.seek(key);
    std::optional<Flight> flight;
    if (TupleTableSlot* found = scan.next()) {
        if (TupleTableSlot* row = lock_row(table, found, snapshot, mode, policy)) {
            if (text_of(row, columns.run_id) == run_id) { // somebody may have changed it while we waited
                flight = flight_in(row, columns);
            }
            ExecDropSingleTupleTableSlot(row);
        }
    }
    scan.close();
    PopActiveSnapshot();
    relation_close(table, NoLock);
    return flight;
}

bool insert_flight_directly(const Flight& flight) {
    WriteTarget& prepared = flight_target();
    FlightEntry columns;
    Relation table = open_current(&Catalogue::flight, RowExclusiveLock, columns);
    bool inserted = false;
    if (is_written_directly(table, flight_shape, TRIGGER_TYPE_INSERT)) {
        NewRow<flight_shape.columns> row;
        row.set(columns.connector_instance_id, flight.run.connector_instance_id);
        row.set(columns.connector_id, flight.run.connector_id);
        row.set(columns.run_id, flight.run.run_id);
        row.set(columns.trace_id, flight.run.trace_id);
        row.set(columns.scenario_id, flight.run.scenario_id);
        row.set(columns.started_at, flight.run.admitted_at);
        row.set(columns.run_generation, Int64GetDatum(flight.run_generation));
        row.set(columns.launch_deadline, flight.launch_deadline);
        inserted = insert_directly(table, prepared, row.values(), row.nulls());
    }
    relation_close(table, NoLock);
    return inserted;
}

/// Writes to the row that this transaction has locked: write(table, columns, row). False if the table is not written
/// directly, or if the row is not where it was locked: this transaction may have changed it since.
template <typename Write>
bool write_locked(const Flight& flight, int done, Write write) {
    if (!ItemPointerIsValid(&flight.row)) {
        return false;
    }
    FlightEntry columns;
    Relation table = open_current(&Catalogue::flight, RowExclusiveLock, columns);
    bool written = false;
    // what the guard of removals would look for, who calls delete_flight() has just written or seen
    const Oid done_by_us = done == TRIGGER_TYPE_DELETE ? columns.removal_guard : InvalidOid;
    if (is_written_directly(table, flight_shape, done, done_by_us)) {
        ItemPointerData at = flight.row;
        TupleTableSlot* row = table_slot_create(table, nullptr);
        written = table_tuple_fetch_row_version(table, &at, push_latest_snapshot(), row) && write(table, columns, row);
        PopActiveSnapshot();
        ExecDropSingleTupleTableSlot(row);
    }
    relation_close(table, NoLock);
    return written;
}

} // namespace

bool insert_flight(const Flight& flight) {
    static Statement insert{
        "insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, scenario_id,"
        " started_at, run_generation, launch_deadline)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing returning true"};
    if (insert_flight_directly(flight)) {
        return true;
    }
    const RunIdentity& run = flight.run;
    return insert
        .execute({run.connector_instance_id, run.connector_id, run.run_id, run.trace_id, run.scenario_id,
                  run.admitted_at, flight.run_generation, flight.launch_deadline})
        .any();
}

bool is_in_flight(std::string_view run_id) {
    static Statement find{"select from pdpp.controller_active_runs where run_id = $1"};
    return find.execute({run_id}).any();
}

std::optional<std::string_view> active_run_of(std::string_view connector_instance_id) {
    FlightEntry columns;
    Relation table = open_current(&Catalogue::flight, AccessShareLock, columns);
    const Datum key = to_text(connector_instance_id);
    KeyScan scan;
    scan.open(table, columns.primary_key, push_latest_snapshot());
    scan.seek(key);
    std::optional<std::string_view> run_id;
    if (TupleTableSlot* found = scan.next()) {
        run_id = text_of(found, columns.run_id);
        keep({&run_id});
    }
    scan.close();
    PopActiveSnapshot();
    relation_close(table, AccessShareLock);
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

std::optional<Flight> claim_offered(const pg_uuid_t& boot_epoch) {
    static Statement claim{"update pdpp.controller_active_runs as f set boot_epoch = $1"
                           " where f.run_id = (select a.run_id from pdpp.controller_active_runs as a"
                           "   join pdpp.connections as c on c.connector_instance_id = a.connector_instance_id"
                           "   where a.boot_epoch is null and c.boot_epoch = $1 and a.launch_deadline > $2"
                           "     and a.cancel_requested_at is null"
                           "   order by a.started_at, a.run_id limit 1 for no key update of a skip locked)"
                           " returning " FLIGHT_COLUMNS};
    return flight_in(claim.execute({boot_epoch, now()}));
}

std::optional<Flight> claim_run(std::string_view run_id, const pg_uuid_t& boot_epoch) {
    // "is true" keeps it from the index of all that is unclaimed, which a plan made for a short queue may prefer
    static Statement claim{"update pdpp.controller_active_runs as f set boot_epoch = $2"
                           " where f.run_id = $1 and (f.boot_epoch is null) is true and f.launch_deadline > $3"
                           "   and f.cancel_requested_at is null"
                           " returning " FLIGHT_COLUMNS};
    return flight_in(claim.execute({run_id, boot_epoch, now()}));
}

void mark_started(const Flight& flight, std::optional<pg_uuid_t> boot_epoch) {
    static Statement update{"update pdpp.controller_active_runs"
                            " set launch_deadline = null, boot_epoch = coalesce($2, boot_epoch) where run_id = $1"};
    const auto& owner = boot_epoch ? boot_epoch : flight.boot_epoch;
    const bool updated =
        write_locked(flight, TRIGGER_TYPE_UPDATE, [&](Relation table, const FlightEntry& columns, TupleTableSlot* row) {
            const Change started{.column = columns.launch_deadline, .value = {}};
            const Change owned{.column = columns.boot_epoch,
                               .value = owner ? std::optional{UUIDPGetDatum(&*owner)} : std::nullopt};
            return update_directly(table, flight_target(), row, {started, owned});
        });
    if (!updated) {
        update.execute({flight.run.run_id, boot_epoch});
    }
}

void mark_cancel_requested(std::string_view run_id, std::optional<std::string_view> requested_by) {
    static Statement update{"update pdpp.controller_active_runs"
                            " set cancel_requested_at = $2, cancel_requested_by = $3 where run_id = $1"};
    update.execute({run_id, now(), requested_by});
}

void delete_flight(const Flight& flight) {
    static Statement remove{"delete from pdpp.controller_active_runs where run_id = $1"};
    const bool deleted =
        write_locked(flight, TRIGGER_TYPE_DELETE, [](Relation table, const FlightEntry&, TupleTableSlot* row) {
            return delete_directly(table, row);
        });
    if (!deleted) {
        remove.execute({flight.run.run_id});
    }
}

} // namespace pdpp::store
