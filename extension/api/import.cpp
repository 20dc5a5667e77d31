// pdpp_run_import: runs that another server recorded.

#include "store/import.hpp"
#include "api/arguments.hpp"
#include "boundary.hpp"
#include "run/event.hpp"
#include "store/jsonb.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

namespace {

/// What became of a run.
std::string_view word_for(const store::ImportedRun& run) {
    if (run.is_ours) {
        return "ours";
    }
    if (!run.was_known) {
        return "imported";
    }
    return run.events > 0 ? "extended" : "unchanged";
}

} // namespace

PDPP_FUNCTION(pdpp_run_import) {
    return store::in_spi(fcinfo, [&]() -> Jsonb* {
        const Jsonb* runs = PG_ARGISNULL(0) ? store::empty_object() : PG_GETARG_JSONB_P(0);
        if (const auto fault = store::fault_in_runs(runs)) {
            refuse(run::ErrorCode::invalid_request, "runs", *fault);
        }
        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "run_import");
        body.key("runs");
        body.begin_array();
        for (const store::ImportedRun& run : store::import_runs(runs)) {
            const auto outcome = run::outcome_of(run.event_type);
            body.begin_object();
            body.field("run_id", run.run_id);
            body.field("result", word_for(run));
            body.field("events", run.events);
            body.field("status",
                       run.is_ours ? std::nullopt : std::optional{outcome ? run::word_of(*outcome) : run::active});
            body.end_object();
        }
        body.end_array();
        body.end_object();
        return body.finish();
    });
}

} // namespace pdpp::api
