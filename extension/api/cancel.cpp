// pdpp_run_cancel: somebody wants a run to end.

#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/event.hpp"
#include "settings.hpp"
#include "store/boots.hpp"
#include "store/deadline.hpp"
#include "store/durable.hpp"
#include "store/flight.hpp"
#include "store/import.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/settle.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

namespace {

Jsonb* acknowledgement(std::string_view run_id) {
    store::JsonbWriter body;
    body.begin_object();
    body.field("object", "run_cancel_ack");
    body.field("run_id", run_id);
    body.field("status", "cancel_requested");
    body.end_object();
    return body.finish();
}

const Jsonb* request_data(std::optional<std::string_view> requested_by) {
    store::JsonbWriter data;
    data.begin_object();
    data.field("requested_by", requested_by);
    data.end_object();
    return data.finish();
}

const Jsonb* ending_data(std::optional<std::string_view> requested_by) {
    store::JsonbWriter data;
    data.begin_object();
    data.field("reason", run::reason::owner_cancelled);
    data.field("requested_by", requested_by);
    data.end_object();
    return data.finish();
}

bool has_live_owner(const store::Flight& flight) {
    return flight.boot_epoch && !store::is_dead(*flight.boot_epoch);
}

/// A run that ended because its owner asked for it: whoever lost the first answer may ask again.
Jsonb* answer_for_ended(std::string_view run_id) {
    const store::LifecycleRecord record = store::read_latest_lifecycle(run_id);
    const auto outcome = store::standing_outcome(record);
    if (!outcome) {
        if (record.events.known()) {
            refuse_imported_run(run_id);
        }
        refuse_unknown_run(run_id);
    }
    store::lock_history(run_id);
    const std::string_view reason = record.events.ended->evidence.reason;
    if (reason != run::reason::owner_cancelled && reason != run::reason::owner_cancel_forced &&
        reason != run::reason::owner_cancel_unheeded) {
        refuse_ended_run(run_id, *outcome);
    }
    return acknowledgement(run_id);
}

Jsonb* cancel(std::string_view run_id, std::optional<std::string_view> requested_by) {
    // the lock of a settle from the start: which of the two this becomes is known only under it
    const auto flight = store::lock_for_settle(run_id);
    if (!flight) {
        return answer_for_ended(run_id);
    }
    refuse_if_imported(*flight);
    store::require_durable_commit(); // also of a request that was made before: the row's lock is a write
    if (!flight->cancel_requested_at) {
        store::append(flight->run, {.event_type = run::event_type::cancel_requested,
                                    .data = request_data(requested_by),
                                    .boot_epoch = store::current_boot()});
        store::mark_cancel_requested(run_id, requested_by);
    }
    if (has_live_owner(*flight)) { // one that heeds it has some time for that; what it asks for more stands
        if (settings::cancel_grace >= 0 && (!flight->cancel_requested_at || !flight->deadline)) {
            store::bound(*flight, std::int64_t{settings::cancel_grace} * 1000);
        }
    } else { // nobody is there who could stop it and say so
        store::settle(*flight, {.outcome = run::Outcome::cancelled, .data = ending_data(requested_by)});
    }
    return acknowledgement(run_id);
}

} // namespace

PDPP_FUNCTION(pdpp_run_cancel) {
    return store::in_spi(
        fcinfo, [&] { return cancel(required_id(fcinfo, 0, "run_id"), optional_id(fcinfo, 1, "requested_by")); });
}

} // namespace pdpp::api
