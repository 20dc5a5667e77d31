// pdpp_run_timeline: one page of everything that happened to a run.

#include "run/timeline.hpp"
#include "api/arguments.hpp"
#include "api/body.hpp"
#include "api/postgrest.hpp"
#include "boundary.hpp"
#include "run/id.hpp"
#include "store/digest.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/prune.hpp"
#include "store/spine.hpp"
#include "store/statement.hpp"

#include <charconv>

namespace pdpp::api {

namespace {

constexpr long fetch_size = 100; ///< rows held at a time: a page may end long before its limit

/// Ties a position to its run, so that a cursor of another run, or one that was changed, is told from ours.
run::Cursor cursor_at(std::string_view run_id, std::int64_t event_seq) {
    const char* position = psprintf("pdpp timeline %lld ", static_cast<long long>(event_seq));
    return {.event_seq = event_seq, .tag = store::sha256_head(join({position, run_id}))};
}

/// Where to resume. Called with the run known, since an unknown run is not_found whatever the cursor.
std::optional<std::int64_t> position_of(std::string_view run_id, const std::optional<run::Cursor>& cursor) {
    if (!cursor) {
        return {};
    }
    if (*cursor != cursor_at(run_id, cursor->event_seq)) {
        refuse(run::ErrorCode::invalid_cursor, "cursor", "cursor was not made for this run");
    }
    return cursor->event_seq;
}

std::optional<run::Cursor> parse_timeline_cursor(std::optional<std::string_view> text) {
    if (!text || text->empty()) { // as a form or a link writes one that is none
        return {};
    }
    const auto cursor = run::decode_cursor(*text);
    if (!cursor) {
        refuse(run::ErrorCode::invalid_cursor, "cursor", "cursor is not one that the timeline returned");
    }
    return cursor;
}

/// An event's data, token by token, the credentials in it replaced at any depth.
void write_redacted(store::JsonbWriter& body, const Jsonb* data) {
    if (JB_ROOT_IS_SCALAR(data)) { // which is stored as an array of one
        body.value(data);
        return;
    }
    JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(&data->root));
    bool skip_nested = false;
    JsonbValue value;
    for (JsonbIteratorToken token = WJB_DONE;
         (token = JsonbIteratorNext(&iterator, &value, skip_nested)) != WJB_DONE;) {
        if (skip_nested) { // the value of a bearer key, whatever it was
            skip_nested = false;
            body.value(run::redacted_bearer);
            continue;
        }
        body.push(token, value);
        skip_nested = token == WJB_KEY &&
                      run::is_bearer_key({value.val.string.val, static_cast<std::size_t>(value.val.string.len)});
    }
}

/// The admission of the run, beside which its events are read.
struct Admission : run::LifecycleEvent {
    bool is_imported = false;
};

/// Whether an event is the start of a run whose admission is there.
bool is_start_beside(const store::Rows& rows, std::uint64_t row, const run::LifecycleEvent& admission) {
    return !admission.event_type.empty() &&
           rows.text(row, store::timeline_column::event_type) == run::event_type::started;
}

/// What a column of an event's row leaves out.
std::optional<std::string_view> implied(std::string_view name, const store::Rows& rows, std::uint64_t row,
                                        const Admission& admission, const Jsonb* data) {
    namespace column = store::timeline_column;
    const std::string_view event_type = rows.text(row, column::event_type).value_or(std::string_view{});
    if (name == "trace_id") {
        return admission.trace_id;
    }
    if (name == "scenario_id") {
        return admission.scenario_id;
    }
    if (name == "actor_id") {
        return admission.actor_id;
    }
    if (name == "connector_instance_id") {
        return admission.connector_instance_id;
    }
    if (name == "status" && is_start_beside(rows, row, admission)) {
        return run::active;
    }
    if (name == "actor_type") {
        return run::actor_type_of(event_type);
    }
    if (name == "stream_id" && event_type == run::event_type::progress_reported) {
        const std::string_view stream = store::string_under(data, "stream");
        return stream.empty() ? std::nullopt : std::optional{stream};
    }
    if (name == "source_kind" && rows.text(row, column::source_id) && !admission.is_imported) {
        return "controller";
    }
    return {};
}

/// A number where it is one, as ours are; else a word of the server that the event was imported from.
void write_version(store::JsonbWriter& body, std::string_view version) {
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), number);
    const bool is_number = error == std::errc{} && end == version.data() + version.size() && version.front() != '-' &&
                           (version.front() != '0' || version.size() == 1);
    if (is_number) {
        body.value(number);
    } else {
        body.value(version);
    }
}

