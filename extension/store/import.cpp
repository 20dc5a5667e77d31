#include "store/import.hpp"

#include "boundary.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "store/announce.hpp"
#include "store/durable.hpp"
#include "store/endings.hpp"
#include "store/flight.hpp"
#include "store/statement.hpp"
#include "store/wait.hpp"

namespace pdpp::store {

namespace {

/// Beside those of pg_advisory_lock(), of boots and of prepared transactions.
constexpr std::uint16_t import_lock_class = 0x7069;

#define TERMINAL "('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')"
#define LIFECYCLE "('run.admitted', 'run.started', 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')"

/// What a run is given with, but its events.
#define GIVEN_RUNS                                                                                                     \
    "rows from (jsonb_to_recordset($1) as (run_id text, connector_id text, connector_instance_id text, trace_id text," \
    " scenario_id text, admitted_at timestamptz, data jsonb, in_flight boolean, run_generation bigint))"               \
    " with ordinality as r(run_id, connector_id, connector_instance_id, trace_id, scenario_id, admitted_at, data,"     \
    " in_flight, run_generation, number)"

/// Its admission, if it has been here before.
/// Looked up run by run, whatever the planner knows of a history that grows while it is imported: so "limit 1".
#define WITH_ADMISSION                                                                                                 \
    " left join lateral (select e.* from pdpp.spine_events as e where e.run_id = r.run_id and e.event_seq = 1 limit "  \
    "1)"                                                                                                               \
    " as a on true"

/// Its ending, if one stands.
#define WITH_ENDING                                                                                                    \
    " left join lateral (select e.run_id from pdpp.spine_events as e where e.run_id = r.run_id"                        \
    " and e.event_type in " TERMINAL " limit 1) as t on true"

/// Two imports of one run at once would both find that it is new.
void lock_imports() {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, import_lock_class);
    (void)LockAcquire(&tag, ExclusiveLock, false, false);
}

/// A connection is on record once it had a run, and its generation goes on above the highest that was seen there.
void record_connections(const Jsonb* runs) {
    // before either statement touches one, in the order in which offers lock them
    static Statement lock{
        "select from pdpp.connections as c where c.connector_instance_id in ("
        " select coalesce(a.connector_instance_id, r.connector_instance_id) from " GIVEN_RUNS WITH_ADMISSION
        " where a.run_id is null or r.run_generation is not null)"
        " order by c.connector_instance_id for no key update of c"};
    static Statement record{
        "insert into pdpp.connections as c (connector_instance_id, connector_id, run_generation)"
        " select r.connector_instance_id, min(r.connector_id), count(*) from " GIVEN_RUNS WITH_ADMISSION
        " where a.run_id is null group by 1 order by 1"
        " on conflict (connector_instance_id) do update set run_generation = c.run_generation + "
        "excluded.run_generation"};
    static Statement raise{
        "update pdpp.connections as c set run_generation = g.run_generation from ("
        " select coalesce(a.connector_instance_id, r.connector_instance_id) as connector_instance_id,"
        "        max(r.run_generation) as run_generation"
        " from " GIVEN_RUNS WITH_ADMISSION
        " where r.run_generation is not null and (a.run_id is null or a.source_kind = $2) group by 1) as g"
        " where c.connector_instance_id = g.connector_instance_id and c.run_generation < g.run_generation"};
    lock.execute({runs});
    record.change({runs});
    raise.change({runs, run::imported});
}

/// Those that are here already, against their own writers, in the order of all writers.
void lock_known_runs(const Jsonb* runs) {
    static Statement lock_flights{
        "select from pdpp.controller_active_runs as f where f.run_id = any (array("
        " select r->>'run_id' from jsonb_array_elements($1) as r)) order by f.run_id for update"};
    static Statement lock_histories{
        "select from pdpp.spine_events as e where e.event_seq = 1 and e.run_id = any (array("
        " select r->>'run_id' from jsonb_array_elements($1) as r)) order by e.run_id for no key update"};
    lock_flights.execute({runs});
    lock_histories.execute({runs});
}

void admit_new(const Jsonb* runs) {
    static Statement admit{
        "insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at,"
        " trace_id, scenario_id, actor_id, status, source_kind, connector_instance_id, data_json)"
        " select r.run_id, 1, '', 'run.admitted', r.admitted_at, r.admitted_at, r.admitted_at, r.trace_id, "
        "r.scenario_id,"
        "        r.connector_id, 'active', $2, r.connector_instance_id, coalesce(r.data, '{}')"
        " from " GIVEN_RUNS WITH_ADMISSION " where a.run_id is null"};
    admit.change({runs, run::imported});
}

/// The events that are not here yet, behind those that are. What an event has in common with its run's admission is
/// left out, as of our own (docs/design/bytes.md). A row for each run: its terminal event, how many were written, and
/// whether that one is among them.
Rows append_new(const Jsonb* runs) {
    static Statement append{R"(
with runs as materialized (
    select r.number, r.run -> 'events' as events, a.run_id, a.connector_instance_id, a.actor_id as connector_id, a.trace_id,
           a.scenario_id, a.admitted_at, l.event_seq as last_seq, l.recorded_at as last_recorded_at, s.is_started, s.ending,
           s.ended_at, case when s.ending is not null then (
               select max(p.event_seq) > count(*) from (
                   select k.event_seq from pdpp.spine_events as k where k.run_id = a.run_id order by k.event_seq limit 4) as p)
           end as is_pruned
    from jsonb_array_elements($1) with ordinality as r(run, number)
    cross join lateral (
        select e.* from pdpp.spine_events as e
        where e.run_id = r.run ->> 'run_id' and e.event_seq = 1 and e.source_kind = $2 limit 1) as a
    cross join lateral (
        select e.event_seq, e.recorded_at from pdpp.spine_events as e where e.run_id = a.run_id
        order by e.event_seq desc limit 1) as l
    cross join lateral (
        select coalesce(bool_or(e.event_type = 'run.started'), false) as is_started,
               max(e.event_type) filter (where e.event_type in )" TERMINAL R"() as ending,
               max(e.recorded_at) filter (where e.event_type in )" TERMINAL R"() as ended_at
        from pdpp.spine_events as e where e.run_id = a.run_id and e.event_type in )" LIFECYCLE R"() as s
), given as (
    select r.number, r.run_id, r.connector_instance_id as of_connection, r.connector_id, r.trace_id as of_trace,
           r.scenario_id as of_scenario, r.admitted_at, r.last_seq, r.last_recorded_at, r.is_started,
           r.ending is not null as is_ended, r.is_pruned and e.recorded_at <= r.ended_at as may_be_pruned, e.*,
           case when e.event_type = 'run.admitted' then 1 when e.event_type = 'run.started' then 2
                when e.event_type in )" TERMINAL R"( then 3 end as phase
    from runs as r
    cross join lateral rows from (jsonb_to_recordset(r.events) as (
        event_id text, event_type text, occurred_at timestamptz, recorded_at timestamptz, trace_id text, scenario_id text,
        actor_type text, actor_id text, subject_type text, subject_id text, object_type text, object_id text, status text,
        request_id text, grant_id text, source_kind text, source_id text, client_id text, stream_id text, token_id text,
        interaction_id text, connector_instance_id text, data jsonb, version text)) with ordinality as e(
        event_id, event_type, occurred_at, recorded_at, trace_id, scenario_id, actor_type, actor_id, subject_type, subject_id,
        object_type, object_id, status, request_id, grant_id, source_kind, source_id, client_id, stream_id, token_id,
        interaction_id, connector_instance_id, data, version, place)
    left join lateral (
        select true as is_here from pdpp.spine_events as k
        where r.last_seq > 1 and k.run_id = r.run_id and k.event_id = e.event_id and k.event_id <> '' limit 1) as k on true
    where k.is_here is null
), judged as (
    select g.*, case g.phase when 1 then false
                     when 2 then not (g.is_started or g.is_ended or coalesce(bool_or(g.phase > 1) over before, false))
                     when 3 then not (g.is_ended or coalesce(bool_or(g.phase = 3) over before, false)) end as stands
    from given as g
    window before as (partition by g.number order by g.place rows between unbounded preceding and 1 preceding)
), kept as ( -- what the import itself concludes is no evidence, and what retention may have taken away stays away
    select j.*, row_number() over upto as n, max(j.recorded_at) over upto as latest
    from judged as j
    where case when j.phase is null then j.may_be_pruned is not true else j.event_id is not null or j.stands end
    window upto as (partition by j.number order by j.place rows unbounded preceding)
), written as (
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at, trace_id,
        scenario_id, actor_type, actor_id, subject_type, subject_id, object_type, object_id, status, request_id, grant_id,
        source_kind, source_id, client_id, stream_id, token_id, interaction_id, connector_instance_id, data_json, version)
    select k.run_id, k.last_seq + k.n, coalesce(k.event_id, ''),
           case when k.stands is false then 'run.late_outcome' else k.event_type end,
           k.occurred_at, greatest(k.latest, k.last_recorded_at), case when k.stands and k.phase = 3 then k.admitted_at end,
           nullif(nullif(k.trace_id, ''), k.of_trace), nullif(k.scenario_id, k.of_scenario), nullif(k.actor_type, case when k.stands and k.phase = 2 then 'runtime' else 'connector' end),
           case when k.stands and k.phase = 3 then k.connector_id else nullif(nullif(k.actor_id, ''), k.connector_id) end,
           k.subject_type, k.subject_id,
           case when k.object_type = 'run' and k.object_id = k.run_id then null else k.object_type end,
           case when k.object_type = 'run' and k.object_id = k.run_id then null else k.object_id end,
           k.status, k.request_id, k.grant_id, k.source_kind, k.source_id, k.client_id, k.stream_id, k.token_id,
           k.interaction_id,
           case when k.stands and k.phase = 3 then k.of_connection
                else nullif(nullif(k.connector_instance_id, ''), k.of_connection) end,
           case when k.stands is false
                then jsonb_build_object('imported', true, 'outcome', case k.phase when 3 then substr(k.event_type, 5) end,
                         'event_type', coalesce(k.data ->> 'imported_event_type', k.event_type),
                         'evidence', coalesce(k.data, '{}'))
                when k.stands and k.phase = 3 and nullif(k.actor_id, '') <> k.connector_id
                then coalesce(k.data, '{}') || jsonb_build_object('imported_actor_id', k.actor_id)
                else coalesce(k.data, '{}') end,
           nullif(k.version, '1')
    from kept as k
    returning run_id, event_type
), counts as (
    select w.run_id, count(*) as events, max(w.event_type) filter (where w.event_type in )" TERMINAL R"() as ending
    from written as w group by w.run_id
)
select coalesce(c.events, 0), coalesce(r.ending, c.ending, ''), c.ending is not null
from jsonb_array_elements($1) with ordinality as g(run, number)
left join runs as r on r.number = g.number
left join counts as c on c.run_id = r.run_id
order by g.number
)"};
    return append.execute({runs, run::imported});
}

