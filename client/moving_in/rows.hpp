#pragma once
// What the other server's tables hold of one run, as texts: the same whether they are PostgreSQL's or SQLite's.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::moving_in {

/// A row, in the order of its table's columns below; nothing for null, and for columns that an older installation
/// lacks.
using Row = std::vector<std::optional<std::string>>;

/// What is read of `spine_events`.
namespace event_column {
enum : std::size_t {
    run_id,
    event_seq,
    event_id,
    event_type,
    occurred_at,
    recorded_at,
    trace_id,
    scenario_id,
    actor_type,
    actor_id,
    subject_type,
    subject_id,
    object_type,
    object_id,
    status,
    request_id,
    grant_id,
    source_kind,
    source_id,
    client_id,
    stream_id,
    token_id,
    interaction_id,
    connector_instance_id,
    version,
    data_json,
    count
};
}

/// What is read of `controller_active_runs`.
namespace flight_column {
enum : std::size_t {
    run_id,
    connector_instance_id,
    connector_id,
    trace_id,
    scenario_id,
    started_at,
    run_generation,
    count
};
}

/// What is read of `run_history`, or `scheduler_run_history`.
namespace history_column {
enum : std::size_t {
    run_id,
    connector_instance_id,
    connector_id,
    status,
    trace_id,
    failure_reason,
    terminal_reason,
    started_at,
    completed_at,
    error,
    records_emitted,
    known_gaps_json,
    count
};
}

/// What is read of `source_webhook_run_receipts`.
namespace receipt_column {
enum : std::size_t { run_id, connector_instance_id, connector_id, trace_id, started_at, count };
}

/// All rows that name one run id. Several runs may share it.
struct SourceRun {
    std::string run_id;
    std::vector<Row> events; ///< by their numbers, those without one last, then by their ids
    std::vector<Row> flights;
    std::vector<Row> history;
    std::vector<Row> receipts;
};

} // namespace pdpp::moving_in
