// pdpp_run_started, pdpp_run_event, pdpp_run_extend, pdpp_run_settle, pdpp_run_launch_failed: what a launcher tells
// about a run.

#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "store/boots.hpp"
#include "store/deadline.hpp"
#include "store/flight.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/settle.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

namespace {

/// The event that an earlier call with the same event id wrote: the call is answered from it, also after the run ended.
std::optional<store::Event> earlier_call(std::string_view run_id, std::optional<std::string_view> event_id) {
    if (!event_id) {
        return {};
    }
    const auto event = store::find_event(run_id, *event_id);
    if (!event && run::event_seq_in(*event_id, run_id)) {
        refuse(run::ErrorCode::invalid_request, "event_id",
               "event_id is one that an event of this run gets by its number");
    }
    return event;
}

[[noreturn]] void refuse_reused_event_id() {
    refuse(run::ErrorCode::invalid_request, "event_id", "event_id already names another event of this run");
}

const store::Event& required_type(const store::Event& event, std::string_view event_type) {
    if (event.event_type != event_type) {
        refuse_reused_event_id();
    }
    return event;
}

Jsonb* replay(std::string_view run_id, const store::Event& event, std::string_view event_type) {
    store::lock_history(run_id);
    return event_body(run_id, required_type(event, event_type));
}

/// Why a run has no flight row: it has ended, or nobody ever heard of it.
run::Outcome outcome_of_landed(std::string_view run_id) {
    const store::LifecycleRecord record = store::read_latest_lifecycle(run_id);
    const auto outcome = store::standing_outcome(record);
    if (!outcome) {
        if (record.events.known()) {
            refuse_imported_run(run_id);
        }
        refuse_unknown_run(run_id);
    }
    return *outcome;
}

Jsonb* standing_status(std::string_view run_id, std::optional<bool> settled = {}) {
    // one that has just ended was repeated by nobody yet
    const auto retries = settled.value_or(false) ? store::Retries::unread : store::Retries::read;
    return status_body(run_id, store::read_latest_lifecycle(run_id, retries), settled);
}

/// The status of a run that was just ended by us. One of another server's is refused, and with it what was written.
Jsonb* ended_status(std::string_view run_id) {
    const store::LifecycleRecord record = store::read_latest_lifecycle(run_id, store::Retries::unread);
    if (record.is_imported) {
        refuse_imported_run(run_id);
    }
    return status_body(run_id, record, true);
}

/// The caller's data, and which boot started the run.
const Jsonb* stamped(const Jsonb* data, const std::optional<store::OwnBoot>& boot) {
    if (!boot) {
        return data;
    }
    store::JsonbWriter stamp;
    stamp.begin_object();
    stamp.field("boot_epoch", boot->epoch);
    stamp.field("controller_id", boot->record->controller_id);
    stamp.end_object();
    return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(data), JsonbPGetDatum(stamp.finish())));
}

/// When the run has to have ended; nothing if it has.
std::optional<run::Instant> end_of(const std::optional<run::Deadline>& deadline) {
    return deadline ? std::optional{deadline->at} : std::nullopt;
}

Jsonb* replay_started(std::string_view run_id, const store::Event& event, const std::optional<store::Flight>& flight) {
    const store::Event& started = required_type(event, run::event_type::started);
    store::lock_history(run_id);
    return started_body(run_id, started, flight ? end_of(flight->deadline) : std::nullopt);
}

