// What pdpp_run_import() is given: JSON that is put together, and whose data is never taken apart.

#include "moving_in/data.hpp"
#include "moving_in/instant.hpp"
#include "moving_in/mapping.hpp"
#include "moving_in/shape.hpp"
#include "run/event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace pdpp::moving_in {

namespace {

void append_member(std::string& payload, std::string_view key, std::string_view text) {
    payload += ",\"";
    payload += key;
    payload += "\":";
    payload += json_string(text);
}

/// What an event need not say, since its run does or because it is the rule (docs/reference/sql.md).
bool goes_without_saying(std::size_t column, const MappedEvent& event, const MappedRun& run) {
    const auto& row = *event.row;
    const auto says = [&](std::size_t of, std::string_view text) { return row[of] == text; };
    switch (column) {
    case event_column::trace_id:
        return says(column, run.trace_id);
    case event_column::scenario_id:
        return row[column] == run.scenario_id;
    case event_column::actor_id:
        return says(column, run.connector_id);
    case event_column::connector_instance_id:
        return says(column, run.connector_instance_id);
    case event_column::actor_type:
        return says(column, "connector") && event.event_type != run::event_type::started;
    case event_column::object_type:
    case event_column::object_id:
        return says(event_column::object_type, "run") && says(event_column::object_id, run.run_id);
    default:
        return false;
    }
}

std::string_view key_of(std::size_t column) {
    return column == event_column::data_json ? "data" : table(TableId::events).columns[column].name;
}

/// The columns in the order in which jsonb keeps their keys, shorter ones first: what comes so need not be sorted.
const std::vector<std::size_t>& columns_in_order() {
    static const auto order = [] {
        std::vector<std::size_t> columns(event_column::count);
        std::iota(columns.begin(), columns.end(), std::size_t{0});
        std::ranges::sort(columns, {},
                          [](std::size_t column) { return std::pair(key_of(column).size(), key_of(column)); });
        return columns;
    }();
    return order;
}

/// What an event says under a key, as JSON; nothing if it says nothing.
std::optional<std::string> value_of(std::size_t column, const MappedEvent& event, const MappedRun& run) {
    switch (column) {
    case event_column::run_id:
    case event_column::event_seq:
        return std::nullopt;
    case event_column::event_id:
        return event.event_id ? std::optional(json_string(*event.event_id)) : std::nullopt;
    case event_column::event_type:
        return json_string(event.event_type);
    case event_column::occurred_at:
        return json_string(instant_text(event.occurred_at));
    case event_column::recorded_at:
        return json_string(instant_text(event.recorded_at));
    case event_column::data_json:
        return event.data;
    default:
        break;
    }
    if (event.row == nullptr) {
        return column == event_column::status ? std::optional(json_string(event.status)) : std::nullopt;
    }
    const auto& value = (*event.row)[column];
    return value && !goes_without_saying(column, event, run) ? std::optional(json_string(*value)) : std::nullopt;
}

void append_event(std::string& payload, const MappedEvent& event, const MappedRun& run) {
    char before = '{';
    for (const std::size_t column : columns_in_order()) {
        if (const auto value = value_of(column, event, run)) {
            payload += before;
            payload += '"';
            payload += key_of(column);
            payload += "\":";
            payload += *value;
            before = ',';
        }
    }
    payload += '}';
}

} // namespace

std::vector<Payload> payloads_of(const MappedRun& run, std::size_t bytes) {
    std::string head = "{\"run_id\":" + json_string(run.run_id);
    append_member(head, "connector_id", run.connector_id);
    append_member(head, "connector_instance_id", run.connector_instance_id);
    append_member(head, "trace_id", run.trace_id);
    if (run.scenario_id) {
        append_member(head, "scenario_id", *run.scenario_id);
    }
    append_member(head, "admitted_at", instant_text(run.admitted_at));
    fmt::format_to(std::back_inserter(head), R"(,"data":{},"in_flight":{})", run.data, run.in_flight);
    if (run.run_generation) {
        fmt::format_to(std::back_inserter(head), R"(,"run_generation":{})", *run.run_generation);
    }
    head += ",\"events\":[";

    std::vector<Payload> payloads;
    Payload payload{.text = head, .event_id = {}};
    std::size_t count = 0;
    for (const MappedEvent& event : run.events) {
        const auto before = payload.text.size();
        payload.text += count == 0 ? "" : ",";
        append_event(payload.text, event, run);
        if (count > 0 && payload.text.size() > bytes) {
            std::string last = payload.text.substr(before + 1);
            payload.text.resize(before);
            payload.text += "]}";
            payload.event_id = count == 1 ? payload.event_id : std::nullopt;
            payloads.push_back(std::exchange(payload, {.text = head + last, .event_id = {}}));
            count = 0;
        }
        ++count;
        payload.event_id = event.event_id;
    }
    payload.text += "]}";
    payload.event_id = count == 1 ? payload.event_id : std::nullopt;
    payloads.push_back(std::move(payload));
    return payloads;
}

} // namespace pdpp::moving_in
