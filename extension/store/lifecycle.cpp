#include "store/lifecycle.hpp"

#include "boundary.hpp"
#include "store/catalogue.hpp"
#include "store/jsonb.hpp"

namespace pdpp::store {

namespace {

/// Opens a table of ours for reading and returns its current entry; `table_of` picks the entry from the catalogue.
/// The lock can show that what we knew is gone (DROP and CREATE EXTENSION, REINDEX CONCURRENTLY): then look again.
template <typename Entry>
Relation open_current(Entry Catalogue::*member, Entry& entry) {
    for (;;) {
        entry = catalogue().*member;
        Relation table = try_relation_open(entry.table, AccessShareLock);
        if (table == nullptr) {
            forget_catalogue();
            continue;
        }
        entry = catalogue().*member;
        if (entry.table == RelationGetRelid(table)) {
            return table;
        }
        relation_close(table, AccessShareLock);
    }
}

/// Calls visit(slot) for each row whose first index column equals the run id.
template <typename Visit>
void scan_by_run_id(Relation table, Oid index_oid, std::string_view run_id, Snapshot snapshot, Visit visit) {
    Relation index = index_open(index_oid, AccessShareLock);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    IndexScanDesc scan = pg::begin_index_scan(table, index, snapshot, 1);
    ScanKeyData key;
    // the collation of the index decides what is equal, as it does for the executor
    ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, TEXTOID, index->rd_indcollation[0], F_TEXTEQ,
                           to_text(run_id));
    index_rescan(scan, &key, 1, nullptr, 0);
    while (index_getnext_slot(scan, ForwardScanDirection, slot)) {
        visit(slot);
    }
    index_endscan(scan);
    ExecDropSingleTupleTableSlot(slot);
    index_close(index, AccessShareLock);
}

/// A text column, copied out of the page; nothing for null.
std::optional<std::string_view> copy_text(TupleTableSlot* slot, AttrNumber column) {
    bool is_null = false;
    const Datum datum = slot_getattr(slot, column, &is_null);
    if (is_null) {
        return {};
    }
    return text_view(PointerGetDatum(PG_DETOAST_DATUM_COPY(datum)));
}

std::optional<run::Instant> instant_of(TupleTableSlot* slot, AttrNumber column) {
    bool is_null = false;
    const Datum datum = slot_getattr(slot, column, &is_null);
    if (is_null) {
        return {};
    }
    return to_instant(DatumGetTimestampTz(datum));
}

run::Evidence evidence_in(const Jsonb* data) {
    return {
        .reason = string_under(data, "reason"),
        .failure_reason = string_under(data, "failure_reason"),
        .failure_message = string_under(data, "failure_message"),
        .message = string_under(data, "message"),
        .failure_origin = string_under(data, "failure_origin"),
        .connector_error_message = string_under(data, "connector_error_message"),
    };
}

void add_event(LifecycleRecord& record, TupleTableSlot* slot, const SpineEntry& spine) {
    run::LifecycleEvent event{
        .event_type = copy_text(slot, spine.event_type).value_or(std::string_view{}),
        .event_id = copy_text(slot, spine.event_id).value_or(std::string_view{}),
        .occurred_at = instant_of(slot, spine.occurred_at).value_or(run::Instant{}),
        .actor_id = copy_text(slot, spine.actor_id),
        .trace_id = copy_text(slot, spine.trace_id),
        .connector_instance_id = copy_text(slot, spine.connector_instance_id),
        .evidence = {},
    };
    switch (run::phase_of(event.event_type).value_or(run::Phase::ended)) {
    case run::Phase::admitted:
        record.events.admitted = event;
        break;
    case run::Phase::started:
        record.events.started = event;
        break;
    case run::Phase::ended: {
        bool is_null = false;
        record.terminal_data =
            reinterpret_cast<const Jsonb*>(PG_DETOAST_DATUM_COPY(slot_getattr(slot, spine.data_json, &is_null)));
        event.evidence = evidence_in(record.terminal_data);
        record.events.ended = event;
        break;
    }
    }
}

std::optional<run::Instant> read_cancel_request(std::string_view run_id, Snapshot snapshot) {
    std::optional<run::Instant> requested_at;
    FlightEntry flight;
    Relation table = open_current(&Catalogue::flight, flight);
    scan_by_run_id(table, flight.run_id_index, run_id, snapshot,
                   [&](TupleTableSlot* slot) { requested_at = instant_of(slot, flight.cancel_requested_at); });
    relation_close(table, AccessShareLock);
    return requested_at;
}

LifecycleRecord read(std::string_view run_id, Snapshot snapshot) {
    LifecycleRecord record;
    SpineEntry spine;
    Relation table = open_current(&Catalogue::spine, spine);
    scan_by_run_id(table, spine.lifecycle_index, run_id, snapshot,
                   [&](TupleTableSlot* slot) { add_event(record, slot, spine); });
    relation_close(table, AccessShareLock);
    if (record.events.known() && !record.events.ended) {
        record.cancel_requested_at = read_cancel_request(run_id, snapshot);
    }
    return record;
}

} // namespace

LifecycleRecord read_lifecycle(std::string_view run_id) {
    return read(run_id, GetActiveSnapshot());
}

LifecycleRecord read_latest_lifecycle(std::string_view run_id) {
    CommandCounterIncrement(); // what the running statement wrote counts too
    PushActiveSnapshot(GetTransactionSnapshot());
    const LifecycleRecord record = read(run_id, GetActiveSnapshot());
    PopActiveSnapshot();
    return record;
}

std::optional<run::Outcome> standing_outcome(const LifecycleRecord& record) {
    if (!record.events.ended) {
        return {};
    }
    return run::outcome_of(record.events.ended->event_type);
}

} // namespace pdpp::store
