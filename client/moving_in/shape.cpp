#include "moving_in/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pdpp::moving_in {

namespace {

constexpr std::array events{
    Column{"run_id", Kind::text},
    Column{"event_seq", Kind::number},
    Column{"event_id", Kind::text},
    Column{"event_type", Kind::text},
    Column{"occurred_at", Kind::text},
    Column{"recorded_at", Kind::text},
    Column{"trace_id", Kind::text},
    Column{"scenario_id", Kind::text},
    Column{"actor_type", Kind::text},
    Column{"actor_id", Kind::text},
    Column{"subject_type", Kind::text, false},
    Column{"subject_id", Kind::text, false},
    Column{"object_type", Kind::text},
    Column{"object_id", Kind::text},
    Column{"status", Kind::text},
    Column{"request_id", Kind::text, false},
    Column{"grant_id", Kind::text, false},
    Column{"source_kind", Kind::text, false},
    Column{"source_id", Kind::text, false},
    Column{"client_id", Kind::text, false},
    Column{"stream_id", Kind::text, false},
    Column{"token_id", Kind::text, false},
    Column{"interaction_id", Kind::text, false},
    Column{"connector_instance_id", Kind::text, false},
    Column{"version", Kind::text},
    Column{"data_json", Kind::json},
};
static_assert(events.size() == event_column::count);

constexpr std::array flights{
    Column{"run_id", Kind::text},
    Column{"connector_instance_id", Kind::text},
    Column{"connector_id", Kind::text},
    Column{"trace_id", Kind::text, false},
    Column{"scenario_id", Kind::text, false},
    Column{"started_at", Kind::text},
    Column{"run_generation", Kind::number, false},
};
static_assert(flights.size() == flight_column::count);

constexpr std::array history{
    Column{"run_id", Kind::text},
    Column{"connector_instance_id", Kind::text, false},
    Column{"connector_id", Kind::text},
    Column{"status", Kind::text},
    Column{"trace_id", Kind::text, false},
    Column{"failure_reason", Kind::text, false},
    Column{"terminal_reason", Kind::text, false},
    Column{"started_at", Kind::text},
    Column{"completed_at", Kind::text, false},
    Column{"error", Kind::text, false},
    Column{"records_emitted", Kind::number, false},
    Column{"known_gaps_json", Kind::json, false},
};
static_assert(history.size() == history_column::count);

constexpr std::array receipts{
    Column{"run_id", Kind::text},       Column{"connector_instance_id", Kind::text, false},
    Column{"connector_id", Kind::text}, Column{"trace_id", Kind::text, false},
    Column{"started_at", Kind::text},
};
static_assert(receipts.size() == receipt_column::count);

constexpr std::array tables{
    Table{"spine_events", true, events},
    Table{"controller_active_runs", true, flights},
    Table{"run_history", false, history},
    Table{"scheduler_run_history", false, history}, // as it was called, and may have been left
    Table{"source_webhook_run_receipts", false, receipts},
};
static_assert(tables.size() == all_tables.size());

/// Whether a type, by the name that its database has for it, holds such values.
bool holds(std::string_view type, Kind kind) {
    constexpr std::array texts{std::string_view{"text"}, std::string_view{"varchar"},
                               std::string_view{"character varying"}};
    constexpr std::array numbers{std::string_view{"bigint"}, std::string_view{"integer"}, std::string_view{"int"}};
    constexpr std::array documents{std::string_view{"jsonb"}, std::string_view{"json"}, std::string_view{"text"}};
    const auto is_one_of = [&](const auto& names) {
        return type.empty() || std::ranges::find(names, type) != names.end();
    };
    switch (kind) {
    case Kind::text:
        return is_one_of(texts);
    case Kind::number:
        return is_one_of(numbers);
    case Kind::json:
        return is_one_of(documents);
    }
    return false;
}

std::string_view word_for(Kind kind) {
    switch (kind) {
    case Kind::text:
        return "text";
    case Kind::number:
        return "bigint";
    case Kind::json:
        return "jsonb";
    }
    return {};
}

std::string listed(const FoundColumns& columns) {
    std::vector<std::string> words;
    for (const auto& [name, type] : columns) {
        words.push_back(type.empty() ? name : fmt::format("{} {}", name, type));
    }
    return fmt::format("{}", fmt::join(words, ", "));
}

} // namespace

const Table& table(TableId id) {
    return tables.at(static_cast<std::size_t>(id));
}

Shape shape_of(TableId id, const FoundTables& found) {
    const Table& known = table(id);
    const auto there = found.find(known.name);
    if (there == found.end()) {
        if (!known.needed) {
            return {};
        }
        std::vector<std::string_view> names;
        for (const auto& [name, columns] : found) {
            names.push_back(name);
        }
        throw UnknownShape(fmt::format("expected a table {}, found {}", known.name,
                                       names.empty() ? "no table" : fmt::format("{}", fmt::join(names, ", "))));
    }
    Shape shape{.name = there->first, .has = {}};
    for (const Column& column : known.columns) {
        const auto at = there->second.find(column.name);
        const bool is_there = at != there->second.end();
        if (is_there ? !holds(at->second, column.kind) : column.needed) {
            throw UnknownShape(fmt::format("expected {}.{} as {}, found {}; the table has {}", there->first,
                                           column.name, word_for(column.kind), is_there ? at->second : "no such column",
                                           listed(there->second)));
        }
        shape.has.push_back(is_there);
    }
    return shape;
}

std::string number_in(std::string_view column, bool holds_any_type) {
    return holds_any_type ? fmt::format("case typeof({0}) when 'integer' then {0} end", column) : std::string(column);
}

std::string select_list(TableId id, const Shape& shape, std::string_view alias, bool holds_any_type) {
    std::string list;
    const auto& columns = table(id).columns;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto column = fmt::format("{}.{}", alias, columns[i].name);
        list += i == 0 ? "" : ", ";
        list += !shape.has[i]
                    ? "null"
                    : fmt::format("cast({} as text)",
                                  columns[i].kind == Kind::number ? number_in(column, holds_any_type) : column);
    }
    return list;
}

} // namespace pdpp::moving_in
