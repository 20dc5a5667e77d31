#pragma once
// The status lookup: a direct scan of the lifecycle index.
//
// At most three entries, whatever the size of the run or of the spine, and no planner in between that could choose
// another way. An executor run would cost as much again as the lookup itself.

#include "pg.hpp"
#include "run/status.hpp"
#include "store/direct.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

/// The lifecycle events of a run as one snapshot shows them, in the current memory context.
struct LifecycleRecord {
    run::Lifecycle events;
    std::string_view started_event_id;          ///< as its row has it
    std::int64_t started_event_seq = 0;         ///< 0 if the run has not started
    const Jsonb* terminal_data = nullptr;       ///< the whole data of the terminal event
    run::InFlight in_flight;                    ///< what flight state says while the run is active
    bool is_imported = false;                   ///< its admission is of another server
    std::optional<std::string_view> retry_of;   ///< the run that it repeats
    std::optional<std::string_view> retried_by; ///< the newest of those that repeat it, if that was asked for
};

/// Whether to look for the runs that repeat one, which its own events do not say.
enum class Retries : bool { unread, read };

/// Looks runs up for one statement that reads: all as the snapshot of that statement shows them, the tables opened
/// once. Lives in the memory context it is made in; whoever made it closes it, and an error does so too.
class LifecycleReader {
  public:
    explicit LifecycleReader(Retries retries = Retries::unread);

    /// The record, in the current memory context.
    LifecycleRecord read(std::string_view run_id);

    void close();

  private:
    template <typename Visit>
    void visit_rows(KeyScan& scan, std::string_view run_id, Visit visit) const;
    run::InFlight read_in_flight(std::string_view run_id);
    std::optional<std::string_view> read_retried_by(std::string_view run_id);

    MemoryContext memory_;
    Snapshot snapshot_;
    Relation spine_ = nullptr;
    Relation flight_ = nullptr; ///< opened for the first run that is active
    KeyScan events_;
    KeyScan flights_;
    KeyScan retries_; ///< opened for the first run that has ended
    bool reads_retries_;
    SpineEntry spine_columns_;
    FlightEntry flight_columns_{};
};

/// One run, as the statement that is running sees it.
LifecycleRecord read_lifecycle(std::string_view run_id, Retries retries = Retries::unread);

/// As it stands now, this transaction's own writes included: for writers.
LifecycleRecord read_latest_lifecycle(std::string_view run_id, Retries retries = Retries::unread);

/// The run's standing outcome; nothing while it is active or unknown.
std::optional<run::Outcome> standing_outcome(const LifecycleRecord& record);

} // namespace pdpp::store
