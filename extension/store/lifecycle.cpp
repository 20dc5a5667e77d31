#include "store/lifecycle.hpp"

#include "boundary.hpp"
#include "run/event.hpp"
#include "store/jsonb.hpp"

namespace pdpp::store {

namespace {

void read_evidence(run::Evidence& evidence, const Jsonb* data, run::Outcome outcome) {
    evidence.reason = string_under(data, "reason");
    evidence.failure_reason = string_under(data, "failure_reason");
    if (run::has_failure(outcome)) {
        evidence.failure_message = string_under(data, "failure_message");
        evidence.message = string_under(data, "message");
        evidence.failure_origin = string_under(data, "failure_origin");
        evidence.connector_error_message = string_under(data, "connector_error_message");
    }
}

/// Reads what every lifecycle event says, out of the page that it lies in.
run::LifecycleEvent& read_event(std::optional<run::LifecycleEvent>& read, TupleTableSlot* slot, const SpineEntry& spine,
                                std::string_view event_type) {
    run::LifecycleEvent& event = read.emplace();
    event.event_type = event_type;
    event.occurred_at = instant_of(slot, spine.occurred_at).value_or(run::Instant{});
    event.actor_id = text_of(slot, spine.actor_id);
    event.trace_id = text_of(slot, spine.trace_id);
    event.connector_instance_id = text_of(slot, spine.connector_instance_id);
    event.scenario_id = text_of(slot, spine.scenario_id);
    keep({&event.actor_id, &event.trace_id, &event.connector_instance_id, &event.scenario_id});
    return event;
}

/// The connector as writers of other servers tell it, `data.source.id`; looked for only while no event has named one.
void add_source(run::LifecycleEvent& event, const run::Lifecycle& others, TupleTableSlot* slot,
                const SpineEntry& spine) {
    if (event.actor_id || (others.admitted && others.admitted->actor_id) ||
        (others.started && others.started->actor_id)) {
        return;
    }
    bool is_null = false;
    const Datum data = slot_getattr(slot, spine.data_json, &is_null);
    const Jsonb* source =
        is_null ? nullptr : value_under(reinterpret_cast<const Jsonb*>(PG_DETOAST_DATUM_COPY(data)), "source");
    const std::string_view id = source != nullptr ? string_under(source, "id") : std::string_view{};
    if (!id.empty()) {
        event.source_in_data = id;
    }
}

void add_event(LifecycleRecord& record, TupleTableSlot* slot, const SpineEntry& spine) {
    slot_getsomeattrs(slot, spine.connector_instance_id); // up to the last one but the data, at once
    const std::string_view event_type = text_of(slot, spine.event_type).value_or(std::string_view{});
    const auto phase = run::phase_of(event_type);
    if (!phase) {
        return; // the index has the lifecycle alone; a walk through the table comes by all events
    }
    switch (*phase) {
    case run::Phase::admitted:
        add_source(read_event(record.events.admitted, slot, spine, run::event_type::admitted), record.events, slot,
                   spine);
        if (const auto source_kind = text_of(slot, spine.source_kind); source_kind == run::retried_run) {
            record.retry_of = text_of(slot, spine.source_id);
            keep({&record.retry_of});
        } else {
            record.is_imported = source_kind == run::imported;
        }
        break;
    case run::Phase::started: {
        add_source(read_event(record.events.started, slot, spine, run::event_type::started), record.events, slot,
                   spine);
        auto event_id = text_of(slot, spine.event_id);
        keep({&event_id});
        record.started_event_id = event_id.value_or(std::string_view{});
        bool is_null = false;
        record.started_event_seq = DatumGetInt64(slot_getattr(slot, spine.event_seq, &is_null));
        break;
    }
    case run::Phase::ended: {
        const auto outcome = run::outcome_of(event_type).value_or(run::Outcome::abandoned);
        auto& ended = read_event(record.events.ended, slot, spine, run::terminal_event_of(outcome));
        bool is_null = false;
        const Datum data = slot_getattr(slot, spine.data_json, &is_null);
        record.terminal_data = is_null ? empty_object() : reinterpret_cast<const Jsonb*>(PG_DETOAST_DATUM_COPY(data));
        read_evidence(ended.evidence, record.terminal_data, outcome);
        add_source(ended, record.events, slot, spine);
        break;
    }
    }
}

} // namespace

LifecycleReader::LifecycleReader(Retries retries) : memory_{CurrentMemoryContext}, snapshot_{GetActiveSnapshot()} {
    spine_ = open_current(&Catalogue::spine, AccessShareLock, spine_columns_);
    reads_retries_ = retries == Retries::read && spine_columns_.has_retries;
    require_readable(spine_, spine_columns_.unreadable);
    events_.open(spine_, spine_columns_.run_id, spine_columns_.lifecycle_index, snapshot_);
}

void LifecycleReader::close() {
    if (flight_ != nullptr) {
        flights_.close();
        relation_close(flight_, NoLock);
    }
    retries_.close();
    events_.close();
    relation_close(spine_, NoLock);
}

/// Calls visit(slot) for each row of the run as long as it returns true, in the caller's memory context; the scan
/// itself goes on in ours.
template <typename Visit>
void LifecycleReader::visit_rows(KeyScan& scan, std::string_view run_id, Visit visit) const {
    const Datum id = to_text(run_id);
    MemoryContext callers = MemoryContextSwitchTo(memory_);
    scan.seek(id);
    bool goes_on = true;
    while (goes_on) {
        TupleTableSlot* slot = scan.next();
        MemoryContextSwitchTo(callers);
        goes_on = slot != nullptr && visit(slot);
        MemoryContextSwitchTo(memory_);
    }
    MemoryContextSwitchTo(callers);
}

run::InFlight LifecycleReader::read_in_flight(std::string_view run_id) {
    if (flight_ == nullptr) {
        MemoryContext callers = MemoryContextSwitchTo(memory_);
        flight_ = open_current(&Catalogue::flight, AccessShareLock, flight_columns_);
        require_readable(flight_, flight_columns_.unreadable);
        flights_.open(flight_, flight_columns_.run_id, flight_columns_.run_id_index, snapshot_);
        MemoryContextSwitchTo(callers);
    }
    run::InFlight in_flight;
    visit_rows(flights_, run_id, [&](TupleTableSlot* slot) {
        in_flight.cancel_requested_at = instant_of(slot, flight_columns_.cancel_requested_at);
        if (flight_columns_.has_deadlines()) {
            in_flight.deadline_at = instant_of(slot, flight_columns_.deadline_at);
        }
        return false; // there is no other
    });
    return in_flight;
}

/// Those that repeat a run stand in an index of their own, in the order of their admissions. As long as nobody has
/// repeated any, that index is empty, and costs a look at its size.
std::optional<std::string_view> LifecycleReader::read_retried_by(std::string_view run_id) {
    const Oid index = spine_columns_.retry_index;
    if (!retries_.is_open()) {
        if (OidIsValid(index) && is_empty(index)) {
            reads_retries_ = false;
            return {};
        }
        MemoryContext callers = MemoryContextSwitchTo(memory_);
        retries_.open(spine_, spine_columns_.source_id, index, snapshot_);
        MemoryContextSwitchTo(callers);
    }
    const Datum id = to_text(run_id);
    std::optional<std::string_view> newest;
    run::Instant newest_at{};
    MemoryContext callers = MemoryContextSwitchTo(memory_);
    retries_.seek(id);
    while (TupleTableSlot* slot = retries_.next(OidIsValid(index) ? BackwardScanDirection : ForwardScanDirection)) {
        MemoryContextSwitchTo(callers);
        auto retry = text_of(slot, spine_columns_.run_id);
        const run::Instant at = instant_of(slot, spine_columns_.admitted_at).value_or(run::Instant{});
        const bool is_retry = retry && text_of(slot, spine_columns_.source_kind) == run::retried_run &&
                              text_of(slot, spine_columns_.event_type) == run::event_type::admitted;
        if (is_retry && (!newest || at > newest_at || (at == newest_at && *retry > *newest))) {
            keep({&retry});
            newest = retry;
            newest_at = at;
        }
        MemoryContextSwitchTo(memory_);
        if (newest && OidIsValid(index)) {
            break; // those before it are older
        }
    }
    MemoryContextSwitchTo(callers);
    return newest;
}

LifecycleRecord LifecycleReader::read(std::string_view run_id) {
    LifecycleRecord record;
    visit_rows(events_, run_id, [&](TupleTableSlot* slot) {
        add_event(record, slot, spine_columns_);
        const auto& events = record.events;
        return !(events.admitted && events.started && events.ended); // one event a phase
    });
    if (record.events.known() && !record.events.ended) {
        record.in_flight = read_in_flight(run_id);
    }
    if (reads_retries_ && record.events.ended) { // none is repeated before
        record.retried_by = read_retried_by(run_id);
    }
    return record;
}

LifecycleRecord read_lifecycle(std::string_view run_id, Retries retries) {
    LifecycleReader reader{retries};
    const LifecycleRecord record = reader.read(run_id);
    reader.close();
    return record;
}

LifecycleRecord read_latest_lifecycle(std::string_view run_id, Retries retries) {
    push_latest_snapshot();
    const LifecycleRecord record = read_lifecycle(run_id, retries);
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
