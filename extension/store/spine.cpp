#include "store/spine.hpp"

#include "boundary.hpp"
#include "run/id.hpp"
#include "store/announce.hpp"
#include "store/digest.hpp"
#include "store/direct.hpp"
#include "store/durable.hpp"
#include "store/endings.hpp"
#include "store/lifecycle.hpp"
#include "store/statement.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace pdpp::store {

namespace {

std::optional<Event> event_in(const Rows& rows, std::string_view run_id) {
    if (!rows.any()) {
        return {};
    }
    const std::int64_t event_seq = required(rows.int8(0, 2));
    return Event{
        .event_type = required(rows.text(0, 0)),
        .event_id = event_id_or_generated(required(rows.text(0, 1)), run_id, event_seq),
        .event_seq = event_seq,
        .recorded_at = required(rows.instant(0, 3)),
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

/// What an event says of its run. All of it stands in the admission, beside which events are read; an ending repeats
/// what lists look for.
struct Repeated {
    std::optional<std::string_view> trace_id = {};
    std::optional<std::string_view> scenario_id = {};
    std::optional<std::string_view> connector_id = {};
    std::optional<std::string_view> connector_instance_id = {};
    std::optional<run::Instant> admitted_at = {};
    std::optional<std::string_view> status = {}; ///< the run's, from this event on
};

Repeated repeated(const RunIdentity& run, std::string_view event_type) {
    if (event_type == run::event_type::admitted) {
        return {.trace_id = run.trace_id,
                .scenario_id = run.scenario_id,
                .connector_id = run.connector_id,
                .connector_instance_id = run.connector_instance_id,
                .admitted_at = run.admitted_at,
                .status = run::active};
    }
    if (const auto outcome = run::outcome_of(event_type)) {
        return {.connector_id = run.connector_id,
                .connector_instance_id = run.connector_instance_id,
                .admitted_at = run.admitted_at,
                .status = run::word_of(*outcome)};
    }
    return {};
}

/// What the next event of a run comes after.
struct LastEvent {
    std::int64_t seq = 0; ///< 0 if there is none
    run::Instant recorded_at{};
};

LastEvent last_event(Relation table, const SpineEntry& columns, Datum run_id) {
    KeyScan scan;
    scan.open(table, columns.run_id, columns.primary_key, push_latest_snapshot());
    scan.seek(run_id);
    LastEvent last;
    if (TupleTableSlot* found = scan.next(BackwardScanDirection)) {
        bool is_null = false;
        last = {.seq = DatumGetInt64(slot_getattr(found, columns.event_seq, &is_null)),
                .recorded_at = instant_of(found, columns.recorded_at).value_or(run::Instant{})};
    }
    scan.close();
    PopActiveSnapshot();
    return last;
}

/// An event with all that goes with it but its number. Its time is that of the event before it, if the clock has been
/// set back meanwhile: in a run, no event is recorded before the one it follows.
struct Dated {
    const RunIdentity& run;
    const NewEvent& event;
    std::string_view event_id; ///< empty if it is known by its number
    run::Instant recorded_at;
    Repeated repeated;
};

/// Where an event comes from: the boot that wrote it, or the run that its run repeats.
struct Source {
    std::optional<std::string_view> kind; ///< none stands for a controller's
    std::optional<std::string_view> id;
};

Source source_of(const NewEvent& event) {
    if (event.boot_epoch) {
        return {{}, DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&*event.boot_epoch)))};
    }
    if (event.retry_of) {
        return {run::retried_run, *event.retry_of};
    }
    return {};
}

