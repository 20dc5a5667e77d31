#include "moving_in/grouping.hpp"

#include "moving_in/data.hpp"
#include "moving_in/mending.hpp"
#include "moving_in/row_text.hpp"
#include "run/event.hpp"

#include <algorithm>
#include <array>
#include <list>
#include <set>
#include <string_view>
#include <utility>

namespace pdpp::moving_in {

namespace {

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
std::optional<std::string> connection_in(const MappedEvent& event) {
    if (auto named = nonempty((*event.row)[event_column::connector_instance_id])) {
        return named;
    }
    if (auto named = string_at(event.data, "connector_instance_id")) {
        return named;
    }
    if (auto named = string_at(event.data, "connection_id")) {
        return named;
    }
    return connection_in_profile(event.data);
}

/// By what a row that names no connection is known to be of a run.
struct Marks {
    std::string trace_id;
    std::optional<std::string> connector;
    std::optional<std::string> caused_by = {};
    bool is_start = false;
    bool is_handle = false; ///< no event: a row that was written as the run began

    /// Whether a run began in its trace.
    [[nodiscard]] bool tells_beginning() const { return (is_start || is_handle) && !trace_id.empty(); }
};

Marks marks_of(const MappedEvent& event) {
    const Row& row = *event.row;
    const auto by = text_in(row, event_column::actor_type);
    Marks marks{.trace_id = std::string(text_in(row, event_column::trace_id)),
                .connector =
                    by == "runtime" || by == "connector" ? nonempty(row[event_column::actor_id]) : std::nullopt,
                .caused_by = string_at(event.data, "caused_by_event_id"),
                .is_start = event.event_type == run::event_type::started};
    if (marks.caused_by) {
        marks.connector.reset(); // whoever repaired it
    } else if (!marks.connector) {
        marks.connector = string_at(event.data, "source", "id");
    }
    return marks;
}

/// A run, and what is known of it.
struct Candidate {
    Group group;
    std::set<std::string> traces = {};
    std::set<std::string> started_traces = {};
    std::set<std::string> connectors = {};

    void know(const Marks& marks) {
        if (!marks.trace_id.empty()) {
            traces.insert(marks.trace_id);
        }
        if (marks.tells_beginning()) {
            started_traces.insert(marks.trace_id);
        }
        if (marks.connector) {
            connectors.insert(*marks.connector);
        }
    }

    [[nodiscard]] bool is_of(const Marks& marks) const {
        return marks.connector && connectors.contains(*marks.connector);
    }
    [[nodiscard]] bool is_of_another(const Marks& marks) const {
        return marks.connector && !connectors.empty() && !is_of(marks);
    }
    /// Whether it is not the run that began in this trace.
    [[nodiscard]] bool has_begun_beside(const std::string& trace_id) const {
        return !started_traces.empty() && !started_traces.contains(trace_id);
    }
    [[nodiscard]] bool has_event(const std::string& event_id) const {
        return std::ranges::find(group.events, event_id, &MappedEvent::event_id) != group.events.end();
    }
};

/// The columns of a table of handles, and where its rows go.
struct Handles {
    const std::vector<Row>& rows;
    std::size_t connection, connector, trace;
    std::vector<const Row*> Group::*member;
};

Marks marks_of(const Row& row, const Handles& handles) {
    return {.trace_id = std::string(text_in(row, handles.trace)),
            .connector = nonempty(row[handles.connector]),
            .is_handle = true};
}

class Grouping {
  public:
    void add(std::vector<MappedEvent> events) {
        std::vector<MappedEvent> starts;
        std::vector<MappedEvent> by_connector;
        std::vector<MappedEvent> by_none;
        for (MappedEvent& event : events) {
            const auto marks = marks_of(event);
            note_beginning(marks);
            if (const auto connection = connection_in(event)) {
                put(of_connection(fit_id(*connection)), std::move(event), marks);
            } else {
                (marks.is_start ? starts : marks.connector ? by_connector : by_none).push_back(std::move(event));
            }
        }
        unnamed_ = std::move(starts); // who tells most comes first
        std::ranges::move(by_connector, std::back_inserter(unnamed_));
        std::ranges::move(by_none, std::back_inserter(unnamed_));
    }

    void note_beginnings(const Handles& handles) {
        for (const Row& row : handles.rows) {
            note_beginning(marks_of(row, handles));
        }
    }

