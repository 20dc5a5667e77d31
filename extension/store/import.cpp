#include "store/import.hpp"

#include "boundary.hpp"
#include "run/event.hpp"
#include "run/import.hpp"
#include "store/announce.hpp"
#include "store/durable.hpp"
#include "store/endings.hpp"
#include "store/flight.hpp"
#include "store/imported_events.hpp"
#include "store/statement.hpp"
#include "store/wait.hpp"

#include <algorithm>
#include <utility>

namespace pdpp::store {

namespace {

/// Beside those of pg_advisory_lock(), of boots and of prepared transactions.
constexpr std::uint16_t import_lock_class = 0x7069;

/// A run that was given, with what is on record of it.
struct Run {
    const GivenRun* given;
    bool is_known = false; ///< it has an admission
    bool is_ours = false;  ///< which is not an import's
    RunIdentity identity;  ///< of its admission, else as given
    run::History history{};
    std::string_view ending{}; ///< the terminal event that stands; empty while there is none
    std::int64_t events = 0;   ///< so many were written
    bool ends_now = false;     ///< the terminal event is one of them
    const bool* is_here{};     ///< for each event that was given, whether its id is on record
};

/// Two imports of one run at once would both find that it is new.
void lock_imports() {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, import_lock_class);
    (void)LockAcquire(&tag, ExclusiveLock, false, false);
}

/// One value of each run that `takes` it.
ArrayOf column_of(std::span<const Run> runs, Oid type, const auto& takes, const auto& value_of) {
    ArrayOf column{type, runs.size()};
    for (const Run& run : runs) {
        if (takes(run)) {
            column.add(value_of(run));
        }
    }
    return column;
}

constexpr auto any_run = [](const Run&) { return true; };
constexpr auto run_id_of = [](const Run& run) { return run.identity.run_id; };

constexpr auto is_in_flight_there = [](const Run& run) { return run.given->in_flight; };
constexpr auto connection_of = [](const Run& run) { return run.identity.connector_instance_id; };

/// Those that are here already, against their own writers, in the order of all writers; and the runs of other servers
/// in flight whose connections are to go on to one of them.
void lock_known_runs(std::span<const Run> runs) {
    static Statement lock_flights{
        "select from pdpp.controller_active_runs as f where f.run_id = any ($1)"
        " or (f.connector_instance_id = any ($2) and f.boot_epoch is null and f.launch_deadline is null)"
        " order by f.run_id for update"};
    static Statement lock_histories{"select from pdpp.spine_events as e where e.event_seq = 1 and e.run_id = any ($1)"
                                    " order by e.run_id for no key update"};
    const ArrayOf run_ids = column_of(runs, TEXTOID, any_run, run_id_of);
    lock_flights.execute({run_ids, column_of(runs, TEXTOID, is_in_flight_there, connection_of)});
    lock_histories.execute({run_ids});
}

/// What is on record of them. Looked up run by run, whatever the planner knows of a history that grows while it is
/// imported: so "limit 1".
void read_histories(std::span<Run> runs) {
#define TERMINAL "('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')"
    static Statement read{
        "select a.run_id is not null, a.source_kind is not distinct from $2, a.actor_id, a.connector_instance_id,"
        " a.trace_id, a.scenario_id, a.admitted_at, l.event_seq, l.recorded_at, s.is_started, s.ending,"
        // what retention took leaves a gap among the first four (store/prune.cpp); as of now, not as the caller sees it
        " case when (select max(p.event_seq) > count(*) from (select k.event_seq from pdpp.spine_events as k"
        "   where s.ending is not null and k.run_id = r.run_id order by k.event_seq limit 4) as p) then s.ended_at end"
        " from unnest($1) with ordinality as r(run_id, number)"
        " left join lateral (select e.* from pdpp.spine_events as e"
        "   where e.run_id = r.run_id and e.event_seq = 1 limit 1) as a on true"
        " left join lateral (select e.event_seq, e.recorded_at from pdpp.spine_events as e"
        "   where e.run_id = r.run_id order by e.event_seq desc limit 1) as l on true"
        " cross join lateral (select bool_or(e.event_type = 'run.started') as is_started,"
        "   max(e.event_type) filter (where e.event_type in " TERMINAL ") as ending,"
        "   max(e.recorded_at) filter (where e.event_type in " TERMINAL ") as ended_at"
        "   from pdpp.spine_events as e where e.run_id = r.run_id"
        "   and e.event_type in ('run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled',"
        "                        'run.abandoned')) as s"
        " order by r.number"};
#undef TERMINAL
    const Rows rows = read.execute({column_of(runs, TEXTOID, any_run, run_id_of), run::imported});
    for (std::uint64_t row = 0; row < rows.count(); ++row) {
        Run& run = runs[row];
        run.is_known = rows.is_true(row, 0);
        run.is_ours = run.is_known && !rows.is_true(row, 1);
        if (run.is_known) {
            run.identity.connector_id = required(rows.text(row, 2));
            run.identity.connector_instance_id = required(rows.text(row, 3));
            run.identity.trace_id = required(rows.text(row, 4));
            run.identity.scenario_id = rows.text(row, 5);
            run.identity.admitted_at = required(rows.instant(row, 6));
        }
        // its admission is the first, and as late as it says
        run.history = {.last_seq = rows.int8(row, 7).value_or(1),
                       .last_recorded_at = rows.instant(row, 8).value_or(run.identity.admitted_at),
                       .is_started = rows.is_true(row, 9),
                       .pruned_until = rows.instant(row, 11)};
        run.ending = rows.text(row, 10).value_or(std::string_view());
        run.history.is_ended = !run.ending.empty();
    }
}

/// Of runs that were here before: which of their events are.
void find_known_events(std::span<Run> runs) {
    static Statement find{"select r.place from unnest($1, $2) with ordinality as r(run_id, event_id, place)"
                          " cross join lateral (select from pdpp.spine_events as e where e.run_id = r.run_id"
                          "   and e.event_id = r.event_id and e.event_id <> '' limit 1) as e"};
    std::size_t count = 0;
    for (const Run& run : runs) {
        count += run.given->events.size();
    }
    bool* const is_here = static_cast<bool*>(palloc0(count + 1));
    auto* const places = static_cast<std::size_t*>(palloc(sizeof(std::size_t) * (count + 1)));
    ArrayOf run_ids{TEXTOID, count + 1};
    ArrayOf event_ids{TEXTOID, count + 1};
    std::size_t first = 0;
    for (Run& run : runs) {
        run.is_here = is_here + first;
        for (std::size_t i = 0; i < run.given->events.size(); ++i) {
            if (const auto id = run.given->events[i].event_id; id && run.is_known && !run.is_ours) {
                places[run_ids.count()] = first + i;
                run_ids.add(run.identity.run_id);
                event_ids.add(*id);
            }
        }
        first += run.given->events.size();
    }
    if (run_ids.count() == 0) {
        return;
    }
    const Rows rows = find.execute({run_ids, event_ids});
    for (std::uint64_t row = 0; row < rows.count(); ++row) {
        is_here[places[required(rows.int8(row, 0)) - 1]] = true;
    }
}

/// A connection is on record once it had a run, and its generation goes on above the highest that was seen there.
void record_connections(std::span<const Run> runs) {
    // before either statement touches one, in the order in which offers lock them
    static Statement lock{"select from pdpp.connections as c where c.connector_instance_id = any ($1)"
                          " order by c.connector_instance_id for no key update of c"};
    static Statement record{"insert into pdpp.connections as c (connector_instance_id, connector_id, run_generation)"
                            " select r.connector_instance_id, min(r.connector_id), count(*)"
                            " from unnest($1, $2) as r(connector_instance_id, connector_id) group by 1 order by 1"
                            " on conflict (connector_instance_id) do update set run_generation = c.run_generation + "
                            "excluded.run_generation"};
    static Statement raise{
        "update pdpp.connections as c set run_generation = g.run_generation from ("
        " select r.connector_instance_id, max(r.run_generation) as run_generation"
        " from unnest($1, $2) as r(connector_instance_id, run_generation) group by 1) as g"
        " where c.connector_instance_id = g.connector_instance_id and c.run_generation < g.run_generation"};
    constexpr auto is_new = [](const Run& run) { return !run.is_known; };
    constexpr auto tells = [](const Run& run) { return !run.is_ours && run.given->run_generation.has_value(); };
    constexpr auto touches = [=](const Run& run) { return is_new(run) || tells(run); };
    lock.execute({column_of(runs, TEXTOID, touches, connection_of)});
    record.change({column_of(runs, TEXTOID, is_new, connection_of),
                   column_of(runs, TEXTOID, is_new, [](const Run& run) { return run.identity.connector_id; })});
    raise.change({column_of(runs, TEXTOID, tells, connection_of), column_of(runs, INT8OID, tells, [](const Run& run) {
                      return Int64GetDatum(run.given->run_generation.value());
                  })});
}

void admit_new(std::span<const Run> runs) {
    static Statement admit{
        "insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at,"
        " trace_id, scenario_id, actor_id, status, source_kind, connector_instance_id, data_json)"
        " select r.run_id, 1, '', 'run.admitted', r.admitted_at, r.admitted_at, r.admitted_at, r.trace_id,"
        "        r.scenario_id, r.connector_id, 'active', $1, r.connector_instance_id, r.data"
        " from unnest($2, $3, $4, $5, $6, $7, $8)"
        " as r(run_id, connector_id, connector_instance_id, trace_id, scenario_id, admitted_at, data)"};
    const auto column = [&](Oid type, const auto& value_of) {
        return column_of(
            runs, type, [](const Run& run) { return !run.is_known; }, value_of);
    };
    const auto admitted = admit.change({
        run::imported,
        column(TEXTOID, run_id_of),
        column(TEXTOID, [](const Run& run) { return run.identity.connector_id; }),
        column(TEXTOID, [](const Run& run) { return run.identity.connector_instance_id; }),
        column(TEXTOID, [](const Run& run) { return run.identity.trace_id; }),
        column(TEXTOID, [](const Run& run) { return run.identity.scenario_id; }),
        column(TIMESTAMPTZOID, [](const Run& run) { return run.identity.admitted_at; }),
        column(JSONBOID, [](const Run& run) { return JsonbPGetDatum(run.given->data); }),
    });
    if (std::cmp_not_equal(admitted, std::ranges::count(runs, false, &Run::is_known))) {
        refuse_unwritten("spine_events");
    }
}

/// The events that are not here yet, behind those that are.
void append_new(std::span<Run> runs) {
    ImportedEvents rows;
    rows.begin();
    for (Run& run : runs) {
        for (std::size_t i = 0; !run.is_ours && i < run.given->events.size(); ++i) {
            const GivenEvent& event = run.given->events[i];
            if (run.is_here[i]) {
                continue;
            }
            const auto telling = run::tell(run.history, {.event_type = event.event_type,
                                                         .has_id = event.event_id.has_value(),
                                                         .recorded_at = event.recorded_at});
            if (telling == run::Telling::left_out) {
                continue;
            }
            rows.add({.given = run.given->identity, .admitted = run.identity, .history = run.history, .event = event},
                     telling);
            ++run.events;
            if (telling == run::Telling::as_it_is && run::outcome_of(event.event_type)) {
                run.ending = event.event_type;
                run.ends_now = true;
            }
        }
    }
    rows.flush();
    rows.end();
}

constexpr auto is_of_theirs = [](const Run& run) { return !run.is_ours; };

/// Of those that had one: the row goes with the ending.
void remove_ended_flights(std::span<const Run> runs) {
    static Statement remove{"delete from pdpp.controller_active_runs as f where f.run_id = any ($1)"};
    static Statement find{"select from pdpp.controller_active_runs as f where f.run_id = any ($1) limit 1"};
    const ArrayOf run_ids = column_of(
        runs, TEXTOID, [](const Run& run) { return is_of_theirs(run) && !run.ending.empty(); }, run_id_of);
    remove.change({run_ids});
    if (find.execute({run_ids}).any()) {
        refuse_unwritten("controller_active_runs");
    }
}

/// By name: they have no ending, and a row without one that goes otherwise is refused.
void remove_each(const Rows& run_ids) {
    for (std::uint64_t row = 0; row < run_ids.count(); ++row) {
        Flight flight{};
        flight.run.run_id = required(run_ids.text(row, 0));
        delete_flight(flight);
    }
}

/// A run that is not in flight there any more and has no ending is stranded: its server has gone, and its connection is
/// free for the next one.
void remove_stranded_flights(std::span<const Run> runs) {
    static Statement find{"select f.run_id from pdpp.controller_active_runs as f where f.run_id = any ($1)"
                          " order by f.run_id"};
    remove_each(find.execute({column_of(
        runs, TEXTOID, [](const Run& run) { return is_of_theirs(run) && run.ending.empty() && !run.given->in_flight; },
        run_id_of)}));
}

constexpr auto is_in_flight = [](const Run& run) {
    return is_of_theirs(run) && run.ending.empty() && is_in_flight_there(run);
};

/// A connection has one run in flight there, too: one that we still have there is over, and its ending has yet to come.
void remove_succeeded_flights(std::span<const Run> runs) {
    static Statement find{"select f.run_id from unnest($1, $2) as r(connector_instance_id, run_id)"
                          " join pdpp.controller_active_runs as f using (connector_instance_id)"
                          " where f.run_id <> r.run_id and f.boot_epoch is null and f.launch_deadline is null"
                          " and exists (select from pdpp.spine_events as e"
                          "   where e.run_id = f.run_id and e.event_seq = 1 and e.source_kind = $3)"
                          " order by f.run_id"};
    remove_each(find.execute({column_of(runs, TEXTOID, is_in_flight, connection_of),
                              column_of(runs, TEXTOID, is_in_flight, run_id_of), run::imported}));
}

/// What is in flight there is in flight here, unless the connection has a run of ours. Without boot and deadlines the
/// guard leaves it alone, and nobody claims it.
void enter_flights(std::span<const Run> runs) {
    static Statement enter{
        "insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, scenario_id,"
        " started_at, run_generation)"
        " select r.connector_instance_id, r.connector_id, r.run_id, r.trace_id, r.scenario_id, r.admitted_at,"
        "        coalesce(r.run_generation, c.run_generation)"
        " from unnest($1, $2, $3, $4, $5, $6, $7) as r(connector_instance_id, connector_id, run_id, trace_id,"
        "   scenario_id, admitted_at, run_generation)"
        " join pdpp.connections as c on c.connector_instance_id = r.connector_instance_id on conflict do nothing"};
    static Statement find_free{"select from unnest($1) as r(connector_instance_id)"
                               " left join pdpp.controller_active_runs as f using (connector_instance_id)"
                               " where f.run_id is null limit 1"};
    const auto column = [&](Oid type, const auto& value_of) { return column_of(runs, type, is_in_flight, value_of); };
    const auto entered = enter.change({
        column(TEXTOID, connection_of),
        column(TEXTOID, [](const Run& run) { return run.identity.connector_id; }),
        column(TEXTOID, run_id_of),
        column(TEXTOID, [](const Run& run) { return run.identity.trace_id; }),
        column(TEXTOID, [](const Run& run) { return run.identity.scenario_id; }),
        column(TIMESTAMPTZOID, [](const Run& run) { return run.identity.admitted_at; }),
        column(INT8OID,
               [](const Run& run) {
                   const auto generation = run.given->run_generation;
                   return generation ? std::optional(Int64GetDatum(*generation)) : std::nullopt;
               }),
    });
    if (std::cmp_less(entered, std::ranges::count_if(runs, is_in_flight)) &&
        find_free.execute({column(TEXTOID, connection_of)}).any()) {
        refuse_unwritten("controller_active_runs");
    }
}

std::span<Run> in_memory(std::span<const GivenRun> given) {
    auto* const runs = static_cast<Run*>(palloc(sizeof(Run) * (given.size() + 1)));
    for (std::size_t i = 0; i < given.size(); ++i) {
        new (&runs[i]) Run{.given = &given[i], .identity = given[i].identity};
    }
    return {runs, given.size()};
}

} // namespace

