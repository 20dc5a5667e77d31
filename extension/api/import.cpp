// pdpp_run_import: runs that another server recorded.

#include "store/import.hpp"
#include "api/arguments.hpp"
#include "boundary.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "store/jsonb.hpp"
#include "store/statement.hpp"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

namespace pdpp::api {

namespace {

/// Where in the array of runs something is wrong.
struct Place {
    std::string_view run_id = {}; ///< empty while that is not known
    int event = 0;                ///< from 1; 0 for the run itself
};

[[noreturn]] void refuse_at(const Place& place, const char* fault) {
    const auto id_bytes = static_cast<int>(std::min(place.run_id.size(), run::max_id_bytes));
    const char* const run = place.run_id.empty() ? "a run" : psprintf("run %.*s", id_bytes, place.run_id.data());
    refuse(run::ErrorCode::invalid_request, "runs",
           place.event == 0 ? psprintf("%s: %s", run, fault) : psprintf("%s, event %d: %s", run, place.event, fault));
}

bool is_object(const JsonbValue& value) {
    return value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data);
}

/// Calls `visit` with each element of an array, which must be an object.
void for_each_object(const JsonbContainer* array, const auto& visit) {
    JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(array));
    JsonbValue element;
    (void)JsonbIteratorNext(&iterator, &element, true);
    while (JsonbIteratorNext(&iterator, &element, true) == WJB_ELEM) {
        visit(is_object(element) ? element.val.binary.data : nullptr);
    }
}

// What a member is, or an error that says where it is not.

std::string_view text_in(const JsonbValue& value, std::string_view key, const Place& place) {
    if (value.type != jbvString) {
        refuse_at(place, join({key, " must be a string"}).data());
    }
    return {value.val.string.val, static_cast<std::size_t>(value.val.string.len)};
}

std::string_view id_in(const JsonbValue& value, std::string_view key, const Place& place) {
    const std::string_view id = text_in(value, key, place);
    if (id.size() > run::max_id_bytes) {
        refuse_at(place, join({key, " must have 1 to 256 bytes"}).data());
    }
    return id;
}

/// Whether a text has the form `2026-08-06T07:06:40.5Z`, or an offset for the Z. Whether there is such a day is for
/// PostgreSQL to say; its other words for times (`infinity`, `now`) are none that was recorded.
bool is_timestamp(std::string_view text) {
    constexpr std::string_view form = "0000-00-00T00:00:00";
    const auto fits = [](char letter, char expected) {
        return expected == '0' ? letter >= '0' && letter <= '9' : letter == expected;
    };
    if (text.size() <= form.size() || !std::ranges::equal(text.substr(0, form.size()), form, fits)) {
        return false;
    }
    const std::string_view rest = text.substr(form.size());
    const auto zone = rest.find_first_of("Z+-");
    return zone != std::string_view::npos &&
           (rest[zone] == 'Z' ? zone + 1 == rest.size()
                              : rest.find_first_not_of("0123456789:", zone + 1) == std::string_view::npos);
}

run::Instant time_in(const JsonbValue& value, std::string_view key, const Place& place) {
    const std::string_view text = text_in(value, key, place);
    if (!is_timestamp(text)) {
        refuse_at(place, join({key, " must be a time with its zone, such as 2026-08-06T07:06:40.5Z"}).data());
    }
    char* const copy = pnstrdup(text.data(), text.size());
    const Datum time =
        DirectFunctionCall3(timestamptz_in, CStringGetDatum(copy), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    pfree(copy);
    return to_instant(DatumGetTimestampTz(time));
}

/// An object that can be told again, where it lies.
store::JsonbView data_in(const JsonbValue& value, const Place& place) {
    if (!is_object(value)) {
        refuse_at(place, "data must be an object");
    }
    if (const int depth = too_deep(value.val.binary.data, value.val.binary.len); depth > 0) {
        refuse_at(place,
                  psprintf("data is nested %d levels deep; at most %d are accepted", depth, run::max_data_depth));
    }
    return {value.val.binary.data, value.val.binary.len};
}

/// What must be there.
JsonbValue member_of(const JsonbContainer* object, std::string_view key, const Place& place) {
    const auto value = store::member(object, key);
    if (!value) {
        refuse_at(place, join({key, " must not be missing"}).data());
    }
    return *value;
}

/// An id that must be there.
std::string_view id_of(const JsonbContainer* object, std::string_view key, const Place& place) {
    const std::string_view id = id_in(member_of(object, key, place), key, place);
    if (id.empty()) {
        refuse_at(place, join({key, " must have 1 to 256 bytes"}).data());
    }
    return id;
}

void read_member(store::GivenEvent& event, std::string_view key, const JsonbValue& value, const Place& place) {
    if (value.type == jbvNull) {
        return;
    }
    if (key == "event_type") {
        event.event_type = text_in(value, key, place);
    } else if (key == "event_id") {
        event.event_id = id_in(value, key, place);
    } else if (key == "occurred_at") {
        event.occurred_at = time_in(value, key, place);
    } else if (key == "recorded_at") {
        event.recorded_at = time_in(value, key, place);
    } else if (key == "data") {
        event.data = data_in(value, place);
    } else if (const auto* const text = std::ranges::find(store::event_texts, key); text != store::event_texts.end()) {
        const bool is_indexed = key == "actor_id" || key == "connector_instance_id";
        event.texts[text - store::event_texts.begin()] =
            is_indexed ? id_in(value, key, place) : text_in(value, key, place);
    }
}

store::GivenEvent event_in(const JsonbContainer* object, const Place& place) {
    store::GivenEvent event{};
    JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(object));
    JsonbValue key;
    JsonbValue value;
    (void)JsonbIteratorNext(&iterator, &key, true);
    while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY) {
        (void)JsonbIteratorNext(&iterator, &value, true);
        read_member(event, text_in(key, "", place), value, place);
    }
    if (event.event_type.empty() || !event.occurred_at) {
        refuse_at(place, "event_type and occurred_at must not be missing");
    }
    if (event.event_id && (event.event_id->empty() || run::event_seq_in(*event.event_id, place.run_id))) {
        refuse_at(place, "event_id is empty, or of the form of those that this database makes");
    }
    const auto source_kind = event.text("source_kind");
    if (source_kind == run::retried_run || source_kind == run::imported) {
        refuse_at(place, "source_kind is one that this database alone may say");
    }
    return event;
}

