/*
 * The triggers that guard history and flight state against mistakes, superusers' too.
 */
#include "boundary.hpp"
#include "run/error.hpp"
#include "store/direct.hpp"
#include "store/flight.hpp"
#include "store/lifecycle.hpp"
#include "store/prune.hpp"

namespace pdpp::api {

namespace {

const TriggerData& trigger_of(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("this function is only for triggers")));
    }
    return *reinterpret_cast<const TriggerData*>(fcinfo->context);
}

std::string_view column_text(const TriggerData& trigger, const char* name) {
    TupleDesc columns = RelationGetDescr(trigger.tg_relation);
    bool is_null = false;
    const Datum value = SPI_getbinval(trigger.tg_trigtuple, columns, SPI_fnumber(columns, name), &is_null);
    return is_null ? std::string_view{} : text_view(value);
}

/// Whether a snapshot that is taken now shows any row of the table.
bool has_rows(Relation table) {
    Snapshot snapshot = store::push_latest_snapshot();
    TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    const bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
    ExecDropSingleTupleTableSlot(slot);
    table_endscan(scan);
    PopActiveSnapshot();
    return found;
}

} // namespace

/// Before UPDATE, DELETE or TRUNCATE of the spine: no, but for the rows that retention takes.
PDPP_FUNCTION(pdpp_refuse_history_change) {
    const TriggerData& trigger = trigger_of(fcinfo);
    if (TRIGGER_FIRED_FOR_STATEMENT(trigger.tg_event)) {
        refuse(run::ErrorCode::append_only, {}, "pdpp.spine_events is append-only: it cannot be truncated");
    }
    if (TRIGGER_FIRED_BY_DELETE(trigger.tg_event) && store::is_being_pruned(column_text(trigger, "event_type"))) {
        return PointerGetDatum(trigger.tg_trigtuple);
    }
    refuse(run::ErrorCode::append_only, {},
           join({"pdpp.spine_events is append-only: an event of run ", column_text(trigger, "run_id"),
                 TRIGGER_FIRED_BY_UPDATE(trigger.tg_event) ? " cannot be changed" : " cannot be deleted"}));
}

/// After DELETE of a flight row, before TRUNCATE of the table.
PDPP_FUNCTION(pdpp_refuse_unsettled_removal) {
    const TriggerData& trigger = trigger_of(fcinfo);
    if (TRIGGER_FIRED_FOR_STATEMENT(trigger.tg_event)) {
        if (has_rows(trigger.tg_relation)) {
            refuse(run::ErrorCode::run_not_settled, {}, "runs are in flight: their state cannot be truncated");
        }
        return PointerGetDatum(nullptr);
    }
    if (store::is_removal_of_ended()) {
        return PointerGetDatum(nullptr);
    }
    const std::string_view run_id = column_text(trigger, "run_id");
    if (!store::read_latest_lifecycle(run_id).events.ended) {
        refuse(run::ErrorCode::run_not_settled, {},
               join({"run ", run_id, " has not ended: its flight state cannot be removed"}));
    }
    return PointerGetDatum(nullptr);
}

/// Before an UPDATE of what flight rows, connections, boots or keys are known by, a DELETE of one that still counts
/// (the triggers say which), or TRUNCATE of a table that has rows.
PDPP_FUNCTION(pdpp_refuse_state_change) {
    const TriggerData& trigger = trigger_of(fcinfo);
    const char* table = RelationGetRelationName(trigger.tg_relation);
    if (TRIGGER_FIRED_FOR_STATEMENT(trigger.tg_event)) {
        if (has_rows(trigger.tg_relation)) {
            refuse(run::ErrorCode::guarded_state, {}, join({"pdpp.", table, " cannot be truncated"}));
        }
        return PointerGetDatum(nullptr);
    }
    if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event)) {
        refuse(run::ErrorCode::guarded_state, {},
               join({"what a row of pdpp.", table, " is known by cannot be changed"}));
    }
    refuse(run::ErrorCode::guarded_state, {}, join({"this row of pdpp.", table, " cannot be deleted"}));
}

} // namespace pdpp::api