Jsonb* started(std::string_view run_id, const Jsonb* data, std::optional<std::string_view> event_id,
               std::optional<std::int64_t> timeout) {
    const auto boot = store::own_boot(); // which may wait, so before the run's lock is taken
    const auto boot_epoch = boot ? std::optional{boot->epoch} : std::nullopt;
    // One change locks the run and marks it; what goes wrong after it ends the transaction. Where this start turns out
    // to have been written by hand meanwhile, the mark is as good.
    const bool is_replay = earlier_call(run_id, event_id).has_value();
    auto flight = is_replay ? std::nullopt : store::start_unstarted(run_id, boot_epoch);
    const bool is_marked = flight.has_value();
    if (!is_marked) {
        flight = store::lock_for_event(run_id);
        if (const auto earlier = earlier_call(run_id, event_id)) {
            return replay_started(run_id, *earlier, flight);
        }
    }
    if (!flight) {
        refuse_ended_run(run_id, outcome_of_landed(run_id));
    }
    if (!is_marked) {
        refuse_if_imported(*flight);
    }
    if (boot && !boot->is_alive()) {
        refuse_lost_boot({}, boot->record.has_value());
    }
    const auto event = store::append(flight->run, {.event_type = run::event_type::started,
                                                   .event_id = event_id,
                                                   .data = stamped(data, boot),
                                                   .boot_epoch = boot_epoch});
    if (!event) {
        if (const auto written_by_hand = earlier_call(run_id, event_id)) {
            return replay_started(run_id, *written_by_hand, flight);
        }
        refuse(run::ErrorCode::run_already_started, "run_id", join({"Run has already started: ", run_id}));
    }
    if (!is_marked) {
        store::mark_started(*flight, boot_epoch);
    }
    return started_body(run_id, *event, end_of(timeout ? store::bound(*flight, *timeout) : flight->deadline));
}

/// Whoever asks knows that the run goes on: it has at least so much time from now on. One that has as long as it takes
/// keeps that, and a deadline that is later stands, so asking twice is asking once.
Jsonb* extend(std::string_view run_id, std::int64_t micros) {
    const auto flight = store::lock_for_event(run_id);
    if (!flight) {
        refuse_ended_run(run_id, outcome_of_landed(run_id));
    }
    refuse_if_imported(*flight);
    if (const auto deadline = store::extend(*flight, micros)) {
        store::JsonbWriter data;
        data.begin_object();
        data.field("deadline_at", deadline->at);
        data.field("previous_deadline_at", flight->deadline->at);
        data.end_object();
        store::append(flight->run, {.event_type = run::event_type::deadline_extended,
                                    .data = data.finish(),
                                    .boot_epoch = store::current_boot()});
    }
    return standing_status(run_id);
}

Jsonb* append_event(std::string_view run_id, std::string_view event_type, const Jsonb* data,
                    std::optional<std::string_view> event_id) {
    if (run::is_reserved(event_type)) {
        refuse(run::ErrorCode::invalid_request, "event_type",
               join({"event_type ", event_type, " is written by its own function"}));
    }
    const auto flight = store::lock_for_event(run_id);
    if (const auto earlier = earlier_call(run_id, event_id)) {
        return replay(run_id, *earlier, event_type);
    }
    if (!flight) {
        refuse_ended_run(run_id, outcome_of_landed(run_id));
    }
    refuse_if_imported(*flight);
    const auto event = store::append(
        flight->run,
        {.event_type = event_type, .event_id = event_id, .data = data, .boot_epoch = store::current_boot()});
    if (!event) { // somebody wrote it by hand since we looked
        return replay(run_id, *store::find_event(run_id, event_id.value_or(std::string_view{})), event_type);
    }
    return event_body(run_id, *event);
}

/// The run ended before: what stands keeps standing, and what this caller saw is kept beside it.
void keep_late_outcome(std::string_view run_id, run::Outcome outcome, const Jsonb* data,
                       std::optional<std::string_view> event_id) {
    const auto events = store::read_latest_lifecycle(run_id).events;
    const auto& origin = events.admitted ? *events.admitted : *events.ended;
    store::JsonbWriter late;
    late.begin_object();
    late.field("outcome", run::word_of(outcome));
    late.field("evidence", data);
    late.end_object();
    const auto kept = store::append({.run_id = run_id,
                                     .connector_id = origin.actor_id.value_or(std::string_view{}),
                                     .connector_instance_id = origin.connector_instance_id.value_or(std::string_view{}),
                                     .trace_id = origin.trace_id.value_or(std::string_view{}),
                                     .scenario_id = {},
                                     .admitted_at = origin.occurred_at},
                                    {.event_type = run::event_type::late_outcome,
                                     .event_id = event_id,
                                     .data = late.finish(),
                                     .boot_epoch = store::current_boot()});
    if (!kept) { // written by hand since we looked
        refuse_reused_event_id();
    }
}

