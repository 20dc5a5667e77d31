// pdpp_run_wait: the status of a run at its end. pdpp_run_key: what its notifications carry.

#include "store/wait.hpp"
#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/id.hpp"
#include "run/text.hpp"
#include "store/digest.hpp"
#include "store/lifecycle.hpp"

#include <span>

namespace pdpp::api {

namespace {

/// A wait holds no snapshot and no lock, so it needs transactions of its own, one for each look, and must not commit
/// for its caller what he has begun.
void require_own_transaction(FunctionCallInfo fcinfo) {
    const auto* call = reinterpret_cast<const CallContext*>(fcinfo->context);
    if (call != nullptr && IsA(call, CallContext) && !call->atomic && !IsSubTransaction() &&
        !TransactionIdIsValid(GetTopTransactionIdIfAny())) {
        return;
    }
    ereport(
        ERROR,
        (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
         errmsg("pdpp_run_wait cannot wait within a transaction block, a function or a savepoint, nor in a transaction "
                "that has written"),
         errhint("Commit first, and call it by itself, with autocommit: a wait within a transaction would keep "
                 "VACUUM from removing rows.")));
}

/// Ends the transaction, and with it every snapshot and lock; begins the next, which has neither.
void begin_anew() {
    SPI_commit();
    SPI_start_transaction();            // by the commit itself, from the latest of each version on
    XactIsoLevel = XACT_READ_COMMITTED; // one read needs no more, and serializable reads are felt by writers
}

/// The latest status as a body; a null pointer while it is active.
Jsonb* body_at_end(std::string_view run_id, bool or_before) {
    PushActiveSnapshot(GetLatestSnapshot());
    const store::LifecycleRecord record = store::read_lifecycle(run_id, store::Retries::read);
    PopActiveSnapshot();
    if (!record.events.known()) {
        return not_found_body(run_id);
    }
    return record.events.ended || or_before ? status_body(run_id, record) : nullptr;
}

/// In the memory context of the caller.
Jsonb* wait_for_end(std::string_view run_id, std::int64_t timeout) {
    const std::int64_t deadline = steady_micros() + timeout;
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "pdpp_run_wait", ALLOCSET_SMALL_SIZES);
    if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT) {
        elog(ERROR, "SPI_connect failed");
    }
    store::EndingWait wait{run_id};
    Jsonb* body = nullptr;
    for (;;) {
        begin_anew();
        MemoryContext before = MemoryContextSwitchTo(memory);
        MemoryContextReset(memory); // of the look before: it may be a long wait
        body = body_at_end(run_id, steady_micros() >= deadline);
        MemoryContextSwitchTo(before);
        if (body != nullptr) {
            break;
        }
        begin_anew();
        wait.sleep(deadline - steady_micros());
    }
    store::EndingWait::finish();
    SPI_finish();
    return body;
}

} // namespace

PDPP_FUNCTION(pdpp_run_key) {
    return to_text(
        psprintf("%016llx", static_cast<unsigned long long>(store::sha256_head(text_view(PG_GETARG_DATUM(0))))));
}

PDPP_FUNCTION(pdpp_run_wait) {
    require_own_transaction(fcinfo);
    const std::int64_t timeout = duration_argument(fcinfo, 1, "timeout");
    Jsonb* body = nullptr;
    if (!PG_ARGISNULL(0)) {
        const std::string_view run_id = text_view(PG_GETARG_DATUM(0));
        body = run::may_be_known(run_id) ? wait_for_end(run_id, timeout) : not_found_body(run_id);
    }
    TupleDesc row = nullptr;
    if (get_call_result_type(fcinfo, nullptr, &row) != TYPEFUNC_COMPOSITE) {
        elog(ERROR, "return type must be a row type");
    }
    Datum values[1] = {JsonbPGetDatum(body)};
    bool is_null[1] = {body == nullptr};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, is_null));
}

} // namespace pdpp::api
