#include "run/error.hpp"

#include <array>

namespace pdpp::run {

namespace {

constexpr std::array kinds{
    ErrorKind{ErrorCode::invalid_request, "invalid_request", 400, ""},
    ErrorKind{ErrorCode::invalid_cursor, "invalid_cursor", 400,
              "Pass next_cursor of the page before unchanged, or leave the cursor out to read from the start."},
    ErrorKind{ErrorCode::append_only, "append_only", 403,
              "History is append-only; pdpp_prune() removes what may go. To take all of it away, drop the extension."},
    ErrorKind{ErrorCode::guarded_state, "guarded_state", 403,
              "Only the functions of pdpp change it. To take all of it away, drop the extension."},
    ErrorKind{ErrorCode::not_found, "not_found", 404, "Check the id: it was never handed out here."},
    ErrorKind{ErrorCode::connector_instance_not_found, "connector_instance_not_found", 404,
              "Check the name: a connection is on record once it was offered or had a run."},
    ErrorKind{ErrorCode::run_already_active, "run_already_active", 409,
              "Wait for the active run, or ask for its end with pdpp_run_cancel."},
    ErrorKind{ErrorCode::ambiguous_connection, "ambiguous_connection", 409,
              "Name one of the connections: pdpp_connection_run_now."},
    ErrorKind{ErrorCode::run_id_taken, "run_id_taken", 409, "Choose another run id, or leave it out to get one."},
    ErrorKind{ErrorCode::run_already_started, "run_already_started", 409,
              "Another launcher started this run: stop the process you launched for it."},
    ErrorKind{ErrorCode::run_already_terminal, "run_already_terminal", 409,
              "Read how it ended with pdpp_run_status; stop the process if one still works on it."},
    ErrorKind{ErrorCode::run_not_settled, "run_not_settled", 409,
              "End the run with pdpp_run_settle or pdpp_run_cancel: both clear its flight state."},
    ErrorKind{ErrorCode::not_booted, "not_booted", 409, "Call pdpp_controller_boot in this session first."},
    ErrorKind{ErrorCode::boot_lost, "boot_lost", 409,
              "Call pdpp_controller_boot: it begins a new life, whose runs are its own."},
    ErrorKind{ErrorCode::run_superseded, "run_superseded", 409,
              "Write nothing more for this run: roll back, and stop the process that works on it."},
    ErrorKind{ErrorCode::event_too_large, "event_too_large", 413,
              "Store the payload elsewhere and send a reference, or raise pdpp.max_event_bytes."},
    ErrorKind{ErrorCode::idempotency_conflict, "idempotency_conflict", 422,
              "Repeat the first call unchanged, or use a new key for a new run."},
};

constexpr bool listed_in_order() {
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        if (static_cast<std::size_t>(kinds[i].code) != i) {
            return false;
        }
    }
    return true;
}
static_assert(listed_in_order());

} // namespace

const ErrorKind& kind_of(ErrorCode code) {
    return kinds[static_cast<std::size_t>(code)];
}

std::string_view error_type(int http_status) {
    switch (http_status) {
    case 400:
        return "invalid_request_error";
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 410:
        return "gone_error";
    case 413:
        return "request_entity_too_large_error";
    case 429:
        return "rate_limit_error";
    default:
        return "api_error";
    }
}

} // namespace pdpp::run
