#include "store/endings.hpp"

#include "boundary.hpp"
#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::store {

namespace {

/// Beside those of pg_advisory_lock() and of boots.
constexpr std::uint16_t prepared_lock_class = 0x7065;

/// Whether this transaction has written events, or may have.
bool locks_spine() {
    const Oid schema = get_namespace_oid("pdpp", true);
    const Oid spine = OidIsValid(schema) ? get_relname_relid("spine_events", schema) : InvalidOid;
    if (!OidIsValid(spine)) {
        return false;
    }
    LOCKTAG tag;
    SET_LOCKTAG_RELATION(tag, MyDatabaseId, spine);
    return pg::holds_lock(&tag, RowExclusiveLock);
}

/// The transaction is about to be prepared: from here on only callbacks of others run, which may call our functions
/// still.
bool is_preparing = false;

/// A prepared transaction has no session that shows when it began. It keeps its locks, over a crash as well, so it is
/// given one whose key is that time.
void lock_prepared() {
    const auto began = static_cast<std::uint64_t>(GetCurrentTransactionStartTimestamp());
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<std::uint32_t>(began >> 32), static_cast<std::uint32_t>(began),
                         prepared_lock_class);
    LockAcquire(&tag, ShareLock, false, false);
}

void lock_at_prepare(XactEvent event, void* /*argument*/) {
    if (event == XACT_EVENT_PRE_PREPARE) {
        is_preparing = true;
        if (locks_spine()) {
            lock_prepared();
        }
    } else if (event == XACT_EVENT_PREPARE || event == XACT_EVENT_ABORT) {
        is_preparing = false;
    }
}

/// When the oldest prepared transaction that has written events began.
std::optional<run::Instant> oldest_prepared() {
    static Statement oldest{"select min((l.classid::bigint << 32) | l.objid::bigint) from pg_locks as l"
                            " where l.locktype = 'advisory' and l.objsubid = $1 and l.database ="
                            "  (select d.oid from pg_database as d where d.datname = current_database())"};
    if (max_prepared_xacts == 0) {
        return {};
    }
    const auto began = oldest.execute({std::int64_t{prepared_lock_class}}).int8(0, 0);
    return began ? std::optional{to_instant(*began)} : std::nullopt;
}

} // namespace

void watch_prepared_transactions() {
    RegisterXactCallback(lock_at_prepare, nullptr);
}

void hold_endings_once_prepared() {
    if (is_preparing) {
        lock_prepared();
    }
}

run::Instant recorded_until() {
    // A writer has its transaction id, and so shows up here, before it stamps its event. One that does not show up has
    // committed, or stamps a time after this look, which the clock was read before, or has been prepared. A session
    // that does not report its transactions (track_activities) has none that is older than itself.
    static Statement oldest{"select least($1, min(coalesce(xact_start, backend_start))) from pg_stat_activity"
                            " where datname = current_database() and backend_xid is not null"};
    constexpr std::int64_t margin = 1'000'000; // for clocks that are set back a little
    const run::Instant latest{now().unix_micros - margin};
    pgstat_clear_snapshot(); // the sessions are looked at once in a transaction otherwise
    const run::Instant until = required(oldest.execute({latest}).instant(0, 0));
    // Looked for after the sessions: a transaction has its lock before its session lets go of it, and keeps it until
    // what it wrote can be seen, which we look for later still.
    return std::min(until, oldest_prepared().value_or(until));
}

Endings endings_between(run::Instant since, run::Instant until, std::int64_t limit) {
    // Only the index on endings has this order, and sorting is off: no other plan is worth a thought, whatever the
    // planner knows of the window when it makes one for good. An epoch is looked up one by one for the same reason; the
    // data of an event is whatever its writer made it.
    static Statement count{R"(
with endings as materialized (
    select event_type, recorded_at, data_json from pdpp.spine_events
    where event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')
          and recorded_at >= $1 and recorded_at < $2
    order by recorded_at fetch first $3 rows with ties
), counts as (
    select substr(event_type, 5) as status,
           coalesce(case jsonb_typeof(data_json -> 'reason') when 'string' then nullif(data_json ->> 'reason', '') end,
                    case jsonb_typeof(data_json -> 'failure_reason') when 'string'
                         then nullif(data_json ->> 'failure_reason', '') end) as reason,
           count(*) as count
    from endings group by 1, 2
), abandoned as (
    select recorded_at,
           (select b.lost_at from pdpp.controller_boots as b
            where b.boot_epoch = case when data_json ->> 'original_boot_epoch' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                                      then (data_json ->> 'original_boot_epoch')::uuid end) as lost_at
    from endings where event_type = 'run.abandoned'
)
select (select coalesce(jsonb_agg(to_jsonb(c) order by c.count desc, c.status, c.reason), '[]') from counts as c),
       (select coalesce(jsonb_agg(greatest(extract(epoch from a.recorded_at - a.lost_at), 0) order by a.recorded_at), '[]')
        from abandoned as a where a.lost_at is not null),
       (select least($2, case when count(*) >= $3 then max(recorded_at) + interval '1 microsecond' end) from endings))"};
    // later than the look at the sessions, also where all statements of the transaction share one snapshot
    PushActiveSnapshot(GetLatestSnapshot());
    Portal portal = count.open({since, until, limit});
    SPI_cursor_fetch(portal, true, 1);
    const Rows rows = last_rows();
    const Endings endings{
        .counts = rows.jsonb(0, 0), .detection = rows.jsonb(0, 1), .until = required(rows.instant(0, 2))};
    SPI_cursor_close(portal);
    PopActiveSnapshot();
    return endings;
}

} // namespace pdpp::store