/// Appends it without a statement. Nothing if the table does not take rows that way, or if something is in the way.
std::optional<Event> append_directly(const Dated& dated) {
    static WriteTarget prepared;
    SpineEntry columns;
    Relation table = open_current(&Catalogue::spine, RowExclusiveLock, columns);
    std::optional<Event> appended;
    if (columns.is_as_made) {
        const RunIdentity& run = dated.run;
        const Datum run_id = to_text(run.run_id);
        const LastEvent last = dated.event.is_first ? LastEvent{} : last_event(table, columns, run_id);
        const std::int64_t seq = 1 + last.seq;
        const run::Instant recorded_at = std::max(dated.recorded_at, last.recorded_at);
        NewRow<spine_places> row;
        row.set(columns.run_id, run_id);
        row.set(columns.event_seq, Int64GetDatum(seq));
        row.set(columns.event_id, dated.event_id);
        row.set(columns.event_type, dated.event.event_type);
        row.set(columns.occurred_at, recorded_at);
        row.set(columns.recorded_at, recorded_at);
        row.set(columns.admitted_at, dated.repeated.admitted_at);
        row.set(columns.trace_id, dated.repeated.trace_id);
        row.set(columns.scenario_id, dated.repeated.scenario_id);
        row.set(columns.actor_id, dated.repeated.connector_id);
        row.set(columns.status, dated.repeated.status);
        const Source source = source_of(dated.event);
        row.set(columns.source_kind, source.kind);
        row.set(columns.source_id, source.id);
        row.set(columns.connector_instance_id, dated.repeated.connector_instance_id);
        row.set(columns.data_json, JsonbPGetDatum(dated.event.data));
        if (insert_directly(table, prepared, row.values(), row.nulls(), dated.event.is_first)) {
            appended = {.event_type = dated.event.event_type,
                        .event_id = event_id_or_generated(dated.event_id, run.run_id, seq),
                        .event_seq = seq,
                        .recorded_at = recorded_at};
        }
    }
    relation_close(table, NoLock);
    return appended;
}

/// An id for an event, where the tables are those of an earlier version that has each event bring one.
run::GeneratedId new_event_id(run::Instant at) {
    const std::uint64_t random = pg::quick_random();
    std::array<unsigned char, sizeof(random)> bytes;
    memcpy(bytes.data(), &random, sizeof(random));
    return run::event_id_from(run::uuid7_digits(at.unix_micros, bytes));
}

} // namespace

namespace {

/// The number of the run's last event, by a statement; 0 if there is none.
std::int64_t last_number(std::string_view run_id) {
    static Statement find{"select event_seq from pdpp.spine_events where run_id = $1 order by event_seq desc limit 1"};
    const Rows rows = find.execute({run_id});
    return rows.any() ? required(rows.int8(0, 0)) : 0;
}

} // namespace

std::optional<Event> append(const RunIdentity& run, const NewEvent& event) {
    // A statement of its own: its snapshot is taken after the run's lock, so the maximum it sees is the last number.
#define INSERT_EVENT                                                                                                   \
    "insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at,"   \
    " trace_id, scenario_id, actor_id, status, source_kind, source_id, connector_instance_id, data_json)"              \
    " select $1, 1 + coalesce(l.event_seq, 0), $2, $3, greatest($4, l.recorded_at), greatest($4, l.recorded_at), $5,"  \
    "        $6, $7, $8, $9, $10, $11, $12, $13"                                                                       \
    " from (select) as one left join lateral (select e.event_seq, e.recorded_at from pdpp.spine_events as e"           \
    "   where e.run_id = $1 order by e.event_seq desc limit 1) as l on true"
#define RETURNING_EVENT " returning event_type, event_id, event_seq, recorded_at"
    static Statement insert_or_skip{INSERT_EVENT " on conflict do nothing" RETURNING_EVENT};
    static Statement insert_or_raise{INSERT_EVENT RETURNING_EVENT};

    require_durable_commit(); // also for what is said in between: a follower must not keep the place of an event that
                              // goes
    hold_endings_once_prepared();
    const run::Instant recorded_at = event.occurred_at ? *event.occurred_at : now();
    const run::GeneratedId generated =
        event.event_id || !catalogue().spine.requires_event_id ? run::GeneratedId{} : new_event_id(recorded_at);
    const std::string_view event_id = event.event_id.value_or(generated.view());
    const Repeated told = repeated(run, event.event_type);
    if (const auto appended = append_directly(
            {.run = run, .event = event, .event_id = event_id, .recorded_at = recorded_at, .repeated = told})) {
        announce(run.run_id);
        return appended;
    }
    const Source source = source_of(event);
    const auto insert = [&](Statement& statement) {
        return event_in(statement.execute({
                            run.run_id,
                            event_id,
                            event.event_type,
                            recorded_at,
                            told.admitted_at,
                            told.trace_id,
                            told.scenario_id,
                            told.connector_id,
                            told.status,
                            source.kind,
                            source.id,
                            told.connector_instance_id,
                            event.data,
                        }),
                        run.run_id);
    };
    for (std::int64_t number_before = -1;;) {
        CHECK_FOR_INTERRUPTS();
        // In the way may be a row that was written by hand, without the run's lock. Its event id or its phase is the
        // last word; if it took the number, the next attempt takes the one after it. Else it is a unique index of
        // somebody's: the error names it.
        const std::int64_t number = last_number(run.run_id);
        const bool has_moved = number != number_before;
        const auto appended = insert(has_moved ? insert_or_skip : insert_or_raise);
        if (appended) {
            announce(run.run_id);
            return appended;
        }
        if ((event.event_id && find_event(run.run_id, event_id)) || phase_stands(run.run_id, event.event_type)) {
            return {};
        }
        if (!has_moved) {
            refuse_unwritten("spine_events");
        }
        number_before = number;
    }
}

