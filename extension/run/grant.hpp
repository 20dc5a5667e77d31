#pragma once
// Which functions a role of each kind calls: what pdpp_grant() grants, and what the program looks for. As arrays of
// names in SQL.

namespace pdpp::run {

inline constexpr const char* owner_functions =
    "{pdpp_run_status,pdpp_run_statuses,pdpp_run_timeline,pdpp_run_list,"
    "pdpp_connection_list,pdpp_run_key,pdpp_run_wait,"
    "pdpp_run_endings,pdpp_run_now,pdpp_connection_run_now,pdpp_connector_run_now,pdpp_run_cancel}";
inline constexpr const char* controller_functions =
    "{pdpp_run_status,pdpp_run_statuses,pdpp_run_timeline,pdpp_run_list,pdpp_run_endings,pdpp_run_now,pdpp_run_cancel,"
    "pdpp_connection_list,pdpp_run_key,pdpp_run_wait,"
    "pdpp_connection_run_now,pdpp_connector_run_now,pdpp_controller_boot,pdpp_controller_rejoin,pdpp_controller_offer,"
    "pdpp_run_claim,pdpp_run_fence,pdpp_run_started,pdpp_run_extend,pdpp_run_event,pdpp_run_settle,"
    "pdpp_run_launch_failed,pdpp_reconcile}";

inline constexpr const char* importer_functions =
    "{pdpp_run_status,pdpp_run_statuses,pdpp_run_timeline,pdpp_run_list,pdpp_run_key,pdpp_run_wait,pdpp_run_import,"
    "pdpp_runs_beside}";

} // namespace pdpp::run
