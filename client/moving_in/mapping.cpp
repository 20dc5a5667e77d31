#include "moving_in/mapping.hpp"

#include "moving_in/data.hpp"
#include "moving_in/instant.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "text/text.hpp"

#include <boost/json/array.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace pdpp::moving_in {

namespace json = boost::json;

namespace {

std::string_view text_in(const Row& row, std::size_t column) {
    return row[column] ? std::string_view(*row[column]) : std::string_view();
}

std::optional<std::string> nonempty(std::optional<std::string> text) {
    return text && text->empty() ? std::nullopt : std::move(text);
}

std::optional<std::int64_t> instant_in(const Row& row, std::size_t column) {
    return row[column] ? parse_instant(*row[column]) : std::nullopt;
}

/// Why an event cannot be recorded; empty if it can.
std::string fault_in(const Row& row, DataOrigin origin) {
    for (std::size_t column = 0; column < row.size(); ++column) {
        if (origin == DataOrigin::text && column != event_column::data_json && row[column] &&
            !is_storable(*row[column])) {
            return row[column]->find('\0') != std::string::npos ? "NUL in a text" : "a text that is no UTF-8";
        }
    }
    if (const auto size = text_in(row, event_column::event_id).size(); size < 1 || size > run::max_id_bytes) {
        return "event_id must have 1 to 256 bytes";
    }
    if (text_in(row, event_column::event_type).empty()) {
        return "no event_type";
    }
    for (const auto column : {event_column::occurred_at, event_column::recorded_at}) {
        if (!instant_in(row, column)) {
            return fmt::format("{} is no time: {}", column == event_column::occurred_at ? "occurred_at" : "recorded_at",
                               printable(text_in(row, column)));
        }
    }
    return {};
}

/// A browser's profile ends in the connection that it is of: `…:cin_x`.
std::optional<std::string> connection_in_profile(std::string_view data) {
    constexpr std::string_view key = "browser_surface_profile_key";
    auto profile = string_at(data, "browser_surface", key);
    if (!profile) {
        profile = string_at(data, key);
    }
    const auto colon = profile ? profile->rfind(":cin_") : std::string::npos;
    return colon == std::string::npos ? std::nullopt : std::optional(profile->substr(colon + 1));
}

/// The connection that an event names.
std::optional<std::string> connection_in(const Row& row, std::string_view data) {
    if (auto named = nonempty(row[event_column::connector_instance_id])) {
        return named;
    }
    if (auto named = string_at(data, "connector_instance_id")) {
        return named;
    }
    if (auto named = string_at(data, "connection_id")) {
        return named;
    }
    return connection_in_profile(data);
}

/// Why a lease of a browser that was never got ends its run; nothing if it does not.
std::optional<std::string> surface_failure(std::string_view event_type, std::string_view data) {
    constexpr std::array<std::string_view, 3> endings{"deferred", "expired", "cancelled"};
    if (!event_type.starts_with("run.browser_surface_") || event_type == "run.browser_surface_released") {
        return std::nullopt;
    }
    const auto either = [&](std::string_view key) {
        auto inner = string_at(data, "browser_surface", key);
        return inner ? inner : string_at(data, key);
    };
    const auto status = either("browser_surface_status");
    if (event_type != "run.browser_surface_failed" &&
        (!status || std::ranges::find(endings, *status) == endings.end())) {
        return std::nullopt;
    }
    auto reason = either("browser_surface_wait_reason");
    return reason ? std::move(reason) : status ? status : std::optional<std::string>("browser_surface_failed");
}

MappedEvent map_event(const Row& row, std::string data) {
    MappedEvent event{.row = &row,
                      .event_id = row[event_column::event_id],
                      .event_type = *row[event_column::event_type],
                      .occurred_at = *instant_in(row, event_column::occurred_at),
                      .recorded_at = *instant_in(row, event_column::recorded_at),
                      .data = std::move(data),
                      .status = {}};
    if (const auto reason = surface_failure(event.event_type, event.data)) {
        event.data = with_members(event.data, fmt::format(R"("reason": {}, "failure_origin": "browser_surface", )"
                                                          R"("imported_event_type": {})",
                                                          json_string(*reason), json_string(event.event_type)));
        event.event_type = run::terminal_event_of(run::Outcome::failed);
    }
    return event;
}

/// What belongs to one run: rows that name one connection, and those that are plainly of them.
struct Group {
    std::optional<std::string> connection; ///< none if no row names any
    std::vector<MappedEvent> events;
    std::vector<const Row*> flights;
    std::vector<const Row*> history;
    std::vector<const Row*> receipts;
};

bool has_trace(const Group& group, std::string_view trace_id) {
    return !trace_id.empty() && std::ranges::any_of(group.events, [&](const MappedEvent& event) {
        return text_in(*event.row, event_column::trace_id) == trace_id;
    });
}

class Grouping {
  public:
    explicit Grouping(DataOrigin origin) : origin_(origin) {}

