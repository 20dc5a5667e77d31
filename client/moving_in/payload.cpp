// What pdpp_run_import() is given: JSON that is put together, and whose data is never taken apart.

#include "moving_in/data.hpp"
#include "moving_in/instant.hpp"
#include "moving_in/mapping.hpp"
#include "moving_in/shape.hpp"

#include <fmt/format.h>

#include <iterator>

namespace pdpp::moving_in {

namespace {

void append_member(std::string& payload, std::string_view key, std::string_view text) {
    payload += ",\"";
    payload += key;
    payload += "\":";
    payload += json_string(text);
}

/// Told by the event itself, or of no use to us.
bool is_told_otherwise(std::size_t column) {
    return column == event_column::run_id || column == event_column::event_seq || column == event_column::event_id ||
           column == event_column::event_type || column == event_column::occurred_at ||
           column == event_column::recorded_at || column == event_column::data_json;
}

/// What an event need not say, since its run does (docs/reference/sql.md).
bool is_of_run(std::size_t column, std::string_view value, const MappedRun& run) {
    switch (column) {
    case event_column::trace_id:
        return value == run.trace_id;
    case event_column::scenario_id:
        return value == run.scenario_id;
    case event_column::actor_id:
        return value == run.connector_id;
    case event_column::connector_instance_id:
        return value == run.connector_instance_id;
    default:
        return false;
    }
}

void append_event(std::string& payload, const MappedEvent& event, const MappedRun& run) {
    payload += "{\"event_type\":";
    payload += json_string(event.event_type);
    if (event.event_id) {
        append_member(payload, "event_id", *event.event_id);
    }
    append_member(payload, "occurred_at", instant_text(event.occurred_at));
    append_member(payload, "recorded_at", instant_text(event.recorded_at));
    if (event.row == nullptr) {
        append_member(payload, "status", event.status);
    } else {
        const auto& columns = table(TableId::events).columns;
        for (std::size_t column = 0; column < columns.size(); ++column) {
            if (const auto& value = (*event.row)[column];
                value && !is_told_otherwise(column) && !is_of_run(column, *value, run)) {
                append_member(payload, columns[column].name, *value);
            }
        }
    }
    payload += ",\"data\":";
    payload += event.data;
    payload += '}';
}

} // namespace

void append_payload(std::string& payload, const MappedRun& run) {
    payload += "{\"run_id\":";
    payload += json_string(run.run_id);
    append_member(payload, "connector_id", run.connector_id);
    append_member(payload, "connector_instance_id", run.connector_instance_id);
    append_member(payload, "trace_id", run.trace_id);
    if (run.scenario_id) {
        append_member(payload, "scenario_id", *run.scenario_id);
    }
    append_member(payload, "admitted_at", instant_text(run.admitted_at));
    fmt::format_to(std::back_inserter(payload), R"(,"data":{},"in_flight":{})", run.data, run.in_flight);
    if (run.run_generation) {
        fmt::format_to(std::back_inserter(payload), R"(,"run_generation":{})", *run.run_generation);
    }
    payload += ",\"events\":[";
    for (std::size_t i = 0; i < run.events.size(); ++i) {
        payload += i == 0 ? "" : ",";
        append_event(payload, run.events[i], run);
    }
    payload += "]}";
}

} // namespace pdpp::moving_in
