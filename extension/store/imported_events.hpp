#pragma once
// The rows of events that another server recorded: what they say, less what goes without saying.

#include "pg.hpp"
#include "run/import.hpp"
#include "store/import.hpp"
#include "store/spine.hpp"
#include "store/statement.hpp"

#include <cstddef>

namespace pdpp::store {

/// An event, and the run that it is of.
struct ImportedEvent {
    const RunIdentity& given;    ///< as it came now
    const RunIdentity& admitted; ///< as it is on record
    const run::History& history; ///< up to this event, whose number and time are the last
    const GivenEvent& event;
};

/// Collects rows, which go to the table in batches. Nothing has to be ended if an error comes: all memory is the
/// caller's context's.
class ImportedEvents {
  public:
    void begin();
    void add(const ImportedEvent& imported, run::Telling telling);
    void flush();
    void end() { MemoryContextDelete(memory_); }

  private:
    static constexpr std::size_t batch = 1000;
    static constexpr std::size_t plain_columns = 8;

    /// In the order of the statement: run_id, event_seq, event_id, event_type, occurred_at, recorded_at, admitted_at,
    /// data_json, and event_texts.
    [[nodiscard]] ArrayOf& column(std::size_t place) { return columns_[place]; }

    MemoryContext memory_; ///< what the rows of a batch refer to
    ArrayOf* columns_;
};

} // namespace pdpp::store
