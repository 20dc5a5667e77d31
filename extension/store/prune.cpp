#include "store/prune.hpp"

#include "run/event.hpp"
#include "store/durable.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

namespace {

/// While our own DELETE runs in this session.
bool pruning = false;

// The ending is looked up for each event, however the planner feels about joins: the events of runs that go on are few
// among those of their age. What came after the ending stays: of an imported run that can be any event.
#define PRUNABLE                                                                                                       \
    " from pdpp.spine_events as e"                                                                                     \
    " where e.event_type not in ('run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled',"       \
    "                            'run.abandoned', 'run.late_outcome')"                                                 \
    " and e.recorded_at < $1"                                                                                          \
    " and (select case when t.event_seq > e.event_seq then t.recorded_at end"                                          \
    "      from pdpp.spine_events as t where t.run_id = e.run_id"                                                      \
    "      and t.event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')) < $1"

} // namespace

Pruned prune(run::Instant before, std::int64_t limit) {
    static Statement remove{"with removed as (delete from pdpp.spine_events where ctid = any (array("
                            "select e.ctid" PRUNABLE " order by e.recorded_at limit $2 for update of e skip locked))"
                            " returning run_id)"
                            " select count(*), count(distinct run_id) from removed"};
    const bool outer = pruning;
    PG_TRY();
    {
        pruning = true;
        require_durable_commit();
        remove.execute({before, limit});
    }
    PG_FINALLY();
    { pruning = outer; }
    PG_END_TRY();
    const Rows rows = last_rows();
    return {.events = required(rows.int8(0, 0)), .runs = required(rows.int8(0, 1))};
}

std::int64_t count_prunable(run::Instant before, std::int64_t limit) {
    static Statement count{"select count(*) from (select" PRUNABLE " order by e.recorded_at limit $2) as prunable"};
    return required(count.execute({before, limit}).int8(0, 0));
}

bool is_being_pruned(std::string_view event_type) {
    return pruning && !run::phase_of(event_type) && event_type != run::event_type::late_outcome;
}

bool was_pruned(std::string_view run_id) {
    // Events go in their order, and all but three of those before the ending can: whatever is gone leaves a gap among
    // the first four that stay, so no run has to be read whole.
    static Statement look{"select max(event_seq) > count(*) from (select event_seq from pdpp.spine_events"
                          " where run_id = $1 order by event_seq limit 4) as first_events"};
    Portal portal = look.open({run_id});
    SPI_cursor_fetch(portal, true, 1);
    const bool has_gap = last_rows().is_true(0, 0);
    SPI_cursor_close(portal);
    return has_gap;
}

} // namespace pdpp::store
