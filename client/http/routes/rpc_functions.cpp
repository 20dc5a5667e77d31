// The functions of /rpc. To serve another one, add a row.

#include "http/routes/rpc_functions.hpp"

namespace pdpp::http {

namespace {

const std::vector<Function> rpc_table{
    {.name = "pdpp_run_status",
     .kind = CallKind::reads,
     .arguments = {{.name = "run_id", .type = "text", .is_required = true}},
     .shape = ResultShape::scalar,
     .schema = "RunStatus",
     .returns = Returns::run_status},

    {.name = "pdpp_run_statuses",
     .kind = CallKind::reads,
     .arguments = {{.name = "run_ids", .type = "text[]", .is_required = true}},
     .shape = ResultShape::rows,
     .schema = "RunStatusRow"},

    {.name = "pdpp_run_timeline",
     .kind = CallKind::reads,
     .arguments = {{.name = "run_id", .type = "text", .is_required = true},
                   {.name = "page_size", .type = "integer"},
                   {.name = "cursor", .type = "text"},
                   {.name = "event_type", .type = "text"},
                   {.name = "newest_first", .type = "boolean"}},
     .shape = ResultShape::scalar,
     .schema = "RunTimeline",
     .returns = Returns::run_timeline},

    {.name = "pdpp_run_list",
     .kind = CallKind::reads,
     .arguments = {{.name = "status", .type = "text"},
                   {.name = "connector_id", .type = "text"},
                   {.name = "connector_instance_id", .type = "text"},
                   {.name = "since", .type = "timestamptz"},
                   {.name = "until", .type = "timestamptz"},
                   {.name = "page_size", .type = "integer"},
                   {.name = "cursor", .type = "text"},
                   {.name = "retry_of", .type = "text"}},
     .shape = ResultShape::scalar,
     .schema = "RunList"},

    {.name = "pdpp_connection_list",
     .kind = CallKind::reads,
     .arguments = {{.name = "connector_id", .type = "text"},
                   {.name = "connector_instance_id", .type = "text"},
                   {.name = "offered", .type = "boolean"},
                   {.name = "active", .type = "boolean"},
                   {.name = "page_size", .type = "integer"},
                   {.name = "cursor", .type = "text"}},
     .shape = ResultShape::scalar,
     .schema = "ConnectionList"},

    {.name = "pdpp_run_now",
     .kind = CallKind::admits,
     .arguments = {{.name = "connector_id", .type = "text", .is_required = true},
                   {.name = "connector_instance_id", .type = "text"},
                   {.name = "run_id", .type = "text"},
                   {.name = "idempotency_key", .type = "text"},
                   {.name = "trace_id", .type = "text"},
                   {.name = "data", .type = "jsonb", .from_body = "jsonb -> 'data'"},
                   {.name = "timeout", .type = "interval"},
                   {.name = "retry_of", .type = "text"}},
     .shape = ResultShape::scalar,
     .schema = "RunAck"},

    {.name = "pdpp_run_cancel",
     .kind = CallKind::writes,
     .arguments = {{.name = "run_id", .type = "text", .is_required = true}, {.name = "requested_by", .type = "text"}},
     .shape = ResultShape::scalar,
     .schema = "RunCancelAck"},
};

} // namespace

std::span<const Function> functions() {
    return rpc_table;
}

std::string_view allowed_methods(const Function& function) {
    return function.kind == CallKind::reads ? "OPTIONS,GET,HEAD,POST" : "OPTIONS,POST";
}

} // namespace pdpp::http
