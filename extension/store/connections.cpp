#include "store/connections.hpp"

#include "boundary.hpp"
#include "store/direct.hpp"
#include "store/durable.hpp"
#include "store/flight.hpp"
#include "store/statement.hpp"

#include <algorithm>
#include <utility>

namespace pdpp::store {

namespace {

/// What an admission has to know of its connection, which it returns.
#define LOCKED " returning c.connector_id, c.run_generation"
#define LOCKED_TIMED LOCKED ", c.run_timeout, c.boot_epoch"

std::optional<LockedConnection> locked_in(const Rows& rows) {
    if (!rows.any()) {
        return {};
    }
    LockedConnection locked{.connector_id = required(rows.text(0, 0)),
                            .run_generation = required(rows.int8(0, 1)),
                            .timeout = {},
                            .offered_by = {}};
    if (rows.columns() > 2) {
        // Of the runs that are admitted as long as the connection is offered. One that says nothing, or was written by
        // hand and is none, is no time.
        const auto seconds = rows.seconds(0, 2).value_or(0);
        locked.offered_by = rows.uuid(0, 3);
        if (locked.offered_by && seconds > 0) {
            constexpr double longest = 1e12; // and some thousand years more: a run's deadline ends before that
            locked.timeout = static_cast<std::int64_t>(std::min(seconds, longest) * 1e6);
        }
    }
    return locked;
}

/// Where the connection's row is just now.
std::optional<ItemPointerData> place_of(std::string_view connector_instance_id) {
    std::optional<ItemPointerData> place;
    with_row(&Catalogue::connections, RowExclusiveLock, &ConnectionEntry::connector_instance_id,
             &ConnectionEntry::primary_key, connector_instance_id,
             [&](Relation /*table*/, const ConnectionEntry& /*columns*/, const TupleTableSlot* found,
                 Snapshot /*snapshot*/) { place = found->tts_tid; });
    return place;
}

/// Locks a connection by raising its generation; another connector's from then on, if one is given. To find that there
/// is none yet takes no statement.
std::optional<LockedConnection> raise_generation(std::string_view connector_instance_id,
                                                 std::optional<std::string_view> connector_id) {
#define RAISE                                                                                                          \
    "update pdpp.connections as c set run_generation = run_generation + 1, connector_id = coalesce($2, "               \
    "c.connector_id) where connector_instance_id = $1"
    static Statement raise{RAISE LOCKED};
    static Statement raise_timed{RAISE LOCKED_TIMED};
    static Statement raise_at_place{RAISE " and ctid = $3" LOCKED};
    static Statement raise_timed_at_place{RAISE " and ctid = $3" LOCKED_TIMED};
#undef RAISE
    if (OidIsValid(catalogue().connections.table)) {
        const auto place = place_of(connector_instance_id);
        if (!place) {
            return {};
        }
        Statement& at_place = keeps_deadlines() ? raise_timed_at_place : raise_at_place;
        if (const auto locked = locked_in(at_place.execute({connector_instance_id, connector_id, *place}))) {
            return locked;
        }
    }
    return locked_in((keeps_deadlines() ? raise_timed : raise).execute({connector_instance_id, connector_id}));
}

} // namespace

LockedConnection lock_connection(std::string_view connector_instance_id, std::string_view connector_id) {
#define UPSERT                                                                                                         \
    "insert into pdpp.connections as c (connector_instance_id, connector_id, run_generation) values ($1, $2, 1)"       \
    " on conflict (connector_instance_id) do update"                                                                   \
    " set run_generation = c.run_generation + 1, connector_id = excluded.connector_id"
    static Statement upsert{UPSERT LOCKED};
    static Statement upsert_timed{UPSERT LOCKED_TIMED};
#undef UPSERT
    if (const auto locked = raise_generation(connector_instance_id, connector_id)) {
        return *locked;
    }
    // its first run, or somebody else's who is just about to commit that
    const auto locked =
        locked_in((keeps_deadlines() ? upsert_timed : upsert).execute({connector_instance_id, connector_id}));
    if (!locked) {
        refuse_unwritten("connections");
    }
    return *locked;
}

std::optional<LockedConnection> lock_recorded_connection(std::string_view connector_instance_id) {
    const auto locked = raise_generation(connector_instance_id, {});
    if (!locked) {
        static Statement find{"select from pdpp.connections where connector_instance_id = $1"};
        if (find.execute({connector_instance_id}).any()) {
            refuse_unwritten("connections");
        }
    }
    return locked;
}
#undef LOCKED_TIMED
#undef LOCKED

namespace {

/// Of the runs that wait, notes which are this boot's to claim. One that somebody has locked is left as it is: whoever
/// does that may want the connection next. It is found by what its connection says (store/claim.cpp).
void note_offer(const Jsonb* connections, const pg_uuid_t& boot_epoch) {
#define NOTE(boot, runs)                                                                                               \
    "update pdpp.controller_active_runs as f set offered_by = " boot                                                   \
    " where f.ctid = any (array(select a.ctid from " runs " for no key update of a skip locked))"
    static Statement withdraw{NOTE("null", "pdpp.controller_active_runs as a where a.offered_by = $2"
                                           " and a.boot_epoch is null and not exists (select from"
                                           "  jsonb_array_elements($1) as o"
                                           "  where o->>'connector_instance_id' = a.connector_instance_id)")};
    static Statement note{NOTE("$2", "jsonb_array_elements($1) as o join pdpp.controller_active_runs as a"
                                     " on a.connector_instance_id = o->>'connector_instance_id'"
                                     " where a.boot_epoch is null and a.offered_by is distinct from $2")};
#undef NOTE
    withdraw.change({connections, boot_epoch});
    note.change({connections, boot_epoch});
}

} // namespace

OfferedConnections offered_connections(std::string_view connector_id) {
    static Statement find{
        "select count(*), coalesce(min(id), ''), coalesce(jsonb_agg(id order by id), '[]')::text from ("
        " select c.connector_instance_id as id from pdpp.connections as c"
        " where c.connector_id = $1 and c.boot_epoch is not null order by 1 limit 100) as offered"};
    if (OidIsValid(catalogue().connections.table)) { // with the lock of the update that follows (store/direct.hpp)
        ConnectionEntry columns;
        relation_close(open_current(&Catalogue::connections, RowExclusiveLock, columns), NoLock);
    }
    const Rows rows = find.execute({connector_id});
    return {.count = required(rows.int8(0, 0)), .first = required(rows.text(0, 1)), .ids = required(rows.text(0, 2))};
}

std::optional<std::string_view> duplicate_offer(const Jsonb* connections) {
    static Statement find{"select o->>'connector_instance_id' from jsonb_array_elements($1) as o"
                          " group by 1 having count(*) > 1 limit 1"};
    const Rows rows = find.execute({connections});
    if (!rows.any()) {
        return {};
    }
    return rows.text(0, 0);
}

std::optional<std::string_view> offer_of_no_time(const Jsonb* connections) {
    static Statement find{"select o->>'connector_instance_id' from jsonb_array_elements($1) as o"
                          " where not case coalesce(jsonb_typeof(o->'timeout_seconds'), 'null')"
                          " when 'null' then true"
                          " when 'number' then (o->>'timeout_seconds')::numeric between 0.000001 and $2"
                          " else false end limit 1"};
    const Rows rows = find.execute({connections, run::longest_timeout / 1'000'000});
    if (!rows.any()) {
        return {};
    }
    return rows.text(0, 0);
}

std::int64_t record_offer(const Jsonb* connections, const pg_uuid_t& boot_epoch) {
// What this boot offered before, and what dead boots of its controller left on offer: nobody else would withdraw that.
#define OFFERED_BY_US                                                                                                  \
    "(c.boot_epoch = $2 or c.boot_epoch in ("                                                                          \
    "  select earlier.boot_epoch from pdpp.controller_boots as mine join pdpp.controller_boots as earlier"             \
    "  on earlier.controller_id = mine.controller_id and earlier.seq < mine.seq and earlier.dead_at is not null"       \
    "  where mine.boot_epoch = $2))"
    // All rows that either statement touches are locked first, in the order of their key: two offers that take each
    // other's connections over cannot wait for each other in a circle.
    static Statement lock{"select from pdpp.connections as c where " OFFERED_BY_US " or c.connector_instance_id in ("
                          "  select o->>'connector_instance_id' from jsonb_array_elements($1) as o)"
                          " order by c.connector_instance_id for no key update of c"};
    static Statement withdraw{
        "update pdpp.connections as c set boot_epoch = null where " OFFERED_BY_US " and not exists ("
        "  select from jsonb_array_elements($1) as o where o->>'connector_instance_id' = c.connector_instance_id)"};
#undef OFFERED_BY_US
#define OFFER(column, value, update)                                                                                   \
    "with offered as ("                                                                                                \
    " insert into pdpp.connections as c (connector_instance_id, connector_id, boot_epoch" column ")"                   \
    " select o->>'connector_instance_id', o->>'connector_id', $2" value " from jsonb_array_elements($1) as o order by" \
    " 1 on conflict (connector_instance_id) do update"                                                                 \
    " set connector_id = excluded.connector_id, boot_epoch = excluded.boot_epoch" update                               \
    " returning 1) select count(*) from offered"
    static Statement offer{OFFER("", "", "")};
    static Statement offer_timed{OFFER(", run_timeout", // an interval is made of seconds, which is null of null
                                       ", make_interval(secs => (o->>'timeout_seconds')::double precision)",
                                       ", run_timeout = excluded.run_timeout")};
#undef OFFER
    require_durable_commit(); // a controller that rejoins after a crash offers nothing again
    lock.execute({connections, boot_epoch});
    withdraw.execute({connections, boot_epoch});
    const std::int64_t count =
        required((keeps_deadlines() ? offer_timed : offer).execute({connections, boot_epoch}).int8(0, 0));
    if (std::cmp_not_equal(count, JB_ROOT_COUNT(connections))) {
        refuse_unwritten("connections");
    }
    if (keeps_offers()) {
        note_offer(connections, boot_epoch);
    }
    return count;
}

} // namespace pdpp::store
