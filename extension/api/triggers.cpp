// The triggers that guard history and flight state against mistakes, superusers' too.

#include "boundary.hpp"
#include "run/error.hpp"
#include "store/boots.hpp"
#include "store/flight.hpp"
#include "store/lifecycle.hpp"
#include "store/prune.hpp"

#include <optional>

namespace pdpp::api {

namespace {

const TriggerData& trigger_of(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("this function is only for triggers")));
    }
    return *reinterpret_cast<const TriggerData*>(fcinfo->context);
}

/// A value of the row that the trigger is about; nothing for null. Raises an error if the column is gone, or has
/// another type: a row that we cannot read is no row that may go.
std::optional<Datum> column_of(const TriggerData& trigger, const char* name, Oid type) {
    TupleDesc columns = RelationGetDescr(trigger.tg_relation);
    const std::string_view table = RelationGetRelationName(trigger.tg_relation);
    const int number = SPI_fnumber(columns, name);
    if (number <= 0) {
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("pdpp.%.*s lacks the column %s", PDPP_TEXT(table), name),
                 errhint("Somebody has altered a table of pdpp: pdpp_check() says where.")));
    }
    const Oid found = SPI_gettypeid(columns, number);
    if (!is_read_as(found, type)) {
        refuse_type(join({"pdpp.", table, ".", name}), found, type);
    }
    bool is_null = false;
    const Datum value = SPI_getbinval(trigger.tg_trigtuple, columns, number, &is_null);
    return is_null ? std::nullopt : std::optional{value};
}

std::string_view column_text(const TriggerData& trigger, const char* name) {
    const auto value = column_of(trigger, name, TEXTOID);
    return value ? text_view(*value) : std::string_view{};
}

/// Whether the table has any row: by a snapshot of now, whatever the transaction's own shows. What the table lacks now
/// it goes on lacking, since TRUNCATE has locked it before its triggers run.
bool has_rows(Relation table) {
    CommandCounterIncrement(); // what the running statement wrote counts too
    PushActiveSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(table, GetActiveSnapshot(), 0, nullptr);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    const bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
    ExecDropSingleTupleTableSlot(slot);
    table_endscan(scan);
    PopActiveSnapshot();
    return found;
}

/// Whether the row is that of a boot about which a guard of this session writes its verdict.
bool is_verdict_of_guard(const TriggerData& trigger) {
    if (std::string_view{RelationGetRelationName(trigger.tg_relation)} != "controller_boots") {
        return false;
    }
    const auto epoch = column_of(trigger, "boot_epoch", UUIDOID);
    return epoch && store::is_judged(*DatumGetUUIDP(*epoch));
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
    const std::string_view run_id = column_text(trigger, "run_id");
    if (!store::is_removal_of_ended(run_id) && !store::read_latest_lifecycle(run_id).events.ended) {
        refuse(run::ErrorCode::run_not_settled, {},
               join({"run ", run_id, " has not ended: its flight state cannot be removed"}));
    }
    return PointerGetDatum(nullptr);
}

/// Before an UPDATE of what flight rows, connections, boots or keys are known by, a DELETE of one that still counts
/// (the triggers say which), or TRUNCATE of a table that has rows. After an UPDATE of what has one way to go: the
/// trigger says what is wrong.
PDPP_FUNCTION(pdpp_refuse_state_change) {
    const TriggerData& trigger = trigger_of(fcinfo);
    const char* table = RelationGetRelationName(trigger.tg_relation);
    if (TRIGGER_FIRED_FOR_STATEMENT(trigger.tg_event)) {
        if (has_rows(trigger.tg_relation)) {
            refuse(run::ErrorCode::guarded_state, {}, join({"pdpp.", table, " cannot be truncated"}));
        }
        return PointerGetDatum(nullptr);
    }
    if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event) && trigger.tg_trigger->tgnargs > 0) {
        if (is_verdict_of_guard(trigger)) {
            return PointerGetDatum(nullptr);
        }
        refuse(run::ErrorCode::guarded_state, {}, join({"pdpp.", table, ": ", trigger.tg_trigger->tgargs[0]}));
    }
    if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event)) {
        refuse(run::ErrorCode::guarded_state, {},
               join({"what a row of pdpp.", table, " is known by cannot be changed"}));
    }
    refuse(run::ErrorCode::guarded_state, {}, join({"this row of pdpp.", table, " cannot be deleted"}));
}

} // namespace pdpp::api
