// pdpp_run_status, pdpp_run_statuses: a handle, resolved.

#include "api/body.hpp"
#include "api/postgrest.hpp"
#include "boundary.hpp"
#include "run/error.hpp"
#include "run/id.hpp"
#include "store/lifecycle.hpp"

namespace pdpp::api {

namespace {

struct Answer {
    int http_status;
    Jsonb* body;
};

Answer resolve(store::LifecycleReader& reader, std::string_view run_id) {
    if (run::may_be_known(run_id)) {
        const store::LifecycleRecord record = reader.read(run_id);
        if (record.events.known()) {
            return {200, status_body(run_id, record)};
        }
    }
    return {run::kind_of(run::ErrorCode::not_found).http_status, not_found_body(run_id)};
}

} // namespace

PDPP_FUNCTION(pdpp_run_status) {
    store::LifecycleReader reader{store::Retries::read};
    const Answer answer = resolve(reader, text_view(PG_GETARG_DATUM(0)));
    reader.close();
    if (answer.http_status == 404) {
        set_response_not_found();
    }
    return JsonbPGetDatum(answer.body);
}

PDPP_FUNCTION(pdpp_run_statuses) {
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    pg::materialize_result(fcinfo);

    Datum* run_ids = nullptr;
    bool* nulls = nullptr;
    int count = 0;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &run_ids, &nulls, &count);

    store::LifecycleReader reader{store::Retries::read};
    // each row's garbage goes before the next row is made: the array may be long
    MemoryContext row_memory =
        AllocSetContextCreate(CurrentMemoryContext, "pdpp_run_statuses row", ALLOCSET_DEFAULT_SIZES);
    MemoryContext call_memory = MemoryContextSwitchTo(row_memory);
    for (int i = 0; i < count; ++i) {
        CHECK_FOR_INTERRUPTS();
        Datum values[4] = {Int32GetDatum(i + 1), run_ids[i], Datum{0}, Datum{0}};
        bool is_null[4] = {false, nulls[i], nulls[i], nulls[i]};
        if (!nulls[i]) {
            const Answer answer = resolve(reader, text_view(run_ids[i]));
            values[2] = Int32GetDatum(answer.http_status);
            values[3] = JsonbPGetDatum(answer.body);
        }
        tuplestore_putvalues(result->setResult, result->setDesc, values, is_null);
        MemoryContextReset(row_memory);
    }
    MemoryContextSwitchTo(call_memory);
    MemoryContextDelete(row_memory);
    reader.close();
    return Datum{0};
}

} // namespace pdpp::api
