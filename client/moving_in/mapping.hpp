#pragma once
// What we record of the rows that name a run id: whose they are, in which order, in which words. Pure.

#include "moving_in/data.hpp"
#include "moving_in/findings.hpp"
#include "moving_in/rows.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::moving_in {

/// The newest boot of each controller, by its `seq`.
using Boots = std::map<std::string, std::int64_t, std::less<>>;

/// How to map.
struct Rules {
    DataOrigin origin = DataOrigin::jsonb;
    std::string source = "postgresql"; ///< what admissions say that they come from
    bool adjudicate = false;           ///< end what nobody will end, where that is certain
    bool source_is_stopped = false;    ///< and that is certain of all: the server is gone for good
    bool trust_history = true;         ///< `run_history` also says how runs ended that have events
    /// Microseconds: of a run in flight it does not say so yet where the ending is no older.
    std::int64_t patience_with_history = 0;
    Boots newest_boots = {};
    std::int64_t now = 0; ///< microseconds since 1970
};

/// An event to be recorded. What is not said here is said by its row.
struct MappedEvent {
    const Row* row = nullptr;            ///< null for what the import concludes
    std::optional<std::string> event_id; ///< none: recorded where nothing else says it
    std::string event_type;
    std::int64_t occurred_at;
    std::int64_t recorded_at;
    std::string data;
    std::string status; ///< of an event without a row
};

struct MappedRun {
    std::string run_id;
    std::string connector_id;
    std::string connector_instance_id;
    std::string trace_id;
    std::optional<std::string> scenario_id;
    std::int64_t admitted_at;
    std::string data;              ///< the admission's
    bool names_connection = false; ///< else it goes by its connector
    bool in_flight = false;
    std::optional<std::int64_t> run_generation;
    std::vector<MappedEvent> events;

    std::string today;              ///< what its server says of its id: a word of status
    std::string here;               ///< what we shall say, if nothing is known yet
    bool waits_for_history = false; ///< run_history would end it: Rules::trust_history
};

/// The run that has an id here already.
struct Owner {
    std::string connection;
    std::string connector; ///< the same as the connection: nobody named that
    std::string trace_id;
};

/// Ids that are not for the run of a trace: another has them.
using TakenIds = std::set<std::pair<std::string, std::string>>;

/// Runs that are here already, by their ids.
using KnownRuns = std::map<std::string, Owner>;

/// The runs that share a source's run id, most often one. `owner` has the id here already, if that is known, and those
/// `beside` are here by ids that were made; the others are `<id>~<connection>`, with a number behind it where that is
/// taken. Refers to the rows of `source`, which are mended (mending.hpp).
std::vector<MappedRun> map_runs(const SourceRun& source, const Rules& rules, const std::optional<Owner>& owner,
                                Findings& findings, const TakenIds& taken = {}, const KnownRuns& beside = {});

/// `run` with these events alone, which are further ones: `more` has nothing else. Nothing if they may change what it
/// is or how it stands: then all its rows are to be mapped again.
std::optional<MappedRun> map_more(const SourceRun& more, const MappedRun& run);

/// The connections of the runs that share the id.
std::vector<std::string> connections_of(const SourceRun& source, const Rules& rules);

/// A run, or a part of its events, as an element of what pdpp_run_import() takes.
struct Payload {
    std::string text;
    std::optional<std::string> event_id; ///< of the event that is there alone
};

/// The whole run as such elements, most often one: no more of its events in each than make it `bytes` long, or one.
/// They are to be sent one after the other.
std::vector<Payload> payloads_of(const MappedRun& run, std::size_t bytes);

} // namespace pdpp::moving_in