std::string_view event_id_or_generated(std::string_view event_id, std::string_view run_id, std::int64_t event_seq) {
    return event_id.empty() ? join({run::event_id_of(run_id, event_seq).view()}) : event_id;
}

std::optional<Event> find_event(std::string_view run_id, std::string_view event_id) {
#define FIND_EVENT "select event_type, event_id, event_seq, recorded_at from pdpp.spine_events where run_id = $1"
    static Statement find{FIND_EVENT " and event_id = $2 and event_id <> ''"};
    static Statement find_generated{FIND_EVENT " and event_seq = $2 and event_id = ''"};
    if (const auto found = event_in(find.execute({run_id, event_id}), run_id)) {
        return found;
    }
    const auto event_seq = run::event_seq_in(event_id, run_id);
    return event_seq ? event_in(find_generated.execute({run_id, *event_seq}), run_id) : std::nullopt;
}

Jsonb* admission_data(std::string_view run_id) {
    static Statement find{"select data_json from pdpp.spine_events where run_id = $1 and event_seq = 1"};
    const Rows rows = find.execute({run_id});
    return rows.any() ? rows.jsonb(0, 0) : nullptr;
}

void lock_history(std::string_view run_id) {
    require_durable_commit();
    static Statement lock{"select from pdpp.spine_events where run_id = $1 and event_seq = 1 for no key update"};
    lock.execute({run_id});
}

// One statement for each way of reading, so that each is planned as one range of the key, read from one of its ends.
#define FROM_TIMELINE                                                                                                  \
    "select event_seq, event_type, occurred_at, recorded_at, admitted_at, version::text, data_json, object_type,"      \
    " object_id, event_id, source_id, run_id, trace_id, scenario_id, actor_type, actor_id, subject_type, "             \
    "subject_id, status,"                                                                                              \
    " request_id, grant_id, source_kind, client_id, stream_id, interaction_id, connector_instance_id"                  \
    " from pdpp.spine_events where run_id = $1 and event_seq "

Portal open_timeline(std::string_view run_id, const TimelineRange& range, std::int64_t limit) {
    static Statement oldest{FROM_TIMELINE "> $2 order by event_seq limit $3"};
    static Statement newest{FROM_TIMELINE "< $2 order by event_seq desc limit $3"};
    static Statement oldest_of_type{FROM_TIMELINE "> $2 and event_type = $4 order by event_seq limit $3"};
    static Statement newest_of_type{FROM_TIMELINE "< $2 and event_type = $4 order by event_seq desc limit $3"};
    constexpr std::int64_t behind_all = std::numeric_limits<std::int64_t>::max();
    const std::int64_t behind = range.behind.value_or(range.newest_first ? behind_all : 0);
    if (range.event_type) {
        return (range.newest_first ? newest_of_type : oldest_of_type).open({run_id, behind, limit, *range.event_type});
    }
    return (range.newest_first ? newest : oldest).open({run_id, behind, limit});
}

} // namespace pdpp::store
