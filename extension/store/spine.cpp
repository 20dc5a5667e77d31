#include "store/spine.hpp"

#include "boundary.hpp"
#include "run/id.hpp"
#include "store/announce.hpp"
#include "store/digest.hpp"
#include "store/lifecycle.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

namespace {

std::optional<Event> event_in(const Rows& rows) {
    if (!rows.any()) {
        return {};
    }
    return Event{
        .event_type = *rows.text(0, 0),
        .event_id = *rows.text(0, 1),
        .event_seq = *rows.int8(0, 2),
        .recorded_at = *rows.instant(0, 3),
    };
}

/// Whether the run has a lifecycle event of the same phase.
bool phase_stands(std::string_view run_id, std::string_view event_type) {
    const run::Lifecycle events = read_latest_lifecycle(run_id).events;
    switch (run::phase_of(event_type).value_or(run::Phase{})) {
    case run::Phase::admitted:
        return events.admitted.has_value();
    case run::Phase::started:
        return events.started.has_value();
    case run::Phase::ended:
        return events.ended.has_value();
    }
    return false;
}

/// On lifecycle events: the run's status from this event on.
std::optional<std::string_view> status_after(std::string_view event_type) {
    if (!run::phase_of(event_type)) {
        return {};
    }
    const auto outcome = run::outcome_of(event_type);
    return outcome ? run::word_of(*outcome) : run::active;
}

} // namespace

std::optional<Event> append(const RunIdentity& run, const NewEvent& event) {
    // A statement of its own: its snapshot is taken after the run's lock, so the maximum it sees is the last number.
    static Statement insert{
        "insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at,"
        " trace_id, scenario_id, actor_type, actor_id, object_type, object_id, status, source_kind, source_id,"
        " connector_instance_id, data_json)"
        " select $1, 1 + coalesce((select e.event_seq from pdpp.spine_events as e where e.run_id = $1"
        "                          order by e.event_seq desc limit 1), 0),"
        "        $2, $3, $4, $4, $5, $6, $7, 'connector', $8, 'run', $1, $9,"
        "        case when $10 is not null then 'controller' end, $10::text, $11, $12"
        " on conflict do nothing"
        " returning event_type, event_id, event_seq, recorded_at"};

    const run::Instant recorded_at = event.occurred_at ? *event.occurred_at : now();
    const run::GeneratedId generated =
        run::event_id_from(run::uuid7_digits(recorded_at.unix_micros, random_bytes<8>()));
    const std::string_view event_id = event.event_id.value_or(generated.view());
    const auto status = status_after(event.event_type);
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        const auto appended = event_in(insert.execute({
            run.run_id,
            event_id,
            event.event_type,
            recorded_at,
            status ? std::optional{run.admitted_at} : std::nullopt,
            run.trace_id,
            run.scenario_id,
            run.connector_id,
            status,
            event.boot_epoch,
            run.connector_instance_id,
            event.data,
        }));
        if (appended) {
            announce(run.run_id);
            return appended;
        }
        if (find_event(run.run_id, event_id) || phase_stands(run.run_id, event.event_type)) {
            return {};
        }
        // Only the number was taken, by a row written without the run's lock: the next attempt sees it.
    }
}

std::optional<Event> find_event(std::string_view run_id, std::string_view event_id) {
    static Statement find{"select event_type, event_id, event_seq, recorded_at from pdpp.spine_events"
                          " where run_id = $1 and event_id = $2"};
    return event_in(find.execute({run_id, event_id}));
}

Jsonb* admission_data(std::string_view run_id) {
    static Statement find{"select data_json from pdpp.spine_events where run_id = $1 and event_seq = 1"};
    const Rows rows = find.execute({run_id});
    return rows.any() ? rows.jsonb(0, 0) : nullptr;
}

void lock_history(std::string_view run_id) {
    static Statement lock{"select from pdpp.spine_events where run_id = $1 and event_seq = 1 for no key update"};
    lock.execute({run_id});
}

Portal open_timeline(std::string_view run_id, std::int64_t after_seq, std::int64_t limit) {
    static Statement select{
        "select event_seq, event_type, occurred_at, recorded_at, admitted_at, version, data_json, object_type,"
        " object_id, event_id, run_id, trace_id, scenario_id, actor_type, actor_id, subject_type, subject_id, status,"
        " request_id, grant_id, source_kind, source_id, client_id, stream_id, interaction_id, connector_instance_id"
        " from pdpp.spine_events where run_id = $1 and event_seq > $2 order by event_seq limit $3"};
    return select.open({run_id, after_seq, limit});
}

} // namespace pdpp::store
