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

/// A text column where it lies; nothing for null.
std::optional<std::string_view> text_of(TupleTableSlot* slot, AttrNumber column) {
    bool is_null = false;
    const Datum datum = slot_getattr(slot, column, &is_null);
    if (is_null) {
        return {};
    }
    return text_view(datum);
}

/// Copies texts out of the page they lie in, into one piece of memory.
void keep(std::initializer_list<std::optional<std::string_view>*> texts) {
    std::size_t bytes = 0;
    for (const auto* text : texts) {
        bytes += *text ? (*text)->size() : 0;
    }
    auto* to = static_cast<char*>(palloc(bytes));
    for (auto* text : texts) {
        if (*text) {
            memcpy(to, (*text)->data(), (*text)->size());
            *text = std::string_view{to, (*text)->size()};
            to += (*text)->size();
        }
    }
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
    auto event_type = text_of(slot, spine.event_type);
    auto event_id = text_of(slot, spine.event_id);
    run::LifecycleEvent event{
        .event_type = {},
        .event_id = {},
        .occurred_at = instant_of(slot, spine.occurred_at).value_or(run::Instant{}),
        .actor_id = text_of(slot, spine.actor_id),
        .trace_id = text_of(slot, spine.trace_id),
        .connector_instance_id = text_of(slot, spine.connector_instance_id),
        .evidence = {},
    };
    keep({&event_type, &event_id, &event.actor_id, &event.trace_id, &event.connector_instance_id});
    event.event_type = event_type.value_or(std::string_view{});
    event.event_id = event_id.value_or(std::string_view{});
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

} // namespace

LifecycleReader::LifecycleReader() : memory_{CurrentMemoryContext}, snapshot_{GetActiveSnapshot()} {
    Relation table = open_current(&Catalogue::spine, spine_columns_);
    open(spine_, table, spine_columns_.lifecycle_index);
}

void LifecycleReader::open(Scan& scan, Relation table, Oid index) const {
    scan.table = table;
    scan.index = index_open(index, AccessShareLock);
    scan.slot = table_slot_create(table, nullptr);
    scan.scan = pg::begin_index_scan(table, scan.index, snapshot_, 1);
}

void LifecycleReader::close(Scan& scan) {
    if (scan.table == nullptr) {
        return;
    }
    index_endscan(scan.scan);
    ExecDropSingleTupleTableSlot(scan.slot);
    index_close(scan.index, AccessShareLock);
    relation_close(scan.table, AccessShareLock);
}

void LifecycleReader::close() {
    close(flight_);
    close(spine_);
}

/// Calls visit(slot) for each row of the run, in the caller's memory context; the scan itself goes on in ours.
template <typename Visit>
void LifecycleReader::visit_rows(Scan& scan, std::string_view run_id, Visit visit) const {
    const Datum id = to_text(run_id);
    MemoryContext callers = MemoryContextSwitchTo(memory_);
    ScanKeyData key;
    // the collation of the index decides what is equal, as it does for the executor
    ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, TEXTOID, scan.index->rd_indcollation[0], F_TEXTEQ, id);
    index_rescan(scan.scan, &key, 1, nullptr, 0);
    while (index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot)) {
        MemoryContextSwitchTo(callers);
        visit(scan.slot);
        MemoryContextSwitchTo(memory_);
    }
    MemoryContextSwitchTo(callers);
}

std::optional<run::Instant> LifecycleReader::read_cancel_request(std::string_view run_id) {
    if (flight_.table == nullptr) {
        MemoryContext callers = MemoryContextSwitchTo(memory_);
        Relation table = open_current(&Catalogue::flight, flight_columns_);
        open(flight_, table, flight_columns_.run_id_index);
        MemoryContextSwitchTo(callers);
    }
    std::optional<run::Instant> requested_at;
    visit_rows(flight_, run_id,
               [&](TupleTableSlot* slot) { requested_at = instant_of(slot, flight_columns_.cancel_requested_at); });
    return requested_at;
}

LifecycleRecord LifecycleReader::read(std::string_view run_id) {
    LifecycleRecord record;
    visit_rows(spine_, run_id, [&](TupleTableSlot* slot) { add_event(record, slot, spine_columns_); });
    if (record.events.known() && !record.events.ended) {
        record.cancel_requested_at = read_cancel_request(run_id);
    }
    return record;
}

LifecycleRecord read_lifecycle(std::string_view run_id) {
    LifecycleReader reader;
    const LifecycleRecord record = reader.read(run_id);
    reader.close();
    return record;
}

LifecycleRecord read_latest_lifecycle(std::string_view run_id) {
    CommandCounterIncrement(); // what the running statement wrote counts too
    PushActiveSnapshot(GetTransactionSnapshot());
    const LifecycleRecord record = read_lifecycle(run_id);
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
