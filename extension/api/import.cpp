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

namespace pdpp::api {

namespace {

/// Where in the array of runs something is wrong.
struct Place {
    std::string_view run_id; ///< empty while that is not known
    int event = 0;           ///< from 1; 0 for the run itself
};

[[noreturn]] void refuse_at(const Place& place, const char* fault) {
    const auto id_bytes = static_cast<int>(std::min(place.run_id.size(), run::max_id_bytes));
    const char* const run = place.run_id.empty() ? "a run" : psprintf("run %.*s", id_bytes, place.run_id.data());
    refuse(run::ErrorCode::invalid_request, "runs",
           place.event == 0 ? psprintf("%s: %s", run, fault) : psprintf("%s, event %d: %s", run, place.event, fault));
}

/// Calls `visit` with each element of an array.
void for_each(const JsonbContainer* array, const auto& visit) {
    JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(array));
    JsonbValue element;
    (void)JsonbIteratorNext(&iterator, &element, true);
    while (JsonbIteratorNext(&iterator, &element, true) == WJB_ELEM) {
        visit(element);
    }
}

bool is_object(const JsonbValue& value) {
    return value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data);
}

std::string_view string_in(const JsonbValue& value) {
    return {value.val.string.val, static_cast<std::size_t>(value.val.string.len)};
}

/// What stands under a key; nothing for null, or if there is none.
std::optional<JsonbValue> member(const JsonbContainer* object, std::string_view key) {
    JsonbValue value;
    const bool is_there = getKeyJsonValueFromContainer(const_cast<JsonbContainer*>(object), key.data(),
                                                       static_cast<int>(key.size()), &value) != nullptr;
    return is_there && value.type != jbvNull ? std::optional(value) : std::nullopt;
}

/// A string of `key`; empty if there is none and it may be missing.
std::string_view string_under(const JsonbContainer* object, const char* key, const Place& place, bool may_be_missing) {
    const auto value = member(object, key);
    if (!value && may_be_missing) {
        return {};
    }
    if (!value || value->type != jbvString) {
        refuse_at(place, psprintf("%s must be a string", key));
    }
    return string_in(*value);
}

std::string_view id_under(const JsonbContainer* object, const char* key, const Place& place, bool may_be_missing) {
    const std::string_view id = string_under(object, key, place, may_be_missing);
    if ((id.empty() && !may_be_missing) || id.size() > run::max_id_bytes) {
        refuse_at(place, psprintf("%s must have 1 to 256 bytes", key));
    }
    return id;
}

/// A time by its shape, `2026-08-06T07:06:40.5Z`; whether there is such a day is for PostgreSQL to say. Its other words
/// for times (`infinity`, `now`) are none that was recorded.
void look_at_time(const JsonbContainer* object, const char* key, const Place& place, bool may_be_missing) {
    const std::string_view text = string_under(object, key, place, may_be_missing);
    const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
    constexpr std::string_view form = "0000-00-00T00:00:00";
    const bool has_form = text.size() > form.size() &&
                          std::ranges::equal(text.substr(0, form.size()), form, [&](char letter, char expected) {
                              return expected == '0' ? is_digit(letter) : letter == expected;
                          });
    const std::string_view rest = has_form ? text.substr(form.size()) : std::string_view();
    const auto zone = rest.find_first_of("Z+-");
    const bool has_zone =
        zone != std::string_view::npos &&
        rest.find_first_not_of(rest[zone] == 'Z' ? "Z" : "0123456789:", zone + 1) == std::string_view::npos &&
        (rest[zone] != 'Z' || zone + 1 == rest.size());
    if (!(has_zone || (text.empty() && may_be_missing))) {
        refuse_at(place, psprintf("%s must be a time with its zone, such as 2026-08-06T07:06:40.5Z", key));
    }
}

void look_at_data(const JsonbContainer* object, const Place& place) {
    const auto data = member(object, "data");
    if (!data) {
        return;
    }
    if (!is_object(*data)) {
        refuse_at(place, "data must be an object");
    }
    if (const int depth = too_deep(data->val.binary.data, data->val.binary.len); depth > 0) {
        refuse_at(place,
                  psprintf("data is nested %d levels deep; at most %d are accepted", depth, run::max_data_depth));
    }
}

