#pragma once
// The words of a run's life: event types, phases, outcomes.

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::run {

namespace event_type {
inline constexpr std::string_view admitted = "run.admitted";
inline constexpr std::string_view started = "run.started";
inline constexpr std::string_view cancel_requested = "run.cancel_requested";
inline constexpr std::string_view deadline_extended = "run.deadline_extended";
inline constexpr std::string_view late_outcome = "run.late_outcome";
inline constexpr std::string_view progress_reported = "run.progress_reported"; ///< a controller's
} // namespace event_type

/// What the source of an admission is that repeats a run: `source_kind`, with the run's id for `source_id`.
inline constexpr std::string_view retried_run = "retried_run";

/// What the source of an admission is whose run another server recorded.
inline constexpr std::string_view imported = "import";

/// How many runs a connection can have been given before one is taken over: JSON's numbers are whole up to here (RFC
/// 8259, 6), and bigint has room above it.
inline constexpr std::int64_t most_imported_generations = std::int64_t{1} << 53;

/// Where a lifecycle event stands in a run's life, as the lifecycle index numbers it (sql/pdpp--*.sql).
enum class Phase { admitted = 1, started = 2, ended = 3 };

/// Objects and arrays within each other in the data of an event, itself included. A server with the default
/// max_stack_depth reads and prints several times as many; a timeline nests an event's data three levels deeper, and a
/// late outcome one more.
inline constexpr int max_data_depth = 2500;

enum class Outcome { completed, failed, cancelled, abandoned };

/// How many types of event belong to the lifecycle.
inline constexpr int lifecycle_event_types = 6;

/// The phase of a lifecycle event; nothing for any other type.
[[nodiscard]] std::optional<Phase> phase_of(std::string_view event_type);

/// Who an event is by, where its row leaves that out: the runtime of a start, else the connector.
[[nodiscard]] std::string_view actor_type_of(std::string_view event_type);

/// Whether only the extension writes events of this type: the lifecycle's, cancel requests, extensions of the deadline
/// and late outcomes.
[[nodiscard]] bool is_reserved(std::string_view event_type);

/// The outcome a terminal event stands for; nothing for any other type.
[[nodiscard]] std::optional<Outcome> outcome_of(std::string_view event_type);

/// The outcome by its word, `completed`, `failed`, `cancelled` or `abandoned`; nothing for any other.
[[nodiscard]] std::optional<Outcome> outcome_named(std::string_view word);

/// Whether runs that end like that have a `failure` block.
[[nodiscard]] constexpr bool has_failure(Outcome outcome) {
    return outcome == Outcome::failed || outcome == Outcome::abandoned;
}

[[nodiscard]] std::string_view word_of(Outcome outcome);           ///< `failed`
[[nodiscard]] std::string_view terminal_event_of(Outcome outcome); ///< `run.failed`

/// The status of a run that has no terminal event.
inline constexpr std::string_view active = "active";

/// Reasons that the launch guard and cancellation write; every other reason is a launcher's own.
namespace reason {
inline constexpr std::string_view launch_failed = "launch_failed";
inline constexpr std::string_view controller_terminated = "controller_terminated_before_run_finished";
inline constexpr std::string_view owner_cancelled = "owner_cancelled";
inline constexpr std::string_view owner_cancel_forced = "owner_cancel_forced";
inline constexpr std::string_view owner_cancel_unheeded = "owner_cancel_unheeded";
inline constexpr std::string_view run_timed_out = "run_timed_out";
} // namespace reason

} // namespace pdpp::run
