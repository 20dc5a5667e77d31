#include "store/settle.hpp"

#include "boundary.hpp"
#include "run/message.hpp"
#include "store/boots.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/wait.hpp"

namespace pdpp::store {

namespace {

const Jsonb* launch_failure(std::string_view message) {
    JsonbWriter data;
    data.begin_object();
    data.field("reason", run::reason::launch_failed);
    data.field("failure_reason", run::reason::launch_failed);
    data.field("failure_origin", "controller");
    data.field("message", message);
    data.field("records_emitted", 0);
    data.end_object();
    return data.finish();
}

} // namespace

bool settle(const Flight& flight, const Ending& ending) {
    const bool ended = append(flight.run, {.event_type = run::terminal_event_of(ending.outcome),
                                           .event_id = ending.event_id,
                                           .data = ending.data,
                                           .boot_epoch = current_boot()})
                           .has_value();
    if (ended) {
        tell_waiters(flight.run.run_id);
    }
    if (ended || read_latest_lifecycle(flight.run.run_id).events.ended) {
        delete_flight(flight);
    }
    return ended;
}

bool settle_launch_failed(const Flight& flight, std::string_view message) {
    const run::Message bounded = run::bounded_message(message);
    const bool ended = settle(flight, {.outcome = run::Outcome::failed, .data = launch_failure(bounded.view())});
    if (ended) {
        log_ending("launch failed", flight.run, bounded.view());
    }
    return ended;
}

void log_ending(const char* what, const RunIdentity& run, std::string_view message) {
    const run::LogText run_id = run::log_word(run.run_id);
    const run::LogText trace_id = run::log_word(run.trace_id);
    const run::LogText connector_id = run::log_word(run.connector_id);
    const run::LogText connection = run::log_word(run.connector_instance_id);
    const run::LogText said = run::log_text(message);
    ereport(WARNING,
            (errmsg_internal("pdpp: %s: run_id=%.*s trace_id=%.*s connector_id=%.*s "
                             "connector_instance_id=%.*s message=%.*s",
                             what, PDPP_TEXT(run_id.view()), PDPP_TEXT(trace_id.view()), PDPP_TEXT(connector_id.view()),
                             PDPP_TEXT(connection.view()), PDPP_TEXT(said.view())),
             errhidestmt(true), errhidecontext(true)));
}

} // namespace pdpp::store
