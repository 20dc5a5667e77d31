// The routes. To serve another SQL function, add a row.

#include "http/routes/mapping.hpp"

#include "http/syntax/timestamp.hpp"
#include "text/text.hpp"

#include <charconv>

namespace pdpp::http {

namespace {

constexpr Format any_text{[](std::string_view) { return true; }, "text"};

/// Plain decimal from 1 to `Last`: no sign, no blanks, no leading zero.
template <int Last>
bool is_page_size(std::string_view value) {
    const char* const end = value.data() + value.size();
    int number = 0;
    const auto [stop, failure] = std::from_chars(value.data(), end, number);
    return failure == std::errc{} && stop == end && number >= 1 && number <= Last && value.front() != '0';
}

constexpr Format page_size{is_page_size<5000>, "a whole number from 1 to 5000"};
constexpr Format list_size{is_page_size<500>, "a whole number from 1 to 500"};

constexpr Format true_or_false{[](std::string_view value) { return value == "true" || value == "false"; },
                               "true or false"};

constexpr Format timestamp{is_timestamp,
                           "an RFC 3339 time, such as 2026-01-31T08:09:10Z (in a query a + is written %2B)"};

/// As the gateway prints a number of the body.
bool is_time_of_run(std::string_view value) {
    constexpr double least = 0.000001;
    constexpr double most = 1e9;
    double seconds = 0;
    const auto [stop, failure] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    return failure == std::errc{} && seconds >= least && seconds <= most;
}

constexpr Format time_of_run{is_time_of_run, "a number of seconds, more than 0 and at most 1000000000"};

constexpr Format utf8_text{is_storable, "UTF-8 text"};

constexpr Binding run_id{Binding::Place::segment, "run_id", "run_id", "text", any_text};

/// What an admission is told beside what to run.
constexpr Binding wished_run_id{Binding::Place::member_text, "run_id", "run_id", "text", any_text};
constexpr Binding data{Binding::Place::member_json, "data", "data", "jsonb -> 'data'", any_text};
/// What clients of other PDPP servers say beside: kept with the data, which they go before.
constexpr Format boolean{[](std::string_view json) { return json == "true" || json == "false"; }, "a boolean"};
constexpr Format string{[](std::string_view json) { return json.starts_with('"'); }, "a string"};
constexpr Format array{[](std::string_view json) { return json.starts_with('['); }, "an array"};
constexpr std::string_view kept_in_data =
    "(select case when pg_catalog.jsonb_typeof(data) = 'object' then data || kept else data end"
    " from (select coalesce(body -> 'data', '{}') as data,"
    " (select pg_catalog.jsonb_object_agg(key, value) from pg_catalog.jsonb_each(body)"
    " where key in ('force', 'run_admission', 'resources') and value <> 'null') as kept from (select $::jsonb as body) "
    "as sent) as parts)";
constexpr Binding force{Binding::Place::member_kept, "force", "data", kept_in_data, boolean};
constexpr Binding run_admission{Binding::Place::member_kept, "run_admission", "data", kept_in_data, string};
constexpr Binding resources{Binding::Place::member_kept, "resources", "data", kept_in_data, array};

constexpr Binding timeout{Binding::Place::member_seconds, "timeout_seconds", "timeout", "float8 * interval '1 second'",
                          time_of_run};
constexpr Binding idempotency_key{Binding::Place::header, "Idempotency-Key", "idempotency_key", "text", utf8_text};
constexpr Binding trace_id{Binding::Place::trace, "traceparent", "trace_id", "text", any_text};

const SqlCall run_status{"pdpp_run_status", CallKind::reads, {run_id}, Returns::run_status};

const SqlCall run_list{"pdpp_run_list",
                       CallKind::reads,
                       {{Binding::Place::query, "status", "status", "text", any_text},
                        {Binding::Place::query, "connector_id", "connector_id", "text", any_text},
                        {Binding::Place::query, "connector_instance_id", "connector_instance_id", "text", any_text},
                        {Binding::Place::query, "since", "since", "timestamptz", timestamp},
                        {Binding::Place::query, "until", "until", "timestamptz", timestamp},
                        {Binding::Place::query, "limit", "page_size", "int", list_size},
                        {Binding::Place::query, "cursor", "cursor", "text", any_text},
                        {Binding::Place::query, "retry_of", "retry_of", "text", any_text}}};

const SqlCall run_timeline{"pdpp_run_timeline",
                           CallKind::reads,
                           {run_id,
                            {Binding::Place::query, "limit", "page_size", "int", page_size},
                            {Binding::Place::query, "cursor", "cursor", "text", any_text},
                            {Binding::Place::query, "event_type", "event_type", "text", any_text},
                            {Binding::Place::query, "newest_first", "newest_first", "boolean", true_or_false}},
                           Returns::run_timeline};

const SqlCall run_cancel{"pdpp_run_cancel",
                         CallKind::writes,
                         {run_id, {Binding::Place::constant, "owner", "requested_by", "text", any_text}}};

const SqlCall connection_start{
    "pdpp_connection_run_now",
    CallKind::admits,
    {{Binding::Place::segment, "connector_instance_id", "connector_instance_id", "text", any_text},
     wished_run_id,
     force,
     run_admission,
     resources,
     data,
     timeout,
     idempotency_key,
     trace_id}};

const SqlCall connection_list{
    "pdpp_connection_list",
    CallKind::reads,
    {{Binding::Place::query, "connector_id", "connector_id", "text", any_text},
     {Binding::Place::query, "connector_instance_id", "connector_instance_id", "text", any_text},
     {Binding::Place::query, "offered", "offered", "boolean", true_or_false},
     {Binding::Place::query, "active", "active", "boolean", true_or_false},
     {Binding::Place::query, "limit", "page_size", "int", list_size},
     {Binding::Place::query, "cursor", "cursor", "text", any_text}}};

const std::vector<Route> route_table{
    {.methods = {verb::get, verb::head},
     .path = "/",
     .answer = ApiDescription{},
     .success = status::ok,
     .needs_session = false,
     .summary = "This document",
     .schema = "OpenApi"},

    {.methods = {verb::get, verb::head},
     .path = "/_ref/runs",
     .answer = run_list,
     .success = status::ok,
     .needs_session = true,
     .summary = "Runs, newest admission first, a page at a time",
     .schema = "RunList",
     .errors = {"invalid_cursor"}},

    {.methods = {verb::get, verb::head},
     .path = "/_ref/runs/{run_id}",
     .answer = run_status,
     .success = status::ok,
     .needs_session = true,
     .may_wait = true,
     .streams = {StreamKind::status_events},
     .summary = "What a handle resolves to",
     .schema = "RunStatus",
     .errors = {"not_found"}},

    {.methods = {verb::get, verb::head},
     .path = "/_ref/runs/{run_id}/timeline",
     .answer = run_timeline,
     .success = status::ok,
     .needs_session = true,
     .streams = {StreamKind::timeline_events, StreamKind::timeline_lines},
     .summary = "What happened to a run, a page at a time",
     .schema = "RunTimeline",
     .errors = {"not_found", "invalid_cursor"}},

    {.methods = {verb::post},
     .path = "/_ref/runs/{run_id}/cancel",
     .answer = run_cancel,
     .success = status::accepted,
     .needs_session = true,
     .summary = "Asks a run to end",
     .schema = "RunCancelAck",
     .errors = {"not_found", "run_already_terminal"}},

    {.methods = {verb::post},
     .path = "/_ref/runs/{run_id}/retry",
     .answer = SqlCall{"pdpp_connection_run_now",
                       CallKind::admits,
                       {{Binding::Place::segment, "run_id", "retry_of", "text", any_text},
                        wished_run_id,
                        data,
                        idempotency_key,
                        trace_id}},
     .success = status::accepted,
     .needs_session = true,
     .may_wait = true,
     .summary = "Starts a run that repeats one that has ended",
     .schema = "RunAck",
     .operation = "pdpp_run_retry",
     .errors = {"not_found", "run_already_active", "run_id_taken", "event_too_large", "idempotency_conflict"}},

    {.methods = {verb::get, verb::head},
     .path = "/_ref/connections",
     .answer = connection_list,
     .success = status::ok,
     .needs_session = true,
     .summary = "Connections on record, by id, a page at a time",
     .schema = "ConnectionList",
     .errors = {"invalid_cursor"}},

    {.methods = {verb::post},
     .path = "/_ref/connections/{connector_instance_id}/run",
     .answer = connection_start,
     .success = status::accepted,
     .needs_session = true,
     .may_wait = true,
     .summary = "Starts a run of a connection",
     .schema = "RunAck",
     .errors = {"connector_instance_not_found", "run_already_active", "run_id_taken", "event_too_large",
                "idempotency_conflict"}},

    {.methods = {verb::post},
     .path = "/_ref/connectors/{connector_id}/run",
     .answer = SqlCall{"pdpp_connector_run_now",
                       CallKind::admits,
                       {{Binding::Place::segment, "connector_id", "connector_id", "text", any_text},
                        wished_run_id,
                        force,
                        run_admission,
                        resources,
                        data,
                        timeout,
                        idempotency_key,
                        trace_id}},
     .success = status::accepted,
     .needs_session = true,
     .may_wait = true,
     .summary = "Starts a run of a connector's only connection",
     .schema = "RunAck",
     .errors = {"run_already_active", "run_id_taken", "ambiguous_connection", "event_too_large",
                "idempotency_conflict"}},

    {.methods = {verb::post},
     .path = "/owner/login",
     .answer = OwnerAction::log_in,
     .success = status::no_content,
     .needs_session = false,
     .summary = "Opens a session: the answer sets its cookie",
     .errors = {"invalid_password", "owner_login_disabled", "unsupported_media_type", "too_many_attempts"}},

    {.methods = {verb::post},
     .path = "/owner/logout",
     .answer = OwnerAction::log_out,
     .success = status::no_content,
     .needs_session = false,
     .summary = "Takes the session's cookie back"},

    {.methods = {verb::get, verb::head},
     .path = "/assets/{name}",
     .answer = PageFile{},
     .success = status::ok,
     .needs_session = false},

    {.methods = {verb::get, verb::head},
     .path = "/owner/session",
     .answer = OwnerAction::show_session,
     .success = status::no_content,
     .needs_session = true,
     .summary = "Whether there is a session: 204, else 401"},
};

/// As those above, and at the same paths but for the login, which is a page alone.
const std::vector<Route> page_table{
    {.methods = {verb::get, verb::head},
     .path = "/",
     .answer = PageKind::home,
     .success = status::see_other,
     .needs_session = false},
    {.methods = {verb::get, verb::head},
     .path = "/owner/login",
     .answer = PageKind::login,
     .success = status::ok,
     .needs_session = false},
    {.methods = {verb::post},
     .path = "/owner/login",
     .answer = PageKind::log_in,
     .success = status::see_other,
     .needs_session = false},
    {.methods = {verb::post},
     .path = "/owner/logout",
     .answer = PageKind::log_out,
     .success = status::see_other,
     .needs_session = false},
    {.methods = {verb::get, verb::head},
     .path = "/_ref/runs",
     .answer = PageKind::runs,
     .success = status::ok,
     .needs_session = true},
    {.methods = {verb::get, verb::head},
     .path = "/_ref/runs/{run_id}",
     .answer = PageKind::run,
     .success = status::ok,
     .needs_session = true},
    {.methods = {verb::post},
     .path = "/_ref/runs/{run_id}/cancel",
     .answer = PageKind::cancel,
     .success = status::see_other,
     .needs_session = true},
    {.methods = {verb::post},
     .path = "/_ref/runs/{run_id}/retry",
     .answer = PageKind::retry,
     .success = status::see_other,
     .needs_session = true},
    {.methods = {verb::post},
     .path = "/_ref/connections/{connector_instance_id}/run",
     .answer = PageKind::start,
     .success = status::see_other,
     .needs_session = true},
};

} // namespace

std::span<const Route> routes() {
    return route_table;
}

std::span<const Route> page_routes() {
    return page_table;
}

const SqlCall& status_call() {
    return run_status;
}

const SqlCall& timeline_call() {
    return run_timeline;
}

const SqlCall& list_call() {
    return run_list;
}

const SqlCall& connections_call() {
    return connection_list;
}

const SqlCall& cancel_call() {
    return run_cancel;
}

const SqlCall& start_call() {
    return connection_start;
}

std::string_view media_type_of(StreamKind kind) {
    return kind == StreamKind::timeline_lines ? "application/x-ndjson" : "text/event-stream";
}

} // namespace pdpp::http