    void add_events(const SourceRun& source, Findings& findings) {
        std::vector<MappedEvent> unnamed;
        std::vector<std::size_t> places;
        for (std::size_t place = 0; place < source.events.size(); ++place) {
            const Row& row = source.events[place];
            if (const auto fault = fault_in(row, origin_); !fault.empty()) {
                findings.add({.kind = finding::not_taken,
                              .run_id = source.run_id,
                              .more = {{"table", "spine_events"},
                                       {"row", storable(text_in(row, event_column::event_id), std::string_view::npos)},
                                       {"reason", fault}}});
                continue;
            }
            if (!row[event_column::event_seq]) {
                findings.add({.kind = finding::without_number,
                              .run_id = source.run_id,
                              .more = {{"event_id", *row[event_column::event_id]}}});
            }
            auto data = fit_data(text_in(row, event_column::data_json), origin_);
            const auto named = connection_in(row, data);
            auto event = map_event(row, std::move(data));
            order_[&row] = place;
            if (named) {
                of_connection(*named).events.push_back(std::move(event));
            } else {
                unnamed.push_back(std::move(event));
            }
        }
        unnamed_ = std::move(unnamed);
    }

    void add_handles(const SourceRun& source) {
        add_rows(source.flights, flight_column::connector_instance_id, flight_column::trace_id, &Group::flights);
        add_rows(source.history, history_column::connector_instance_id, history_column::trace_id, &Group::history);
        add_rows(source.receipts, receipt_column::connector_instance_id, receipt_column::trace_id, &Group::receipts);
    }

    /// Events that name no connection are of the run that caused them, or has their trace, or is there alone.
    void place_unnamed() {
        for (MappedEvent& event : unnamed_) {
            group_for(event).events.push_back(std::move(event));
        }
        for (Group& group : groups_) {
            std::ranges::stable_sort(group.events, {}, [&](const MappedEvent& event) { return order_.at(event.row); });
        }
    }

    [[nodiscard]] std::vector<Group>& groups() { return groups_; }

  private:
    Group& of_connection(const std::string& connection) {
        const auto found = std::ranges::find(groups_, connection, &Group::connection);
        return found != groups_.end()
                   ? *found
                   : groups_.emplace_back(
                         Group{.connection = connection, .events = {}, .flights = {}, .history = {}, .receipts = {}});
    }

    void add_rows(const std::vector<Row>& rows, std::size_t connection_column, std::size_t trace_column,
                  std::vector<const Row*> Group::*member) {
        for (const Row& row : rows) {
            const auto connection = nonempty(row[connection_column]);
            const auto named = connection ? std::ranges::find(groups_, connection, &Group::connection) : groups_.end();
            const auto traced = std::ranges::find_if(
                groups_, [&](const Group& group) { return has_trace(group, text_in(row, trace_column)); });
            if (named != groups_.end()) {
                ((*named).*member).push_back(&row);
            } else if (traced != groups_.end()) {
                ((*traced).*member).push_back(&row);
            } else if (connection) {
                (of_connection(*connection).*member).push_back(&row);
            } else {
                ((groups_.empty() ? groups_.emplace_back() : groups_.front()).*member).push_back(&row);
            }
        }
    }