/// Raises an error if two of them are the same.
void refuse_twice(std::span<std::string_view> ids, const Place& place, const char* fault) {
    std::ranges::sort(ids);
    if (const auto twice = std::ranges::adjacent_find(ids); twice != ids.end()) {
        refuse_at({.run_id = place.run_id.empty() ? *twice : place.run_id}, fault);
    }
}

std::span<const store::GivenEvent> events_in(const JsonbContainer* run, Place place) {
    const JsonbValue given = member_of(run, "events", place);
    if (given.type != jbvBinary || !JsonContainerIsArray(given.val.binary.data)) {
        refuse_at(place, "events must be an array");
    }
    const JsonbContainer* const array = given.val.binary.data;
    const std::size_t room = JsonContainerSize(array);
    auto* const events = static_cast<store::GivenEvent*>(
        MemoryContextAllocHuge(CurrentMemoryContext, sizeof(store::GivenEvent) * (room + 1)));
    auto* const ids = static_cast<std::string_view*>(
        MemoryContextAllocHuge(CurrentMemoryContext, sizeof(std::string_view) * (room + 1)));
    std::size_t with_id = 0;
    for_each_object(array, [&](const JsonbContainer* event) {
        store::GivenEvent* const next = events + place.event;
        ++place.event;
        if (event == nullptr) {
            refuse_at(place, "must be an object");
        }
        *next = event_in(event, place);
        if (next->event_id) {
            ids[with_id++] = *next->event_id;
        }
    });
    const auto count = static_cast<std::size_t>(std::exchange(place.event, 0));
    refuse_twice({ids, with_id}, place, "no event_id may be given twice");
    pfree(ids);
    return {events, count};
}

/// A generation; nothing for null.
std::optional<std::int64_t> generation_in(const JsonbContainer* run, const Place& place) {
    const auto value = store::member(run, "run_generation");
    if (!value) {
        return {};
    }
    std::string_view text;
    if (value->type == jbvNumeric) {
        text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
    }
    std::int64_t number = -1;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || stop != text.data() + text.size() || number < 0 ||
        number > run::most_imported_generations) {
        refuse_at(place, "run_generation must be a whole number");
    }
    return number;
}

store::GivenRun run_in(const JsonbContainer* object) {
    const Place nowhere;
    if (object == nullptr) {
        refuse_at(nowhere, "must be an object");
    }
    const Place place{.run_id = id_of(object, "run_id", nowhere)};
    const auto scenario_id = store::member(object, "scenario_id");
    const auto data = store::member(object, "data");
    const auto in_flight = store::member(object, "in_flight");
    if (in_flight && in_flight->type != jbvBool) {
        refuse_at(place, "in_flight must be true or false");
    }
    return {.identity = {.run_id = place.run_id,
                         .connector_id = id_of(object, "connector_id", place),
                         .connector_instance_id = id_of(object, "connector_instance_id", place),
                         .trace_id = text_in(member_of(object, "trace_id", place), "trace_id", place),
                         .scenario_id =
                             scenario_id ? std::optional(text_in(*scenario_id, "scenario_id", place)) : std::nullopt,
                         .admitted_at = time_in(member_of(object, "admitted_at", place), "admitted_at", place)},
            .data = data ? data_in(*data, place).copy() : store::empty_object(),
            .in_flight = in_flight && in_flight->val.boolean,
            .run_generation = generation_in(object, place),
            .events = events_in(object, place)};
}

/// Refuses what is no array of runs as the reference has it (docs/reference/sql.md), by the place of the first fault.
std::span<const store::GivenRun> runs_in(const Jsonb* json) {
    if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json)) {
        refuse(run::ErrorCode::invalid_request, "runs", "runs must be an array of objects");
    }
    const std::size_t room = JB_ROOT_COUNT(json);
    auto* const runs = static_cast<store::GivenRun*>(palloc(sizeof(store::GivenRun) * (room + 1)));
    auto* const ids = static_cast<std::string_view*>(palloc(sizeof(std::string_view) * (room + 1)));
    std::size_t count = 0;
    for_each_object(&json->root, [&](const JsonbContainer* run) {
        runs[count] = run_in(run);
        ids[count] = runs[count].identity.run_id;
        ++count;
    });
    refuse_twice({ids, count}, {}, "no run may be given twice");
    pfree(ids);
    return {runs, count};
}

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
        const Jsonb* json = PG_ARGISNULL(0) ? store::empty_object() : PG_GETARG_JSONB_P(0);
        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "run_import");
        body.key("runs");
        body.begin_array();
        for (const store::ImportedRun& run : store::import_runs(runs_in(json))) {
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
