/*
 * The triggers that guard history and flight state against mistakes, superusers' too.
 */
#include "boundary.hpp"
#include "run/error.hpp"
#include "store/flight.hpp"
#include "store/lifecycle.hpp"
#include "store/prune.hpp"
#include "store/statement.hpp"

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
        SPI_connect();
        if (store::any_in_flight()) {
            refuse(run::ErrorCode::run_not_settled, {}, "runs are in flight: their state cannot be truncated");
        }
        SPI_finish();
        return PointerGetDatum(nullptr);
    }
    const std::string_view run_id = column_text(trigger, "run_id");
    if (!store::read_latest_lifecycle(run_id).events.ended) {
        refuse(run::ErrorCode::run_not_settled, {},
               join({"run ", run_id, " has not ended: its flight state cannot be removed"}));
    }
    return PointerGetDatum(nullptr);
}

} // namespace pdpp::api