    /// Rows of handles that name their connection, or those that do not.
    void add(const Handles& handles, bool are_named) {
        for (const Row& row : handles.rows) {
            const auto connection = nonempty(row[handles.connection]);
            if (connection.has_value() != are_named) {
                continue;
            }
            const auto marks = marks_of(row, handles);
            Candidate& run = connection ? of_connection(*connection) : run_of(marks);
            (run.group.*handles.member).push_back(&row);
            run.know(marks);
        }
    }

    void place_unnamed() {
        for (MappedEvent& event : unnamed_) {
            const auto marks = marks_of(event);
            put(run_of(marks), std::move(event), marks);
        }
    }

    std::vector<Group> groups() {
        std::vector<Group> groups;
        for (Candidate& run : runs_) {
            std::ranges::sort(run.group.events, {}, &MappedEvent::row); // as they were read
            groups.push_back(std::move(run.group));
        }
        return groups;
    }

  private:
    void note_beginning(const Marks& marks) {
        if (marks.tells_beginning()) {
            beginnings_.insert(marks.trace_id);
        }
    }

    static void put(Candidate& run, MappedEvent event, const Marks& marks) {
        run.group.events.push_back(std::move(event));
        run.know(marks);
    }

    Candidate& of_connection(const std::string& connection) {
        const auto found =
            std::ranges::find(runs_, connection, [](const Candidate& run) { return run.group.connection; });
        return found != runs_.end() ? *found : runs_.emplace_back(Candidate{.group = {.connection = connection}});
    }

    Candidate* first_that(const auto& is_meant) {
        const auto found = std::ranges::find_if(runs_, is_meant);
        return found == runs_.end() ? nullptr : &*found;
    }

    Candidate& run_of(const Marks& marks) {
        Candidate* found = nullptr;
        if (marks.caused_by) {
            found = first_that([&](const Candidate& run) { return run.has_event(*marks.caused_by); });
        }
        const auto is_traced = [&](const Candidate& run) { return run.traces.contains(marks.trace_id); };
        if (found == nullptr) {
            found = first_that([&](const Candidate& run) { return is_traced(run) && !run.is_of_another(marks); });
        }
        if (found == nullptr && !marks.is_start) { // a trace of two connectors: one of them has begun
            found = first_that(is_traced);
        }
        // what is in a trace in which one began is not of one that began in another, whether it begins it or not
        const auto may_be_of = [&](const Candidate& run) {
            return !beginnings_.contains(marks.trace_id) || !run.has_begun_beside(marks.trace_id);
        };
        if (found == nullptr) {
            found = first_that([&](const Candidate& run) { return run.is_of(marks) && may_be_of(run); });
        }
        if (found == nullptr) {
            found = first_that([&](const Candidate& run) { return !run.is_of_another(marks) && may_be_of(run); });
        }
        return found != nullptr ? *found : runs_.emplace_back();
    }

    std::list<Candidate> runs_;
    std::set<std::string> beginnings_; ///< the traces in which a run began
    std::vector<MappedEvent> unnamed_;
};

} // namespace

bool is_plainly_of(const MappedEvent& event, const MappedRun& run) {
    if (const auto connection = connection_in(event)) {
        return run.names_connection && fit_id(*connection) == run.connector_instance_id;
    }
    const auto marks = marks_of(event);
    return marks.trace_id == run.trace_id && (!marks.connector || *marks.connector == run.connector_id);
}

std::vector<Group> grouped(const SourceRun& source, std::vector<MappedEvent> events) {
    const std::array tables{
        Handles{source.flights, flight_column::connector_instance_id, flight_column::connector_id,
                flight_column::trace_id, &Group::flights},
        Handles{source.history, history_column::connector_instance_id, history_column::connector_id,
                history_column::trace_id, &Group::history},
        Handles{source.receipts, receipt_column::connector_instance_id, receipt_column::connector_id,
                receipt_column::trace_id, &Group::receipts},
    };
    Grouping grouping;
    std::ranges::for_each(tables, [&](const Handles& handles) { grouping.note_beginnings(handles); });
    grouping.add(std::move(events));
    for (const Handles& handles : tables) {
        grouping.add(handles, true);
    }
    grouping.place_unnamed();
    for (const Handles& handles : tables) {
        grouping.add(handles, false);
    }
    return grouping.groups();
}

} // namespace pdpp::moving_in