    Group& group_for(const MappedEvent& event) {
        if (groups_.empty()) {
            return groups_.emplace_back();
        }
        if (groups_.size() == 1) {
            return groups_.front();
        }
        if (const auto cause = string_at(event.data, "caused_by_event_id")) {
            for (Group& group : groups_) {
                if (std::ranges::find(group.events, cause, &MappedEvent::event_id) != group.events.end()) {
                    return group;
                }
            }
        }
        const auto traced = std::ranges::find_if(
            groups_, [&](const Group& group) { return has_trace(group, text_in(*event.row, event_column::trace_id)); });
        return traced != groups_.end() ? *traced : groups_.front();
    }

    DataOrigin origin_;
    std::vector<Group> groups_;
    std::vector<MappedEvent> unnamed_;
    std::map<const Row*, std::size_t> order_;
};

std::optional<std::string> first_in(const std::vector<const Row*>& rows, std::size_t column) {
    for (const Row* row : rows) {
        if (auto found = nonempty((*row)[column])) {
            return found;
        }
    }
    return std::nullopt;
}

/// Of its connection, when it was admitted. SQLite holds anything there; what is no such number is not told, and the
/// connection's own stands.
std::optional<std::int64_t> generation_in(const std::vector<const Row*>& flights) {
    const auto text = first_in(flights, flight_column::run_generation);
    const auto generation = text ? whole_number(*text) : std::nullopt;
    return generation && *generation >= 0 && *generation <= run::most_imported_generations ? generation : std::nullopt;
}

const MappedEvent* start_of(const Group& group) {
    const auto found = std::ranges::find(group.events, run::event_type::started, &MappedEvent::event_type);
    return found == group.events.end() ? nullptr : &*found;
}

std::optional<std::string> first_of(std::initializer_list<std::optional<std::string>> candidates) {
    const auto* const found =
        std::ranges::find_if(candidates, [](const auto& candidate) { return candidate && !candidate->empty(); });
    return found == candidates.end() ? std::nullopt : *found;
}

/// The connector, by whoever says so most plainly.
std::string connector_of(const Group& group, const std::optional<std::string>& connection) {
    const MappedEvent* const start = start_of(group);
    std::optional<std::string> acting;
    std::optional<std::string> in_data;
    for (const MappedEvent& event : group.events) {
        const auto type = text_in(*event.row, event_column::actor_type);
        if (!acting && (type == "runtime" || type == "connector")) {
            acting = nonempty((*event.row)[event_column::actor_id]);
        }
        if (!in_data) {
            in_data = string_at(event.data, "source", "id");
        }
    }
    return first_of({start == nullptr ? std::nullopt : (*start->row)[event_column::actor_id],
                     start == nullptr ? std::nullopt : string_at(start->data, "source", "id"), acting,
                     first_in(group.flights, flight_column::connector_id),
                     first_in(group.history, history_column::connector_id),
                     first_in(group.receipts, receipt_column::connector_id), in_data,
                     group.events.empty() ? std::nullopt : (*group.events.front().row)[event_column::actor_id],
                     connection, "unknown"})
        .value_or(std::string());
}

std::string trace_of(const Group& group, const std::string& run_id) {
    const MappedEvent* const start = start_of(group);
    return first_of({start == nullptr ? std::nullopt : (*start->row)[event_column::trace_id],
                     group.events.empty() ? std::nullopt : (*group.events.front().row)[event_column::trace_id],
                     first_in(group.flights, flight_column::trace_id),
                     first_in(group.history, history_column::trace_id),
                     first_in(group.receipts, receipt_column::trace_id), run_id})
        .value_or(run_id);
}

/// When the handle was given out: as its flight row has it, and not after its first event.
std::int64_t admission_of(const Group& group, std::int64_t now) {
    std::optional<std::int64_t> earliest;
    const auto consider = [&](std::optional<std::int64_t> at) {
        if (at && (!earliest || *at < *earliest)) {
            earliest = at;
        }
    };
    const auto consider_rows = [&](const std::vector<const Row*>& rows, std::size_t column) {
        for (const Row* row : rows) {
            consider(instant_in(*row, column));
        }
    };
    consider_rows(group.flights, flight_column::started_at);
    consider_rows(group.receipts, receipt_column::started_at);
    consider_rows(group.history, history_column::started_at);
    if (!group.events.empty()) {
        consider(group.events.front().occurred_at);
        consider(group.events.front().recorded_at);
    }
    return earliest.value_or(now);
}

const MappedEvent* first_ending(const Group& group) {
    const auto found = std::ranges::find_if(
        group.events, [](const MappedEvent& event) { return run::outcome_of(event.event_type).has_value(); });
    return found == group.events.end() ? nullptr : &*found;
}

/// How the history of runs says that one ended.
std::optional<run::Outcome> outcome_in_history(const Row& row) {
    const auto word = text_in(row, history_column::status);
    if (!instant_in(row, history_column::completed_at)) {
        return std::nullopt;
    }
    if (const auto outcome = run::outcome_named(word)) {
        return outcome;
    }
    if (word == "succeeded" || word == "success" || word == "ok" || word == "partial") {
        return run::Outcome::completed;
    }
    if (word == "canceled") {
        return run::Outcome::cancelled;
    }
    if (word == "running" || word == "active" || word == "started" || word == "queued" || word == "pending") {
        return std::nullopt;
    }
    return run::Outcome::failed;
}

MappedEvent ending_by_history(const Row& row, run::Outcome outcome, DataOrigin origin) {
    std::string data =
        R"({"imported": true, "run_history_status": )" + json_string(text_in(row, history_column::status));
    const auto add = [&](std::string_view key, std::optional<std::string> text) {
        if (text && !text->empty()) {
            data += fmt::format(R"(, "{}": {})", key, json_string(*text));
        }
    };
    add("reason", first_of({row[history_column::terminal_reason], row[history_column::failure_reason]}));
    add("failure_reason", row[history_column::failure_reason]);
    add("failure_message", row[history_column::error]);
    if (const auto records = text_in(row, history_column::records_emitted);
        !records.empty() && records.size() < 19 && records.find_first_not_of("0123456789") == std::string_view::npos) {
        data += fmt::format(R"(, "records_emitted": {})", records);
    }
    if (const auto gaps = text_in(row, history_column::known_gaps_json); !gaps.empty()) {
        const auto fit = fit_data(fmt::format(R"({{"known_gaps": {}}})", gaps),
                                  origin == DataOrigin::jsonb ? DataOrigin::text : origin);
        data += ", " + fit.substr(1, fit.size() - 2);
    }
    data += '}';
    const auto at = *instant_in(row, history_column::completed_at);
    return {.row = nullptr,
            .event_id = std::nullopt,
            .event_type = std::string(run::terminal_event_of(outcome)),
            .occurred_at = at,
            .recorded_at = at,
            .data = std::move(data),
            .status = std::string(text_in(row, history_column::status))};
}

/// Whether nobody can end the run any more: its server is gone, or each life of a controller that started it is over.
bool is_over(const Group& group, const Rules& rules) {
    if (rules.source_is_stopped) {
        return true;
    }
    if (start_of(group) == nullptr || !group.flights.empty()) {
        return false;
    }
    return std::ranges::all_of(group.events, [&](const MappedEvent& event) {
        if (event.event_type != run::event_type::started) {
            return true;
        }
        const auto controller = string_at(event.data, "controller_id");
        const auto seq = number_at(event.data, "seq");
        const auto newest = controller ? rules.newest_boots.find(*controller) : rules.newest_boots.end();
        return seq && newest != rules.newest_boots.end() && newest->second > *seq;
    });
}

MappedEvent adjudged(const Rules& rules) {
    return {.row = nullptr,
            .event_id = std::nullopt,
            .event_type = std::string(run::terminal_event_of(run::Outcome::abandoned)),
            .occurred_at = rules.now,
            .recorded_at = rules.now,
            .data = fmt::format(R"({{"imported": true, "reason": "{}"}})", run::reason::controller_terminated),
            .status = "abandoned"};
}

std::string word_of_last_ending(const SourceRun& source, const std::vector<Group>& groups) {
    const MappedEvent* last = nullptr;
    const auto place = [&](const MappedEvent& event) { return event.row - source.events.data(); };
    for (const Group& group : groups) {
        for (const MappedEvent& event : group.events) {
            if (run::outcome_of(event.event_type) && (last == nullptr || place(event) > place(*last))) {
                last = &event;
            }
        }
    }
    return std::string(last == nullptr ? run::active : run::word_of(*run::outcome_of(last->event_type)));
}

void note_endings(const Group& group, const MappedRun& run, Findings& findings) {
    std::vector<std::string_view> words;
    for (const MappedEvent& event : group.events) {
        if (const auto outcome = run::outcome_of(event.event_type)) {
            words.push_back(run::word_of(*outcome));
        }
    }
    if (words.size() > 1) {
        findings.add({.kind = finding::several_endings,
                      .run_id = run.run_id,
                      .more = {{"endings", json::array(words.begin(), words.end())}}});
    }
}

/// Ends what is known to have ended, and says what is not.
void conclude(const Group& group, const Rules& rules, MappedRun& run, Findings& findings) {
    if (const MappedEvent* const ending = first_ending(group)) {
        run.here = run::word_of(*run::outcome_of(ending->event_type));
        return;
    }
    run.here = run::active;
    run.in_flight = !group.flights.empty();
    const auto end = [&](MappedEvent ending) {
        run.here = run::word_of(*run::outcome_of(ending.event_type));
        run.in_flight = false;
        run.events.push_back(std::move(ending));
    };
    for (const Row* row : group.history) {
        const auto outcome = outcome_in_history(*row);
        if (!run.in_flight && outcome) {
            if (rules.trust_history || group.events.empty()) {
                end(ending_by_history(*row, *outcome, rules.origin));
            } else {
                run.waits_for_history = true;
            }
            return;
        }
    }
    if (!run.in_flight) {
        findings.add(
            {.kind = finding::stranded,
             .run_id = run.run_id,
             .more = {{"connector_instance_id", run.connector_instance_id}, {"since", instant_text(run.admitted_at)}}});
    }
    if (rules.adjudicate && is_over(group, rules)) {
        end(adjudged(rules));
    }
}

std::string_view table_of_handle(const Group& group) {
    return !group.flights.empty()   ? "controller_active_runs"
           : !group.history.empty() ? "run_history"
                                    : "source_webhook_run_receipts";
}

bool is_fit(std::string_view id) {
    return !id.empty() && id.size() <= run::max_id_bytes && is_storable(id);
}

MappedRun map_group(const SourceRun& source, Group& group, const Rules& rules) {
    const auto connection = first_of({group.connection, first_in(group.flights, flight_column::connector_instance_id),
                                      first_in(group.history, history_column::connector_instance_id),
                                      first_in(group.receipts, receipt_column::connector_instance_id)});
    MappedRun run{.run_id = source.run_id,
                  .connector_id = connector_of(group, connection),
                  .connector_instance_id = {},
                  .trace_id = trace_of(group, source.run_id),
                  .scenario_id = group.events.empty() ? first_in(group.flights, flight_column::scenario_id)
                                                      : (*group.events.front().row)[event_column::scenario_id],
                  .admitted_at = admission_of(group, rules.now),
                  .data = fmt::format(R"({{"imported": true, "source": "{}")", rules.source),
                  .run_generation = generation_in(group.flights),
                  .events = {},
                  .today = {},
                  .here = {}};
    run.connector_instance_id = connection.value_or(run.connector_id);
    if (group.events.empty()) {
        run.data += fmt::format(R"(, "known_by": "{}")", table_of_handle(group));
    }
    return run;
}

Grouping grouped(const SourceRun& source, DataOrigin origin, Findings& findings) {
    Grouping grouping(origin);
    grouping.add_events(source, findings);
    grouping.add_handles(source);
    grouping.place_unnamed();
    return grouping;
}

} // namespace