/// Raises an error if two of them are the same.
void refuse_twice(std::span<std::string_view> ids, const Place& place, const char* fault) {
    std::ranges::sort(ids);
    if (const auto twice = std::ranges::adjacent_find(ids); twice != ids.end()) {
        refuse_at({.run_id = place.run_id.empty() ? *twice : place.run_id}, fault);
    }
}

void look_at_event(const JsonbContainer* event, const Place& place) {
    if (string_under(event, "event_type", place, false).empty()) {
        refuse_at(place, "event_type must not be empty");
    }
    if (run::event_seq_in(id_under(event, "event_id", place, true), place.run_id)) {
        refuse_at(place, "event_id has the form of those that this database makes");
    }
    look_at_time(event, "occurred_at", place, false);
    look_at_time(event, "recorded_at", place, true);
    (void)id_under(event, "actor_id", place, true); // the ones that indexes have
    (void)id_under(event, "connector_instance_id", place, true);
    const auto source_kind = string_under(event, "source_kind", place, true);
    if (source_kind == run::retried_run || source_kind == run::imported) {
        refuse_at(place, "source_kind is one that this database alone may say");
    }
    look_at_data(event, place);
}

void look_at_events(const JsonbContainer* run, Place place) {
    const auto events = member(run, "events");
    if (!events || events->type != jbvBinary || !JsonContainerIsArray(events->val.binary.data)) {
        refuse_at(place, "events must be an array");
    }
    const JsonbContainer* const array = events->val.binary.data;
    auto* const ids = static_cast<std::string_view*>(palloc(sizeof(std::string_view) * JsonContainerSize(array)));
    std::size_t count = 0;
    for_each(array, [&](const JsonbValue& event) {
        ++place.event;
        if (!is_object(event)) {
            refuse_at(place, "must be an object");
        }
        look_at_event(event.val.binary.data, place);
        if (const auto id = string_under(event.val.binary.data, "event_id", place, true); !id.empty()) {
            ids[count++] = id;
        }
    });
    refuse_twice({ids, count}, place, "no event_id may be given twice");
    pfree(ids);
}

/// A generation, as jsonb prints it.
bool is_generation(const JsonbValue& value) {
    if (value.type != jbvNumeric) {
        return false;
    }
    const std::string_view text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
    std::int64_t number = -1;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failure == std::errc() && stop == text.data() + text.size() && number >= 0 &&
           number <= run::most_imported_generations;
}

std::string_view look_at_run(const JsonbValue& given) {
    if (!is_object(given)) {
        refuse_at({}, "must be an object");
    }
    const JsonbContainer* const run = given.val.binary.data;
    const Place place{.run_id = id_under(run, "run_id", {}, false)};
    (void)id_under(run, "connector_id", place, false);
    (void)id_under(run, "connector_instance_id", place, false);
    (void)string_under(run, "trace_id", place, false);
    (void)string_under(run, "scenario_id", place, true);
    look_at_time(run, "admitted_at", place, false);
    look_at_data(run, place);
    if (const auto in_flight = member(run, "in_flight"); in_flight && in_flight->type != jbvBool) {
        refuse_at(place, "in_flight must be true or false");
    }
    if (const auto generation = member(run, "run_generation"); generation && !is_generation(*generation)) {
        refuse_at(place, "run_generation must be a whole number");
    }
    look_at_events(run, place);
    return place.run_id;
}

/// Refuses what is no array of runs as the reference has it (docs/reference/sql.md), by the place of the first fault.
void look_at_runs(const Jsonb* runs) {
    if (!JB_ROOT_IS_ARRAY(runs) || JB_ROOT_IS_SCALAR(runs)) {
        refuse(run::ErrorCode::invalid_request, "runs", "runs must be an array of objects");
    }
    auto* const ids = static_cast<std::string_view*>(palloc(sizeof(std::string_view) * JB_ROOT_COUNT(runs)));
    std::size_t count = 0;
    for_each(&runs->root, [&](const JsonbValue& run) { ids[count++] = look_at_run(run); });
    refuse_twice({ids, count}, {}, "no run may be given twice");
    pfree(ids);
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
        const Jsonb* runs = PG_ARGISNULL(0) ? store::empty_object() : PG_GETARG_JSONB_P(0);
        look_at_runs(runs);
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
