#include "store/list.hpp"

#include "boundary.hpp"
#include "run/event.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

namespace {

// One statement for each way of filtering, so that each is planned as one range of one index, read backwards. The list
// of types is the predicate of the indexes, and two letters of a type are what they keep of it.
#define FROM_SPINE                                                                                                     \
    "select run_id, admitted_at from pdpp.spine_events"                                                                \
    " where event_type in ('run.admitted', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')"           \
    " and (admitted_at, run_id) < ($1, $2) and admitted_at >= $3"                                                      \
    " and substr(event_type, 5, 2) collate \"C\" = substr($4, 5, 2)"
#define FROM_FLIGHT                                                                                                    \
    "select run_id, started_at from pdpp.controller_active_runs"                                                       \
    " where (started_at, run_id) < ($1, $2) and started_at >= $3"

/// The event that stands for a run in the list: its admission among all runs, its terminal event among those that ended
/// like it.
std::string_view event_for(std::optional<std::string_view> status) {
    const auto outcome = status ? run::outcome_named(*status) : std::nullopt;
    return outcome ? run::terminal_event_of(*outcome) : run::event_type::admitted;
}

Portal open_in_flight(const ListFilter& filter, const run::ListPosition& after) {
    static Statement any{FROM_FLIGHT " order by started_at desc, run_id desc"};
    // its one row by the key, whatever else the planner believes of the range
    static Statement of_connection{
        "select run_id, started_at from (select run_id, started_at from pdpp.controller_active_runs"
        " where connector_instance_id = $4 offset 0) as f where (started_at, run_id) < ($1, $2) and started_at >= $3"};
    static Statement of_connector{FROM_FLIGHT " and connector_id = $4 order by started_at desc, run_id desc"};
    if (filter.connector_instance_id) {
        return of_connection.open({after.admitted_at, after.run_id, filter.since, *filter.connector_instance_id});
    }
    if (filter.connector_id) {
        return of_connector.open({after.admitted_at, after.run_id, filter.since, *filter.connector_id});
    }
    return any.open({after.admitted_at, after.run_id, filter.since});
}

} // namespace

Portal open_list(const ListFilter& filter, const run::ListPosition& after) {
    static Statement any{FROM_SPINE " order by admitted_at desc, run_id desc"};
    static Statement of_connection{FROM_SPINE " and connector_instance_id = $5 order by admitted_at desc, run_id desc"};
    static Statement of_connector{FROM_SPINE " and actor_id = $5 collate \"C\" order by admitted_at desc, run_id desc"};
    // those that repeat one run: few, whatever else is asked for of them
    static Statement of_retried{
        "select run_id, admitted_at from pdpp.spine_events where source_kind = 'retried_run' and source_id collate "
        "\"C\" = $4"
        " and (admitted_at, run_id) < ($1, $2) and admitted_at >= $3 order by admitted_at desc, run_id desc"};
    if (filter.retry_of) {
        return of_retried.open({after.admitted_at, after.run_id, filter.since, *filter.retry_of});
    }
    if (filter.status == run::active) {
        return open_in_flight(filter, after);
    }
    const std::string_view event = event_for(filter.status);
    if (filter.connector_instance_id) {
        return of_connection.open(
            {after.admitted_at, after.run_id, filter.since, event, *filter.connector_instance_id});
    }
    if (filter.connector_id) {
        return of_connector.open({after.admitted_at, after.run_id, filter.since, event, *filter.connector_id});
    }
    return any.open({after.admitted_at, after.run_id, filter.since, event});
}

} // namespace pdpp::store
