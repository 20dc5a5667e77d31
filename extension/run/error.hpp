#pragma once
// The error codes: the one place that lists them.
//
// A code has an HTTP status, and from that its SQLSTATE (PTnnn, the convention that PostgREST speaks) and its type in
// the error envelope. The code is what clients key on; messages are for people.

#include <optional>
#include <string_view>

namespace pdpp::run {

enum class ErrorCode {
    invalid_request,              ///< an argument cannot be used; `param` names it
    invalid_cursor,               ///< a cursor that no page had, or one of another run
    append_only,                  ///< somebody tried to change history
    guarded_state,                ///< somebody tried to change by hand what only the functions change
    not_found,                    ///< no run has this id
    connector_instance_not_found, ///< no connection of this name is on record
    run_already_active,           ///< the connection has a run in flight; `active_run_id` names it
    ambiguous_connection,         ///< the connector has several connections; `connector_instance_ids` lists them
    run_id_taken,                 ///< the id belongs to another run
    run_already_started,          ///< run.started stands
    run_already_terminal,         ///< the run has ended; `status` says how
    run_not_settled,              ///< flight state was removed by hand
    not_booted,                   ///< the session has no boot
    boot_lost,                    ///< the boot is dead for good, or never was
    run_superseded,               ///< a writer's run is not the active one any more
    event_too_large,              ///< data exceeds pdpp.max_event_bytes
    idempotency_conflict,         ///< the key was used with other arguments
};

struct ErrorKind {
    ErrorCode code;
    std::string_view name;
    int http_status;
    std::string_view hint; ///< what to do; empty if the message says it all
};

/// Everything known about a code.
[[nodiscard]] const ErrorKind& kind_of(ErrorCode code);

/// The envelope's `type` for an HTTP status.
[[nodiscard]] std::string_view error_type(int http_status);

/// Something wrong with an argument: what a check of the domain returns. The message speaks of the argument by name.
struct Fault {
    ErrorCode code;
    std::string_view param;
    std::string_view message;
};

using Check = std::optional<Fault>;

} // namespace pdpp::run
