// pdpp_run_list: one page of runs, newest admission first.

#include "run/list.hpp"
#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/id.hpp"
#include "run/status.hpp"
#include "run/timeline.hpp"
#include "store/digest.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/list.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

namespace {

/// Tells a cursor of ours from one that was changed or made up.
std::uint64_t tag_of(const run::ListPosition& position) {
    const char* admitted_at = psprintf("pdpp list %lld ", static_cast<long long>(position.admitted_at.unix_micros));
    return store::sha256_head(join({admitted_at, position.run_id}));
}

std::optional<run::ListCursor> parse_list_cursor(std::optional<std::string_view> text) {
    if (!text || text->empty()) { // as a form or a link writes one that is none
        return {};
    }
    const auto cursor = run::decode_list_cursor(*text);
    if (!cursor || cursor->tag != tag_of(cursor->position())) {
        refuse(run::ErrorCode::invalid_cursor, "cursor", "cursor is not one that the list returned");
    }
    return cursor;
}

std::optional<std::string_view> status_argument(FunctionCallInfo fcinfo, int index) {
    const auto status = text_argument(fcinfo, index);
    if (status) {
        refuse_if(run::check_status(*status));
    }
    return status;
}

/// Whether a filter lets this value pass.
bool admits(const std::optional<std::string_view>& wanted, const std::optional<std::string_view>& value) {
    return !wanted || value == wanted;
}

/// Whether the run, all of it seen, is one of the list, by the status that pdpp_run_status would tell.
bool matches(const store::ListFilter& filter, std::string_view run_id, const store::LifecycleRecord& record) {
    // written by hand, or flight state whose admission a restore has yet to load: no handle
    if (!run::may_be_known(run_id) || !record.events.known()) {
        return false;
    }
    const run::Status status = run::project(record.events, record.in_flight);
    return admits(filter.status, status.status) && admits(filter.connector_id, status.connector_id) &&
           admits(filter.connector_instance_id, status.connector_instance_id) &&
           admits(filter.retry_of, record.retry_of);
}

/// The status of a run that matches; else a null pointer, nothing of the run being kept in memory.
const Jsonb* status_if_listed(const store::ListFilter& filter, std::string_view run_id, MemoryContext run_memory) {
    MemoryContextReset(run_memory);
    MemoryContext call_memory = MemoryContextSwitchTo(run_memory);
    const store::LifecycleRecord record = store::read_lifecycle(run_id, store::Retries::read);
    const bool is_listed = matches(filter, run_id, record);
    MemoryContextSwitchTo(call_memory);
    return is_listed ? status_body(run_id, record) : nullptr;
}

struct ListPage {
    int runs = 0;
    run::Instant last_admitted_at;
    run::Text<run::max_id_bytes> last_run_id;
    bool has_more = false;

    [[nodiscard]] run::ListPosition end() const { return {last_admitted_at, last_run_id.view()}; }
};

/// Writes the statuses of the runs that match, until the limit, 4 MiB or the last of them. Only another that matches is
/// more.
ListPage write_runs(store::JsonbWriter& body, const store::ListFilter& filter, Portal portal, int limit) {
    namespace column = store::list_column;
    MemoryContext run_memory = AllocSetContextCreate(CurrentMemoryContext, "pdpp_run_list run", ALLOCSET_DEFAULT_SIZES);
    ListPage page;
    std::size_t bytes = 0;
    for (;;) {
        SPI_cursor_fetch(portal, true, limit + 1);
        const store::Rows rows = store::last_rows();
        if (!rows.any()) {
            return page;
        }
        for (std::uint64_t row = 0; row < rows.count(); ++row) {
            CHECK_FOR_INTERRUPTS();
            const std::string_view run_id = store::required(rows.text(row, column::run_id));
            const Jsonb* status = status_if_listed(filter, run_id, run_memory);
            if (status == nullptr) {
                continue;
            }
            if (page.runs == limit || bytes >= run::max_page_bytes) {
                page.has_more = true;
                return page;
            }
            body.value(status);
            bytes += VARSIZE(status);
            page.last_admitted_at = store::required(rows.instant(row, column::admitted_at));
            page.last_run_id = run::Text<run::max_id_bytes>{run_id};
            ++page.runs;
        }
        SPI_freetuptable(SPI_tuptable);
    }
}

} // namespace

PDPP_FUNCTION(pdpp_run_list) {
    return store::in_spi(fcinfo, [&]() -> Jsonb* {
        const store::ListFilter filter{
            .status = status_argument(fcinfo, 0),
            .connector_id = optional_id(fcinfo, 1, "connector_id"),
            .connector_instance_id = optional_id(fcinfo, 2, "connector_instance_id"),
            .retry_of = 7 < PG_NARGS() ? optional_id(fcinfo, 7, "retry_of") : std::nullopt,
            .since = instant_argument(fcinfo, 3).value_or(to_instant(DT_NOBEGIN)),
        };
        const run::ListPosition until{instant_argument(fcinfo, 4).value_or(to_instant(DT_NOEND)), {}};
        const int limit = PG_ARGISNULL(5) ? run::default_list_size : PG_GETARG_INT32(5);
        refuse_if(run::check_list_size(limit));
        const auto cursor = parse_list_cursor(text_argument(fcinfo, 6));
        const bool goes_on = cursor && cursor->admitted_at < until.admitted_at;

        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "list");
        body.key("data");
        body.begin_array();
        Portal portal = store::open_list(filter, goes_on ? cursor->position() : until);
        const ListPage page = write_runs(body, filter, portal, limit);
        SPI_cursor_close(portal);
        body.end_array();
        body.field("has_more", page.has_more);
        const run::ListCursorText next = run::encode(page.end(), tag_of(page.end()));
        body.field("next_cursor", page.has_more ? std::optional{next.view()} : std::nullopt);
        body.end_object();
        return body.finish();
    });
}

} // namespace pdpp::api
