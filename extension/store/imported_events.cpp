#include "store/imported_events.hpp"

#include "boundary.hpp"
#include "run/event.hpp"
#include "store/jsonb.hpp"

#include <array>
#include <span>

namespace pdpp::store {

namespace {

/// The text as it is, but for what the admission says too, or what is the rule: that is left out, as of our own
/// (docs/design/bytes.md). `standing` is the phase that the event takes; none of them if it takes none.
std::optional<std::string_view> told_text(std::string_view name, const ImportedEvent& imported, run::Phase standing) {
    const GivenEvent& event = imported.event;
    const RunIdentity& given_run = imported.given;
    const RunIdentity& admitted_run = imported.admitted;
    const auto text = event.text(name);
    const auto unless = [&](std::optional<std::string_view> usual) { return text == usual ? std::nullopt : text; };
    const auto of_run = [&](std::optional<std::string_view> given, std::optional<std::string_view> admitted) {
        const auto told = text && !text->empty() ? text : given;
        return told == admitted ? std::nullopt : told;
    };
    if (name == "trace_id") {
        return of_run(given_run.trace_id, admitted_run.trace_id);
    }
    if (name == "scenario_id") {
        return of_run(given_run.scenario_id, admitted_run.scenario_id);
    }
    if (name == "actor_type") {
        return unless(standing == run::Phase::started ? "runtime" : "connector");
    }
    if (name == "actor_id") { // an ending repeats what lists look for
        return standing == run::Phase::ended ? admitted_run.connector_id
                                             : of_run(given_run.connector_id, admitted_run.connector_id);
    }
    if (name == "connector_instance_id") {
        return standing == run::Phase::ended
                   ? admitted_run.connector_instance_id
                   : of_run(given_run.connector_instance_id, admitted_run.connector_instance_id);
    }
    if (name == "object_type" || name == "object_id") {
        const bool is_the_run = event.text("object_type") == "run" && event.text("object_id") == admitted_run.run_id;
        return is_the_run ? std::nullopt : text;
    }
    if (name == "version") {
        return unless("1");
    }
    return text;
}

/// The data as they are; of what is late, all that it says, as evidence.
const Jsonb* told_data(const ImportedEvent& imported, run::Telling telling, run::Phase standing) {
    const GivenEvent& event = imported.event;
    const Jsonb* data = event.data.copy();
    JsonbWriter more;
    if (telling == run::Telling::late) {
        const std::string_view original = string_under(data, "imported_event_type");
        const auto outcome = run::outcome_of(event.event_type);
        more.begin_object();
        more.field("imported", true);
        more.field("outcome", outcome ? std::optional(run::word_of(*outcome)) : std::nullopt);
        more.field("event_type", original.empty() ? event.event_type : original);
        more.field("evidence", data);
        more.end_object();
        return more.finish();
    }
    const std::string_view actor = event.text("actor_id").value_or(std::string_view());
    if (standing == run::Phase::ended && !actor.empty() && actor != imported.admitted.connector_id) {
        more.begin_object();
        more.field("imported_actor_id", actor);
        more.end_object();
        return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(data), JsonbPGetDatum(more.finish())));
    }
    return data;
}

} // namespace

Jsonb* JsonbView::copy() const {
    if (container == nullptr) {
        return empty_object();
    }
    JsonbValue value;
    value.type = jbvBinary;
    value.val.binary.data = container;
    value.val.binary.len = bytes;
    return JsonbValueToJsonb(&value);
}

void ImportedEvents::begin() {
    memory_ = AllocSetContextCreate(CurrentMemoryContext, "pdpp imported events", ALLOCSET_DEFAULT_SIZES);
    columns_ = static_cast<ArrayOf*>(palloc(sizeof(ArrayOf) * (plain_columns + event_texts.size())));
    const auto type_of = [](std::size_t place) -> Oid {
        constexpr std::array<Oid, plain_columns> types{TEXTOID,        INT8OID,        TEXTOID,        TEXTOID,
                                                       TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID};
        return place < plain_columns ? types[place] : TEXTOID;
    };
    for (std::size_t place = 0; place < plain_columns + event_texts.size(); ++place) {
        new (&columns_[place]) ArrayOf(type_of(place), batch);
    }
}

void ImportedEvents::add(const ImportedEvent& imported, run::Telling telling) {
    const GivenEvent& event = imported.event;
    if (column(0).count() == batch) {
        flush();
    }
    const bool is_late = telling == run::Telling::late;
    const auto standing = is_late ? run::Phase{} : run::phase_of(event.event_type).value_or(run::Phase{});
    MemoryContext callers = MemoryContextSwitchTo(memory_);
    column(0).add(imported.admitted.run_id);
    column(1).add(Int64GetDatum(imported.history.last_seq));
    column(2).add(event.event_id.value_or(std::string_view()));
    column(3).add(is_late ? run::event_type::late_outcome : event.event_type);
    column(4).add(event.occurred_at);
    column(5).add(imported.history.last_recorded_at);
    column(6).add(standing == run::Phase::ended ? std::optional(imported.admitted.admitted_at) : std::nullopt);
    column(7).add(JsonbPGetDatum(told_data(imported, telling, standing)));
    for (std::size_t i = 0; i < event_texts.size(); ++i) {
        column(plain_columns + i).add(told_text(event_texts[i], imported, standing));
    }
    MemoryContextSwitchTo(callers);
}

void ImportedEvents::flush() {
    // Not "from unnest($1, $2, …)", which would put each column into a tuplestore of its own first.
    static Statement insert{
        "insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at,"
        " data_json, trace_id, scenario_id, actor_type, actor_id, subject_type, subject_id, object_type, object_id,"
        " status, request_id, grant_id, source_kind, source_id, client_id, stream_id, token_id, interaction_id,"
        " connector_instance_id, version)"
        " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8),"
        " unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14), unnest($15), unnest($16),"
        " unnest($17), unnest($18), unnest($19), unnest($20), unnest($21), unnest($22), unnest($23), unnest($24),"
        " unnest($25), unnest($26), unnest($27)"};
    if (column(0).count() == 0) {
        return;
    }
    MemoryContext callers = MemoryContextSwitchTo(memory_);
    constexpr std::size_t places = plain_columns + event_texts.size();
    auto* const parameters = static_cast<Parameter*>(palloc(sizeof(Parameter) * places));
    const std::size_t count = column(0).count();
    for (std::size_t place = 0; place < places; ++place) {
        new (&parameters[place]) Parameter(column(place));
        column(place).clear();
    }
    if (insert.change(std::span<const Parameter>{parameters, places}) != count) {
        refuse_unwritten("spine_events");
    }
    MemoryContextSwitchTo(callers);
    MemoryContextReset(memory_);
}

} // namespace pdpp::store