std::vector<std::string> connections_of(const SourceRun& source, const Rules& rules) {
    Findings ignored;
    auto grouping = grouped(source, rules.origin, ignored);
    std::vector<std::string> connections;
    for (Group& group : grouping.groups()) {
        connections.push_back(map_group(source, group, rules).connector_instance_id);
    }
    return connections;
}

std::vector<MappedRun> map_runs(const SourceRun& source, const Rules& rules, const std::optional<std::string>& owner,
                                Findings& findings) {
    const auto refuse = [&](const std::string& reason) {
        findings.add({.kind = finding::not_taken,
                      .run_id = source.run_id,
                      .more = {{"table", "spine_events"}, {"row", nullptr}, {"reason", reason}}});
    };
    if (!is_fit(source.run_id)) {
        refuse(source.run_id.find('\0') != std::string::npos ? "NUL in run_id"
                                                             : "run_id must have 1 to 256 bytes of UTF-8");
        return {};
    }
    auto grouping = grouped(source, rules.origin, findings);
    auto& groups = grouping.groups();
    const std::string today = word_of_last_ending(source, groups);
    std::vector<std::pair<MappedRun, Group*>> mapped;
    mapped.reserve(groups.size());
    for (Group& group : groups) {
        mapped.emplace_back(map_group(source, group, rules), &group);
    }
    // the first to start keeps the id, unless another has it here already
    std::ranges::stable_sort(mapped, [&](const auto& one, const auto& other) {
        const auto rank = [&](const MappedRun& run) {
            return std::pair{!owner || run.connector_instance_id != *owner, run.admitted_at};
        };
        return rank(one.first) < rank(other.first);
    });
    json::array connections;
    for (const auto& [run, group] : mapped) {
        connections.emplace_back(run.connector_instance_id);
    }
    std::string names;
    for (const auto& connection : connections) {
        names += (names.empty() ? "" : ", ") + json_string(connection.get_string());
    }
    std::vector<MappedRun> runs;
    for (auto& [run, group] : mapped) {
        const bool is_others = owner && run.connector_instance_id != *owner;
        if (mapped.size() > 1 || is_others) {
            run.data += fmt::format(R"(, "shared_run_id": {}, "connector_instance_ids": [{}])",
                                    json_string(source.run_id), names);
            if (!runs.empty() || is_others) {
                run.run_id += "~" + run.connector_instance_id;
            }
            findings.add({.kind = finding::shared_id,
                          .run_id = source.run_id,
                          .more = {{"connector_instance_id", run.connector_instance_id}, {"imported_as", run.run_id}}});
        }
        run.data += '}';
        run.today = today;
        if (!is_fit(run.run_id) || !is_fit(run.connector_id) || !is_fit(run.connector_instance_id) ||
            !is_storable(run.trace_id)) {
            refuse(fmt::format("an id of its is not 1 to 256 bytes of UTF-8: {}", printable(run.run_id)));
            continue;
        }
        if (group->events.empty()) {
            findings.add(
                {.kind = finding::without_events, .run_id = run.run_id, .more = {{"table", table_of_handle(*group)}}});
        }
        note_endings(*group, run, findings);
        conclude(*group, rules, run, findings);
        run.events.insert(run.events.begin(), std::make_move_iterator(group->events.begin()),
                          std::make_move_iterator(group->events.end()));
        runs.push_back(std::move(run));
    }
    return runs;
}

} // namespace pdpp::moving_in
