#pragma once
// Which of the rows that name a run id are of one run. Pure.

#include "moving_in/mapping.hpp"
#include "moving_in/rows.hpp"

#include <optional>
#include <string>
#include <vector>

namespace pdpp::moving_in {

/// What belongs to one run: rows that name one connection, and those that are plainly of them.
struct Group {
    std::optional<std::string> connection = {}; ///< none if no row names any
    std::vector<MappedEvent> events = {};
    std::vector<const Row*> flights = {};
    std::vector<const Row*> history = {};
    std::vector<const Row*> receipts = {};
};

/// The runs of `source`, whose rows `events` refers to. A row that names a connection is of its run. One that does not
/// is of the run whose event caused it, else of the one with its trace, else of the one of its connector; if all that
/// are there are of other connectors, or have begun in another trace, it is of one more.
std::vector<Group> grouped(const SourceRun& source, std::vector<MappedEvent> events);

/// Whether an event is of this run, whatever else has its id.
bool is_plainly_of(const MappedEvent& event, const MappedRun& run);

} // namespace pdpp::moving_in
