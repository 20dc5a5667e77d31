#include "moving_in/mapping.hpp"

#include "moving_in/data.hpp"
#include "moving_in/grouping.hpp"
#include "moving_in/instant.hpp"
#include "moving_in/mending.hpp"
#include "moving_in/row_text.hpp"
#include "pq/jsonb_text.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "text/text.hpp"

#include <boost/json/array.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <utility>

namespace pdpp::moving_in {

namespace json = boost::json;

namespace {

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

MappedEvent map_event(const Row& row) {
    MappedEvent event{.row = &row,
                      .event_id = row[event_column::event_id],
                      .event_type = *row[event_column::event_type],
                      .occurred_at = *instant_in(row, event_column::occurred_at),
                      .recorded_at = *instant_in(row, event_column::recorded_at),
                      .data = *row[event_column::data_json],
                      .status = {}};
    if (const auto reason = surface_failure(event.event_type, event.data)) {
        std::string members;
        for (const auto& [key, value] : {std::pair<std::string_view, std::string_view>{"reason", *reason},
                                         {"failure_origin", "browser_surface"}}) {
            const auto told = json_string(value);
            const auto theirs = pq::member_of(event.data, key);
            members += theirs && *theirs != told ? fmt::format(R"("imported_{}": {}, )", key, *theirs) : std::string();
            members += fmt::format(R"("{}": {}, )", key, told);
        }
        event.data = with_members(
            event.data, fmt::format(R"({}"imported_event_type": {})", members, json_string(event.event_type)));
        event.event_type = run::terminal_event_of(run::Outcome::failed);
    }
    return event;
}

std::vector<MappedEvent> map_events(const SourceRun& source) {
    std::vector<MappedEvent> events;
    events.reserve(source.events.size());
    for (const Row& row : source.events) {
        events.push_back(map_event(row));
    }
    return events;
}

void note_numberless(const SourceRun& source, Findings& findings) {
    for (const Row& row : source.events) {
        if (!row[event_column::event_seq]) {
            findings.add({.kind = finding::without_number,
                          .run_id = source.run_id,
                          .more = {{"event_id", *row[event_column::event_id]}}});
        }
    }
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

/// How the history of runs says that one ended (docs/design/import.md). An ending of which it has no time is told by
/// its word, or its reason.
std::optional<run::Outcome> outcome_in_history(const Row& row) {
    constexpr std::array<std::string_view, 6> completed{
        "succeeded", "success", "ok", "partial", "succeeded_with_gaps", "completed_with_gaps"};
    constexpr std::array<std::string_view, 2> cancelled{"canceled", "skipped"};
    constexpr std::array<std::string_view, 7> goes_on{"running", "active",      "started", "queued",
                                                      "pending", "in_progress", "waiting"};
    std::string word(text_in(row, history_column::status));
    std::ranges::transform(word, word.begin(), [](char letter) {
        return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    });
    const auto is_among = [&](const auto& words) { return std::ranges::find(words, word) != words.end(); };
    if (const auto outcome = run::outcome_named(word)) {
        return outcome;
    }
    if (is_among(completed)) {
        return run::Outcome::completed;
    }
    if (is_among(cancelled)) {
        return run::Outcome::cancelled;
    }
    if (is_among(goes_on)) {
        return std::nullopt;
    }
    const bool has_ended = instant_in(row, history_column::completed_at) ||
                           !text_in(row, history_column::terminal_reason).empty() || word == "error";
    return has_ended ? std::optional(run::Outcome::failed) : std::nullopt;
}

/// What the history of runs knows of an ending.
struct HistoricEnding {
    const Row* row;
    run::Outcome outcome;
    std::optional<std::int64_t> at; ///< nothing: it does not say when
};

/// The first ending that the history of runs has.
std::optional<HistoricEnding> ending_in_history(const Group& group) {
    std::optional<HistoricEnding> first;
    for (const Row* row : group.history) {
        const auto outcome = outcome_in_history(*row);
        const auto at = instant_in(*row, history_column::completed_at);
        if (outcome && (!first || (at && (!first->at || *at < *first->at)))) {
            first = {.row = row, .outcome = *outcome, .at = at};
        }
    }
    return first;
}

/// When a run was last heard of, where nothing says when it ended.
std::int64_t last_sign_of(const Group& group, std::int64_t admitted_at) {
    std::int64_t last = admitted_at;
    for (const MappedEvent& event : group.events) {
        last = std::max(last, event.recorded_at);
    }
    for (const Row* row : group.history) {
        last = std::max(last, instant_in(*row, history_column::started_at).value_or(last));
    }
    return last;
}

MappedEvent ending_by_history(const HistoricEnding& ending, std::int64_t at) {
    const Row& row = *ending.row;
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
        const auto fit = fit_value(gaps);
        data += R"(, "known_gaps": )" + fit;
        data += fit == gaps ? std::string() : R"(, "imported_known_gaps_json": )" + kept_as_string(gaps);
    }
    data += '}';
    return {.row = nullptr,
            .event_id = std::nullopt,
            .event_type = std::string(run::terminal_event_of(ending.outcome)),
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
    // a row in flight may be left over, and goes for less than the time of an ending; one without may be of an attempt
    const bool is_adjudged = rules.adjudicate && is_over(group, rules);
    if (const auto known = ending_in_history(group); known && (known->at || !run.in_flight || is_adjudged)) {
        // written a moment ago, it may be ahead of the event that says the same
        const bool is_fresh = run.in_flight && known->at && !is_adjudged &&
                              std::abs(rules.now - *known->at) < rules.patience_with_history;
        if (!is_fresh && (rules.trust_history || group.events.empty())) {
            end(ending_by_history(*known, known->at.value_or(last_sign_of(group, run.admitted_at))));
        } else {
            run.waits_for_history = true;
        }
        return;
    }
    if (!run.in_flight) {
        findings.add(
            {.kind = finding::stranded,
             .run_id = run.run_id,
             .more = {{"connector_instance_id", run.connector_instance_id}, {"since", instant_text(run.admitted_at)}}});
    }
    if (is_adjudged) {
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
                  .connector_id = fit_id(connector_of(group, connection)),
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
    run.names_connection = connection.has_value();
    if (group.events.empty()) {
        run.data += fmt::format(R"(, "known_by": "{}")", table_of_handle(group));
    }
    return run;
}

/// An id for a run whose own is another's here.
std::string id_beside(const MappedRun& run, const auto& is_free) {
    const auto id = fmt::format("{}~{}", run.run_id, run.connector_instance_id);
    auto fit = fit_id(id);
    for (int number = 2; !is_free(fit); ++number) {
        fit = fit_id(fmt::format("{}~{}", id, number));
    }
    return fit;
}

/// How much a run is like the one that has its id here; 0 for another one. Of one that named no connection, here or
/// there, its trace or its connector tells.
int likeness(const MappedRun& run, const Owner& owner) {
    const bool is_traced = !owner.trace_id.empty() && run.trace_id == owner.trace_id;
    if (run.connector_instance_id == owner.connection) {
        return is_traced ? 4 : 3;
    }
    if (run.names_connection && owner.connection != owner.connector) {
        return 0;
    }
    return is_traced ? 2 : !owner.connector.empty() && run.connector_id == owner.connector ? 1 : 0;
}

/// A run of a source, on its way to an id.
struct Placed {
    MappedRun run;
    Group* group;
    bool has_id = false; ///< the id is its own
};

/// Gives those that are here the ids that they have here: what is most alike is the same. One whose connection is named
/// no more goes on by that which it had.
void place_known(std::vector<Placed>& runs, const KnownRuns& here) {
    struct Pair {
        int likeness;
        Placed* run;
        const KnownRuns::value_type* here;
    };
    std::vector<Pair> pairs;
    for (Placed& run : runs) {
        for (const auto& one : here) {
            if (const int how_much = likeness(run.run, one.second); how_much > 0) {
                pairs.push_back({.likeness = how_much, .run = &run, .here = &one});
            }
        }
    }
    std::ranges::stable_sort(pairs, std::greater<>(), &Pair::likeness);
    std::set<std::string_view> given;
    for (const auto& [how_much, placed, one] : pairs) {
        if (placed->has_id || !given.insert(one->first).second) {
            continue;
        }
        placed->has_id = true;
        placed->run.run_id = one->first;
        if (!placed->run.names_connection) {
            placed->run.connector_instance_id = one->second.connection;
        }
    }
}

} // namespace

std::vector<std::string> connections_of(const SourceRun& source, const Rules& rules) {
    auto groups = grouped(source, map_events(source));
    std::vector<std::string> connections;
    connections.reserve(groups.size());
    for (Group& group : groups) {
        connections.push_back(map_group(source, group, rules).connector_instance_id);
    }
    return connections;
}

std::optional<MappedRun> map_more(const SourceRun& more, const MappedRun& run) {
    MappedRun with = run;
    with.events = map_events(more);
    with.run_generation.reset(); // was told with the rest
    const bool is_plain = std::ranges::all_of(with.events, [&](const MappedEvent& event) {
        return !run::phase_of(event.event_type) && is_plainly_of(event, run);
    });
    return is_plain ? std::optional(std::move(with)) : std::nullopt;
}

std::vector<MappedRun> map_runs(const SourceRun& source, const Rules& rules, const std::optional<Owner>& owner,
                                Findings& findings, const TakenIds& taken, const KnownRuns& beside) {
    if (!is_fit(source.run_id)) {
        findings.add({.kind = finding::not_taken,
                      .run_id = source.run_id,
                      .more = {{"table", "spine_events"},
                               {"row", nullptr},
                               {"reason", source.run_id.find('\0') != std::string::npos
                                              ? "NUL in run_id"
                                              : "run_id must have 1 to 256 bytes of UTF-8"}}});
        return {};
    }
    note_numberless(source, findings);
    auto groups = grouped(source, map_events(source));
    const std::string today = word_of_last_ending(source, groups);
    std::vector<Placed> placed;
    placed.reserve(groups.size());
    for (Group& group : groups) {
        placed.push_back({.run = map_group(source, group, rules), .group = &group});
    }
    std::ranges::stable_sort(placed, {}, [](const Placed& run) { return run.run.admitted_at; });
    auto here = beside;
    if (owner) {
        here.emplace(source.run_id, *owner);
    }
    place_known(placed, here);
    // the first to start keeps the id, unless another has it here already
    const auto keeper = owner ? placed.end() : std::ranges::find(placed, false, &Placed::has_id);
    if (keeper != placed.end()) {
        keeper->has_id = true;
    }
    std::stable_partition(placed.begin(), placed.end(),
                          [&](const Placed& one) { return one.has_id && one.run.run_id == source.run_id; });
    std::string names;
    std::set<std::string> given;
    for (const auto& [run, group, has_id] : placed) {
        names += (names.empty() ? "" : ", ") + json_string(run.connector_instance_id);
        if (has_id) {
            given.insert(run.run_id);
        }
    }
    std::vector<MappedRun> runs;
    for (auto& [run, group, has_id] : placed) {
        if (!has_id) {
            run.run_id = id_beside(run, [&, &trace_id = run.trace_id](const std::string& id) {
                return !taken.contains({id, trace_id}) && !here.contains(id) && given.insert(id).second;
            });
        }
        if (placed.size() > 1 || run.run_id != source.run_id) {
            run.data += fmt::format(R"(, "shared_run_id": {}, "connector_instance_ids": [{}])",
                                    json_string(source.run_id), names);
            findings.add({.kind = finding::shared_id,
                          .run_id = source.run_id,
                          .more = {{"connector_instance_id", run.connector_instance_id}, {"imported_as", run.run_id}}});
        }
        run.data += '}';
        run.today = today;
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
