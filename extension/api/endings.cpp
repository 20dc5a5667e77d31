// pdpp_run_endings: how many runs ended how, in a window of time, so that windows put together count each ending once.

#include "store/endings.hpp"
#include "api/arguments.hpp"
#include "boundary.hpp"
#include "store/jsonb.hpp"
#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::api {

namespace {

/// Endings that one call counts: tens of milliseconds, or a second where none of their pages is in memory.
constexpr std::int64_t most_endings = 10'000;

/// With microseconds, as events are recorded: the end of one window is the beginning of the next.
const char* exact(run::Instant instant) {
    const int utc = 0;
    return JsonEncodeDateTime(nullptr, TimestampTzGetDatum(to_timestamptz(instant)), TIMESTAMPTZOID, &utc);
}

} // namespace

PDPP_FUNCTION(pdpp_run_endings) {
    // a standby does not see who writes on its primary
    PreventCommandDuringRecovery("pdpp_run_endings()");
    return store::in_spi(fcinfo, [&]() -> Jsonb* {
        const auto since = instant_argument(fcinfo, 0);
        if (since && to_timestamptz(*since) != PG_GETARG_TIMESTAMPTZ(0)) {
            refuse(run::ErrorCode::invalid_request, "since", "since must be a finite time");
        }
        const run::Instant settled_until = store::recorded_until();
        const run::Instant end = std::max(settled_until, since.value_or(settled_until));
        const store::Endings endings = store::endings_between(since.value_or(end), end, most_endings);

        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "run_endings");
        body.field("since", since ? std::optional{exact(*since)} : std::nullopt);
        body.field("until", exact(endings.until));
        body.field("data", endings.counts);
        body.field("detection", endings.detection);
        body.field("has_more", endings.until < end);
        body.end_object();
        return body.finish();
    });
}

} // namespace pdpp::api
