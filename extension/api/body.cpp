#include "api/body.hpp"

#include "boundary.hpp"
#include "run/id.hpp"
#include "run/link.hpp"
#include "store/import.hpp"
#include "store/jsonb.hpp"

namespace pdpp::api {

namespace {

void write_failure(store::JsonbWriter& body, const std::optional<run::Failure>& failure) {
    body.key("failure");
    if (!failure) {
        body.null();
        return;
    }
    body.begin_object();
    body.field("reason", failure->reason);
    body.field("message", failure->message);
    body.field("origin", failure->origin);
    body.field("connector_error_message", failure->connector_error_message);
    body.end_object();
}

/// These keys of a terminal event are handed on as they are.
void pass_through(store::JsonbWriter& body, const Jsonb* data, std::string_view key) {
    const Jsonb* value = data == nullptr ? nullptr : store::value_under(data, key);
    if (value != nullptr) {
        body.field(key, value);
    }
}

std::string_view not_found_message(std::string_view run_id) {
    const bool shown_whole = run_id.size() <= run::max_id_bytes;
    const auto shown = static_cast<std::size_t>(
        pg_mbcliplen(run_id.data(), static_cast<int>(run_id.size()), static_cast<int>(run::max_id_bytes)));
    return join({"Run not found: ", run_id.substr(0, shown), shown_whole ? "" : "…"});
}

} // namespace

Jsonb* status_body(std::string_view run_id, const store::LifecycleRecord& record, std::optional<bool> settled) {
    const run::Status status = run::project(record.events, record.in_flight);
    const run::Link timeline = run::timeline_link(run_id);

    store::JsonbWriter body;
    body.begin_object();
    // shorter keys first, and those of one length in the order of their bytes: as jsonb keeps them, so nothing is
    // sorted
    body.key("links");
    body.begin_object();
    body.field("timeline", timeline.view());
    body.end_object();
    body.field("object", "run_status");
    body.field("run_id", run_id);
    body.field("status", status.status);
    write_failure(body, status.failure);
    if (settled) {
        body.field("settled", *settled);
    }
    body.field("retry_of", record.retry_of);
    body.field("trace_id", status.trace_id);
    pass_through(body, record.terminal_data, "known_gaps");
    body.field("retried_by", record.retried_by);
    body.field("started_at", status.started_at);
    body.field("admitted_at", status.admitted_at);
    body.field("deadline_at", status.in_flight.deadline_at);
    body.field("completed_at", status.completed_at);
    body.field("connector_id", status.connector_id);
    body.field("terminal_reason", status.terminal_reason);
    pass_through(body, record.terminal_data, "known_gaps_summary");
    body.field("cancel_requested_at", status.in_flight.cancel_requested_at);
    body.field("connector_instance_id", status.connector_instance_id);
    body.end_object();
    return body.finish();
}

Jsonb* not_found_body(std::string_view run_id) {
    const run::ErrorKind& kind = run::kind_of(run::ErrorCode::not_found);
    store::JsonbWriter body;
    body.begin_object();
    body.key("error");
    body.begin_object();
    body.field("type", run::error_type(kind.http_status));
    body.field("code", kind.name);
    body.field("message", not_found_message(run_id));
    body.field("param", "run_id");
    body.end_object();
    body.end_object();
    return body.finish();
}

namespace {

void write_event(store::JsonbWriter& body, std::string_view run_id, const store::Event& event) {
    body.field("object", "run_event");
    body.field("run_id", run_id);
    body.field("event_id", event.event_id);
    body.field("event_seq", event.event_seq);
    body.field("event_type", event.event_type);
    body.field("recorded_at", event.recorded_at);
}

} // namespace

Jsonb* event_body(std::string_view run_id, const store::Event& event) {
    store::JsonbWriter body;
    body.begin_object();
    write_event(body, run_id, event);
    body.end_object();
    return body.finish();
}

Jsonb* started_body(std::string_view run_id, const store::Event& event, std::optional<run::Instant> deadline_at) {
    store::JsonbWriter body;
    body.begin_object();
    write_event(body, run_id, event);
    body.field("deadline_at", deadline_at);
    body.end_object();
    return body.finish();
}

void refuse_imported_run(std::string_view run_id) {
    refuse(run::ErrorCode::invalid_request, "run_id",
           join({"Run is of another server, which alone may end it: ", run_id}));
}

void refuse_if_imported(const store::Flight& flight) {
    // no boot of ours has it, and it waits for none
    if (!flight.boot_epoch && !flight.launch_deadline && store::is_imported(flight.run.run_id)) {
        refuse_imported_run(flight.run.run_id);
    }
}

void refuse_unknown_run(std::string_view run_id, std::string_view param) {
    refuse(run::ErrorCode::not_found, param, not_found_message(run_id));
}

void refuse_ended_run(std::string_view run_id, run::Outcome outcome) {
    refuse(run::ErrorCode::run_already_terminal, "run_id",
           join({"Run has already ended as ", run::word_of(outcome), ": ", run_id}),
           {{"status", run::word_of(outcome)}});
}

void refuse_lost_boot(std::string_view param, bool on_record) {
    refuse(run::ErrorCode::boot_lost, param,
           on_record ? "this boot has been declared dead: its runs are being ended" : "no boot has this epoch");
}

} // namespace pdpp::api