/// Of those that had one: the row goes with the ending.
void remove_ended_flights(const Jsonb* runs) {
    static Statement remove{"delete from pdpp.controller_active_runs as f where f.run_id = any (array("
                            " select a.run_id from " GIVEN_RUNS WITH_ADMISSION WITH_ENDING
                            " where a.source_kind = $2 and t.run_id is not null))"};
    remove.change({runs, run::imported});
}

/// A run that is not in flight there any more and has no ending is stranded: its server has gone, and its connection is
/// free for the next one.
void remove_stranded_flights(const Jsonb* runs) {
    static Statement find{
        "select f.run_id from " GIVEN_RUNS WITH_ADMISSION WITH_ENDING
        " join pdpp.controller_active_runs as f on f.run_id = r.run_id"
        " where r.in_flight is not true and a.source_kind = $2 and t.run_id is null order by f.run_id"};
    const Rows stranded = find.execute({runs, run::imported});
    for (std::uint64_t row = 0; row < stranded.count(); ++row) {
        Flight flight{};
        flight.run.run_id = required(stranded.text(row, 0));
        delete_flight(flight);
    }
}

/// What is in flight there is in flight here, unless the connection has a run of ours. Without boot and deadlines the
/// guard leaves it alone, and nobody claims it.
void enter_flights(const Jsonb* runs) {
    static Statement enter{
        "insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, scenario_id,"
        " started_at, run_generation)"
        " select a.connector_instance_id, a.actor_id, a.run_id, a.trace_id, a.scenario_id, a.admitted_at,"
        "        coalesce(r.run_generation, c.run_generation)"
        " from " GIVEN_RUNS WITH_ADMISSION WITH_ENDING
        " join pdpp.connections as c on c.connector_instance_id = a.connector_instance_id"
        " where r.in_flight and a.source_kind = $2 and t.run_id is null on conflict do nothing"};
    enter.change({runs, run::imported});
}

