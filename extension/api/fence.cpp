// pdpp_run_fence: a connector's own transaction makes sure that its run is still the active one, until it commits.

#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/event.hpp"
#include "store/flight.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

namespace {

Jsonb* fence(std::string_view run_id) {
    const auto flight = store::lock_for_fence(run_id);
    // also for a run that is in flight: a terminal event written by hand counts, whoever has yet to clear up after it
    const auto record = store::read_latest_lifecycle(run_id);
    if (const auto outcome = store::standing_outcome(record)) {
        const std::string_view status = run::word_of(*outcome);
        refuse(run::ErrorCode::run_superseded, "run_id", join({"Run has already ended as ", status, ": ", run_id}),
               {{"status", status}});
    }
    if (record.is_imported) {
        refuse_imported_run(run_id);
    }
    if (!flight) {
        refuse_unknown_run(run_id);
    }
    store::JsonbWriter body;
    body.begin_object();
    body.field("object", "run_fence");
    body.field("run_id", flight->run.run_id);
    body.field("connector_instance_id", flight->run.connector_instance_id);
    body.field("run_generation", flight->run_generation);
    body.end_object();
    return body.finish();
}

} // namespace

PDPP_FUNCTION(pdpp_run_fence) {
    return store::in_spi(fcinfo, [&] { return fence(required_id(fcinfo, 0, "run_id")); });
}

} // namespace pdpp::api