bool is_imported(std::string_view run_id) {
    static Statement find{"select from pdpp.spine_events where run_id = $1 and event_seq = 1 and source_kind = $2"};
    return find.execute({run_id, run::imported}).any();
}

std::span<const ImportedRun> import_runs(std::span<const GivenRun> given) {
    require_durable_commit();
    hold_endings_once_prepared();
    lock_imports();
    const std::span<Run> runs = in_memory(given);
    read_histories(runs); // which are new
    record_connections(runs);
    lock_known_runs(runs);
    find_known_events(runs);
    read_histories(runs); // what was pruned up to here is missed as pruned; somebody of ours may have admitted one
    admit_new(runs);
    append_new(runs);
    remove_ended_flights(runs);
    remove_stranded_flights(runs);
    remove_succeeded_flights(runs);
    enter_flights(runs);

    auto* imported = static_cast<ImportedRun*>(palloc(sizeof(ImportedRun) * (runs.size() + 1)));
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const Run& run = runs[i];
        if (run.events > 0 || !run.is_known) {
            announce(run.identity.run_id);
        }
        if (run.ends_now) {
            tell_waiters(run.identity.run_id);
        }
        imported[i] = {.run_id = run.identity.run_id,
                       .was_known = run.is_known,
                       .is_ours = run.is_ours,
                       .events = run.events,
                       .event_type = run.ending};
    }
    return {imported, runs.size()};
}

} // namespace pdpp::store