/// Which of the runs are here, and by whose admission.
Rows find_known(const Jsonb* runs) {
    static Statement find{
        "select r.run_id, a.run_id is not null, a.source_kind is distinct from $2 and a.run_id is not null"
        " from " GIVEN_RUNS WITH_ADMISSION " order by r.number"};
    return find.execute({runs, run::imported});
}

} // namespace

bool is_imported(std::string_view run_id) {
    static Statement find{"select from pdpp.spine_events where run_id = $1 and event_seq = 1 and source_kind = $2"};
    return find.execute({run_id, run::imported}).any();
}

std::span<const ImportedRun> import_runs(const Jsonb* runs) {
    require_durable_commit();
    hold_endings_once_prepared();
    lock_imports();
    record_connections(runs);
    lock_known_runs(runs);
    const Rows known = find_known(runs);
    admit_new(runs);
    const Rows written = append_new(runs);
    remove_ended_flights(runs);
    remove_stranded_flights(runs);
    enter_flights(runs);

    auto* imported = static_cast<ImportedRun*>(palloc(sizeof(ImportedRun) * (known.count() + 1)));
    for (std::uint64_t row = 0; row < known.count(); ++row) {
        const std::string_view run_id = required(known.text(row, 0));
        const ImportedRun run{.run_id = run_id,
                              .was_known = known.is_true(row, 1),
                              .is_ours = known.is_true(row, 2),
                              .events = required(written.int8(row, 0)),
                              .event_type = required(written.text(row, 1))};
        if (run.events > 0 || !run.was_known) {
            announce(run_id);
        }
        if (written.is_true(row, 2)) {
            tell_waiters(run_id);
        }
        imported[row] = run;
    }
    return {imported, known.count()};
}

} // namespace pdpp::store
