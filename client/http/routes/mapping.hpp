#pragma once
// THE table of the gateway: which method and path calls which SQL function, and how its arguments bind. Everything the
// gateway knows about runs stands in mapping.cpp; the rest of http/ treats all routes alike.

#include "http/wire/message.hpp"
#include "pq/connection.hpp"

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pdpp::http {

/// What a value must look like, beyond being text.
struct Format {
    bool (*accepts)(std::string_view value);
    std::string_view expected; ///< completes "<name> must be ..."
};

/// Where one argument of a SQL function comes from.
struct Binding {
    enum class Place {
        segment,        ///< a variable of the path
        query,          ///< a parameter of the query
        header,         ///< a header of the request
        trace,          ///< the trace id in the header traceparent, unless that is malformed
        member_text,    ///< a member of the JSON body that must be a string
        member_seconds, ///< a member of the JSON body that must be a number: of seconds, which `type` makes a time of
        member_json,    ///< a member of the JSON body, whatever it is: sent with the whole body, `type` takes it out
        member_kept,    ///< the same, of the JSON type `format`: one of several that `type` puts into one argument
        constant,       ///< `name` itself
    };

    Place place;
    std::string_view name;     ///< of the variable, parameter, header or member
    std::string_view argument; ///< of the SQL function
    std::string_view type;     ///< SQL type it is sent as
    Format format;
};

/// What a call does to the database, and so what becomes of it when its answer is lost.
enum class CallKind {
    reads,
    admits, ///< answers an acknowledgement: looked up until it is known whether it was given
    writes, ///< may be made again without harm
};

/// What is known of a body, beside that it is JSON.
enum class Returns {
    anything,     ///< and it may be another one a moment later
    run_status,   ///< of one run, which the first binding names: final once the run has ended
    run_timeline, ///< the same, but for what is recorded after the ending
};

/// The answer is what the SQL function returns. A parameter, header or member that is absent leaves its argument to the
/// function's default.
struct SqlCall {
    std::string_view function;
    CallKind kind;
    std::vector<Binding> bindings;
    Returns returns = Returns::anything;
};

/// The answer is the gateway's own.
enum class OwnerAction { log_in, log_out, show_session };

/// The answer is this table, as an OpenAPI document.
struct ApiDescription {};

/// The answer is a file that pages refer to (http/pages/files.hpp).
struct PageFile {};

/// The answer is a page, or what becomes of a form on one (http/pages).
enum class PageKind { home, login, log_in, log_out, runs, run, cancel, retry, start };

/// What a client gets in place of a body if it accepts the media type.
enum class StreamKind {
    status_events,   ///< text/event-stream: the status, and each change of it
    timeline_events, ///< text/event-stream: the events of a run as they are committed
    timeline_lines,  ///< application/x-ndjson: the events of a run so far
};

std::string_view media_type_of(StreamKind kind);

struct Route {
    std::vector<verb> methods;
    std::string_view path; ///< "/_ref/runs/{run_id}": literal segments, and variables that take one segment each
    std::variant<SqlCall, OwnerAction, ApiDescription, PageFile, PageKind> answer;
    status success;
    bool needs_session;
    /// Whether `Prefer: wait=N` is honoured: by a status until it changes, by an admission until the run has ended.
    bool may_wait = false;
    std::vector<StreamKind> streams = {};
    std::string_view summary = {};   ///< for the OpenAPI document, one line
    std::string_view schema = {};    ///< of what it answers, a name in openapi.json; empty if there is no body
    std::string_view operation = {}; ///< its name there, if it is not that of the SQL function, which another route has
    std::vector<std::string_view> errors = {}; ///< codes beyond those that follow from what kind of route it is
};

std::span<const Route> routes();

/// The routes of those who ask for pages, at the same paths; whatever is not among them answers as ever.
std::span<const Route> page_routes();

/// What whoever waits for a run asks: its status. The argument is run_id.
const SqlCall& status_call();

/// What pages ask and do beside that.
const SqlCall& timeline_call();
const SqlCall& list_call();
const SqlCall& connections_call();
const SqlCall& cancel_call();
const SqlCall& start_call();

} // namespace pdpp::http
