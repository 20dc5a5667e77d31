// pdpp_prune: one batch of retention.

#include "store/prune.hpp"
#include "api/arguments.hpp"
#include "boundary.hpp"
#include "store/jsonb.hpp"
#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::api {

namespace {

constexpr int default_batch_size = 1000;
constexpr int max_batch_size = 100'000;

/// Batches that are counted for what is left: counting it all would cost more than the batch.
constexpr std::int64_t batches_counted = 10;

} // namespace

PDPP_FUNCTION(pdpp_prune) {
    return store::in_spi(fcinfo, [&]() -> Jsonb* {
        const auto before = instant_argument(fcinfo, 0);
        if (!before || *before > now()) {
            refuse(run::ErrorCode::invalid_request, "before", "before must be a time that has passed");
        }
        const int batch_size = PG_ARGISNULL(1) ? default_batch_size : PG_GETARG_INT32(1);
        if (batch_size < 1 || batch_size > max_batch_size) {
            refuse(run::ErrorCode::invalid_request, "batch_size", "batch_size must be between 1 and 100000");
        }
        // counted first: what is removed stays locked until the caller's transaction ends
        const std::int64_t counted_to = batch_size * (batches_counted + 1);
        const std::int64_t prunable = store::count_prunable(*before, counted_to);
        const store::Pruned pruned = store::prune(*before, batch_size);

        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "prune");
        body.field("events", pruned.events);
        body.field("runs", pruned.runs);
        body.field("left", std::max<std::int64_t>(prunable - pruned.events, 0));
        body.field("left_is_exact", prunable < counted_to);
        body.end_object();
        return body.finish();
    });
}

} // namespace pdpp::api
