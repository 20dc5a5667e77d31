#include "store/settle.hpp"

#include "boundary.hpp"
#include "run/message.hpp"
#include "store/boots.hpp"
#include "store/jsonb.hpp"

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
    require_durable_commit();
    const bool ended = append(flight.run, {.event_type = run::terminal_event_of(ending.outcome),
                                           .event_id = ending.event_id,
                                           .data = ending.data,
                                           .boot_epoch = current_boot()})
                           .has_value();
    land(flight.run.run_id);
    return ended;
}

bool settle_launch_failed(const Flight& flight, std::string_view message) {
    const run::Message bounded = run::bounded_message(message);
    const bool ended =
        settle(flight, {.outcome = run::Outcome::failed, .data = launch_failure(bounded.view()), .event_id = {}});
    if (ended) {
        const run::LogText logged = run::log_text(bounded.view());
        ereport(WARNING, (errmsg_internal("pdpp: launch failed: run_id=%.*s trace_id=%.*s connector_id=%.*s "
                                          "connector_instance_id=%.*s message=%.*s",
                                          PDPP_TEXT(flight.run.run_id), PDPP_TEXT(flight.run.trace_id),
                                          PDPP_TEXT(flight.run.connector_id),
                                          PDPP_TEXT(flight.run.connector_instance_id), PDPP_TEXT(logged.view())),
                          errhidestmt(true), errhidecontext(true)));
    }
    return ended;
}

void require_durable_commit() {
    if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF) {
        (void)set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                                false);
    }
}

} // namespace pdpp::store