/// A settle that was called before: the same answer again.
Jsonb* replay_settle(std::string_view run_id, const store::Event& event) {
    const bool ended_it = run::outcome_of(event.event_type).has_value();
    if (!ended_it && event.event_type != run::event_type::late_outcome) {
        refuse_reused_event_id();
    }
    store::lock_history(run_id);
    return standing_status(run_id, ended_it);
}

Jsonb* settle(std::string_view run_id, run::Outcome outcome, const Jsonb* data,
              std::optional<std::string_view> event_id) {
    const auto flight = store::lock_for_settle(run_id);
    if (!flight) {
        (void)outcome_of_landed(run_id); // an unknown run is refused
        store::lock_history(run_id);
    }
    if (const auto earlier = earlier_call(run_id, event_id)) {
        return replay_settle(run_id, *earlier);
    }
    if (flight && store::settle(*flight, {.outcome = outcome, .data = data, .event_id = event_id})) {
        return ended_status(run_id);
    }
    if (const auto written_by_hand = earlier_call(run_id, event_id)) {
        return replay_settle(run_id, *written_by_hand);
    }
    keep_late_outcome(run_id, outcome, data, event_id);
    return standing_status(run_id, false);
}

run::Outcome outcome_argument(FunctionCallInfo fcinfo, int index) {
    const auto word = text_argument(fcinfo, index);
    const auto outcome = word ? run::outcome_named(*word) : std::nullopt;
    if (!outcome) {
        refuse(run::ErrorCode::invalid_request, "outcome", "outcome must be completed, failed, cancelled or abandoned");
    }
    return *outcome;
}

} // namespace

PDPP_FUNCTION(pdpp_run_started) {
    return store::in_spi(fcinfo, [&] {
        return started(required_id(fcinfo, 0, "run_id"), data_argument(fcinfo, 1), optional_id(fcinfo, 2, "event_id"),
                       timeout_argument(fcinfo, 3, "timeout"));
    });
}

PDPP_FUNCTION(pdpp_run_extend) {
    return store::in_spi(fcinfo, [&] {
        const std::string_view run_id = required_id(fcinfo, 0, "run_id");
        const auto timeout = timeout_argument(fcinfo, 1, "timeout");
        if (!timeout) {
            refuse(run::ErrorCode::invalid_request, "timeout", "timeout must not be null");
        }
        return extend(run_id, *timeout);
    });
}

PDPP_FUNCTION(pdpp_run_event) {
    return store::in_spi(fcinfo, [&] {
        return append_event(required_id(fcinfo, 0, "run_id"), required_id(fcinfo, 1, "event_type"),
                            data_argument(fcinfo, 2), optional_id(fcinfo, 3, "event_id"));
    });
}

PDPP_FUNCTION(pdpp_run_settle) {
    return store::in_spi(fcinfo, [&] {
        return settle(required_id(fcinfo, 0, "run_id"), outcome_argument(fcinfo, 1), data_argument(fcinfo, 2),
                      optional_id(fcinfo, 3, "event_id"));
    });
}

PDPP_FUNCTION(pdpp_run_launch_failed) {
    return store::in_spi(fcinfo, [&] {
        const std::string_view run_id = required_id(fcinfo, 0, "run_id");
        const std::string_view message = text_argument(fcinfo, 1).value_or("no message");
        if (const auto flight = store::lock_for_settle(run_id)) {
            refuse_if_imported(*flight);
            store::settle_launch_failed(*flight, message);
        } else {
            (void)outcome_of_landed(run_id);
            store::lock_history(run_id);
        }
        return standing_status(run_id);
    });
}

} // namespace pdpp::api