/// One event: its columns, all but token_id, with data_json as `data`. Returns its size as stored.
std::size_t write_event(store::JsonbWriter& body, const store::Rows& rows, std::uint64_t row, std::string_view run_id,
                        const Admission& admission) {
    namespace column = store::timeline_column;
    const Jsonb* found = rows.jsonb(row, column::data_json);
    const Jsonb* data = found != nullptr ? found : store::empty_object(); // as the status takes it
    const auto event_seq = rows.int8(row, column::event_seq);
    const auto object_type = rows.text(row, column::object_type);
    const auto object_id = rows.text(row, column::object_id);
    const bool is_of_run = !object_type && !object_id;
    const auto redacted_id = object_type ? run::redacted_object_id(*object_type) : std::nullopt;

    body.begin_object();
    body.field("event_seq", event_seq);
    body.field("event_type", rows.text(row, column::event_type));
    body.field("occurred_at", rows.instant(row, column::occurred_at));
    body.field("recorded_at", rows.instant(row, column::recorded_at));
    const auto admitted_at = rows.instant(row, column::admitted_at);
    body.field("admitted_at", is_start_beside(rows, row, admission) && !admitted_at
                                  ? std::optional{admission.occurred_at}
                                  : admitted_at);
    body.key("version");
    write_version(body, rows.text(row, column::version).value_or("1"));
    body.field("object_type", is_of_run ? std::optional{std::string_view{"run"}} : object_type);
    body.field("object_id", is_of_run ? std::optional{run_id} : redacted_id ? redacted_id : object_id);
    body.field("event_id", store::event_id_or_generated(store::required(rows.text(row, column::event_id)), run_id,
                                                        store::required(event_seq)));
    for (int plain = column::first_plain; plain < rows.columns(); ++plain) {
        const std::string_view name = rows.name(plain);
        const auto text = rows.text(row, plain);
        body.field(name, text ? text : implied(name, rows, row, admission, data));
    }
    body.key("data");
    write_redacted(body, data);
    body.end_object();
    return rows.size(row) + VARSIZE(data);
}

struct TimelinePage {
    std::int64_t events = 0;
    std::int64_t last_seq = 0;
    bool truncated = false; ///< more events follow
};

/// Writes events until the limit, 4 MiB or the end of the run.
TimelinePage write_events(store::JsonbWriter& body, Portal portal, int limit, std::string_view run_id,
                          const Admission& admission) {
    TimelinePage page;
    std::size_t bytes = 0;
    for (;;) {
        SPI_cursor_fetch(portal, true, fetch_size);
        const store::Rows rows = store::last_rows();
        if (!rows.any()) {
            return page;
        }
        for (std::uint64_t row = 0; row < rows.count(); ++row) {
            if (page.events == limit || bytes >= run::max_page_bytes) {
                page.truncated = true;
                return page;
            }
            bytes += write_event(body, rows, row, run_id, admission);
            page.last_seq = store::required(rows.int8(row, store::timeline_column::event_seq));
            ++page.events;
        }
    }
}

} // namespace

PDPP_FUNCTION(pdpp_run_timeline) {
    if (PG_ARGISNULL(0)) {
        PG_RETURN_NULL();
    }
    return store::in_spi(fcinfo, [&]() -> Jsonb* {
        const std::string_view run_id = text_view(PG_GETARG_DATUM(0));
        const int limit = PG_ARGISNULL(1) ? run::default_page_size : PG_GETARG_INT32(1);
        refuse_if(run::check_page_size(limit));
        const auto cursor = parse_timeline_cursor(text_argument(fcinfo, 2));
        // it may have been declared by an earlier version
        const auto event_type = PG_NARGS() > 3 ? text_argument(fcinfo, 3) : std::nullopt;
        const bool newest_first = PG_NARGS() > 4 && !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);

        store::LifecycleRecord record;
        if (run::may_be_known(run_id)) {
            record = store::read_lifecycle(run_id);
        }
        if (!record.events.known()) {
            set_response_not_found();
            return not_found_body(run_id);
        }
        const auto outcome = store::standing_outcome(record);

        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "run_timeline");
        body.field("run_id", run_id);
        body.field("trace_id", run::trace_of(record.events));
        body.field("terminal_status", outcome ? std::optional{run::word_of(*outcome)} : std::nullopt);
        body.key("data");
        body.begin_array();
        // one more than the page takes tells whether more follow
        const store::TimelineRange range{
            .behind = position_of(run_id, cursor), .event_type = event_type, .newest_first = newest_first};
        Portal portal = store::open_timeline(run_id, range, limit + 1);
        const TimelinePage page = write_events(
            body, portal, limit, run_id, {record.events.admitted.value_or(run::LifecycleEvent{}), record.is_imported});
        SPI_cursor_close(portal);
        body.end_array();
        body.field("event_count", page.events);
        body.field("limit", limit);
        body.field("truncated", page.truncated);
        if (outcome && store::was_pruned(run_id)) {
            body.field("pruned", true);
        }
        // Null says that there is nothing to resume for: the run has ended and this was the last of it, or nothing is
        // new and the cursor that the caller has still stands. Nothing ever comes before the first event.
        const bool resumable = page.truncated || (page.events > 0 && !outcome && !newest_first);
        const run::CursorText next = run::encode(cursor_at(run_id, page.last_seq));
        body.field("next_cursor", resumable ? std::optional{next.view()} : std::nullopt);
        body.end_object();
        return body.finish();
    });
}

} // namespace pdpp::api
