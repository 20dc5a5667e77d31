// pdpp_connection_list: one page of the connections on record, in the order of their ids.

#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/link.hpp"
#include "run/list.hpp"
#include "store/connection_list.hpp"
#include "store/digest.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::api {

namespace {

/// Tells a cursor of ours from one that was changed or made up.
std::uint64_t tag_of_connection(std::string_view connector_instance_id) {
    return store::sha256_head(join({"pdpp connections ", connector_instance_id}));
}

std::optional<run::ConnectionCursor> connection_cursor(std::optional<std::string_view> text) {
    if (!text || text->empty()) { // as a form or a link writes one that is none
        return {};
    }
    const auto cursor = run::decode_connection_cursor(*text);
    if (!cursor || cursor->tag != tag_of_connection(cursor->connector_instance_id.view())) {
        refuse(run::ErrorCode::invalid_cursor, "cursor", "cursor is not one that the list of connections returned");
    }
    return cursor;
}

std::optional<bool> boolean_argument(FunctionCallInfo fcinfo, int index) {
    return PG_ARGISNULL(index) ? std::nullopt : std::optional{PG_GETARG_BOOL(index)};
}

/// The status of a run in flight, as its handle says it; a null pointer if there is none, or the handle says that it
/// has ended (a row written by hand).
const Jsonb* active_run_body(std::optional<std::string_view> run_id) {
    if (!run_id) {
        return nullptr;
    }
    const store::LifecycleRecord record = store::read_lifecycle(*run_id);
    const bool is_active = record.events.known() && !store::standing_outcome(record);
    return is_active ? status_body(*run_id, record) : nullptr;
}

void write_connection(store::JsonbWriter& body, const store::Rows& rows, std::uint64_t row, const Jsonb* active_run) {
    namespace column = store::connection_column;
    const std::string_view id = store::required(rows.text(row, column::connector_instance_id));
    const auto controller_id = rows.text(row, column::controller_id);
    body.begin_object();
    body.key("links");
    body.begin_object();
    body.field("run", join({run::start_link(id).view()}));
    body.field("runs", join({run::runs_link(id).view()}));
    body.end_object();
    body.field("object", "connection");
    body.field("offered", controller_id.has_value());
    body.field("active_run", active_run);
    body.field("connector_id", store::required(rows.text(row, column::connector_id)));
    body.field("controller_id", controller_id);
    body.field("run_generation", store::required(rows.int8(row, column::run_generation)));
    body.field("timeout_seconds", rows.jsonb(row, column::timeout_seconds));
    body.field("connector_instance_id", id);
    body.end_object();
}

} // namespace

PDPP_FUNCTION(pdpp_connection_list) {
    namespace column = store::connection_column;
    return store::in_spi(fcinfo, [&]() -> Jsonb* {
        const store::ConnectionFilter filter{
            .connector_id = optional_id(fcinfo, 0, "connector_id"),
            .connector_instance_id = optional_id(fcinfo, 1, "connector_instance_id"),
            .is_offered = boolean_argument(fcinfo, 2),
            .is_active = boolean_argument(fcinfo, 3),
        };
        const int limit = PG_ARGISNULL(4) ? run::default_list_size : PG_GETARG_INT32(4);
        refuse_if(run::check_list_size(limit));
        const auto cursor = connection_cursor(text_argument(fcinfo, 5));
        const std::string_view after = cursor ? cursor->connector_instance_id.view() : "";

        // one more than is shown: whether there is more
        Portal portal = store::open_connection_list(filter, after, limit + 1);
        SPI_cursor_fetch(portal, true, limit + 1);
        const store::Rows rows = store::last_rows();
        const std::uint64_t shown = std::min(rows.count(), static_cast<std::uint64_t>(limit));
        const bool has_more = rows.count() > shown;

        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "list");
        body.key("data");
        body.begin_array();
        for (std::uint64_t row = 0; row < shown; ++row) {
            CHECK_FOR_INTERRUPTS();
            const Jsonb* active_run = active_run_body(rows.text(row, column::run_id));
            if (filter.is_active != true || active_run != nullptr) {
                write_connection(body, rows, row, active_run);
            }
        }
        body.end_array();
        body.field("has_more", has_more);
        run::ConnectionCursorText next;
        if (has_more) {
            const std::string_view last = store::required(rows.text(shown - 1, column::connector_instance_id));
            next = run::encode_connection(last, tag_of_connection(last));
        }
        body.field("next_cursor", has_more ? std::optional{next.view()} : std::nullopt);
        body.end_object();
        SPI_cursor_close(portal);
        return body.finish();
    });
}

} // namespace pdpp::api
