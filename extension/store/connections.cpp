#include "store/connections.hpp"

#include "store/durable.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

std::int64_t lock_connection(std::string_view connector_instance_id, std::string_view connector_id) {
    static Statement upsert{
        "insert into pdpp.connections as c (connector_instance_id, connector_id, run_generation) values ($1, $2, 1)"
        " on conflict (connector_instance_id) do update"
        " set run_generation = c.run_generation + 1, connector_id = excluded.connector_id"
        " returning run_generation"};
    return required(upsert.execute({connector_instance_id, connector_id}).int8(0, 0));
}

std::optional<LockedConnection> lock_recorded_connection(std::string_view connector_instance_id) {
    static Statement update{"update pdpp.connections set run_generation = run_generation + 1"
                            " where connector_instance_id = $1 returning connector_id, run_generation"};
    const Rows rows = update.execute({connector_instance_id});
    if (!rows.any()) {
        return {};
    }
    return LockedConnection{.connector_id = required(rows.text(0, 0)), .run_generation = required(rows.int8(0, 1))};
}

OfferedConnections offered_connections(std::string_view connector_id) {
    static Statement find{
        "select count(*), coalesce(min(id), ''), coalesce(jsonb_agg(id order by id), '[]')::text from ("
        " select c.connector_instance_id as id from pdpp.connections as c"
        " where c.connector_id = $1 and c.boot_epoch is not null order by 1 limit 100) as offered"};
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
    static Statement offer{
        "with offered as ("
        " insert into pdpp.connections as c (connector_instance_id, connector_id, boot_epoch)"
        " select o->>'connector_instance_id', o->>'connector_id', $2 from jsonb_array_elements($1) as o order by 1"
        " on conflict (connector_instance_id) do update"
        " set connector_id = excluded.connector_id, boot_epoch = excluded.boot_epoch"
        " returning 1) select count(*) from offered"};
    require_durable_commit(); // a controller that rejoins after a crash offers nothing again
    lock.execute({connections, boot_epoch});
    withdraw.execute({connections, boot_epoch});
    return required(offer.execute({connections, boot_epoch}).int8(0, 0));
}

} // namespace pdpp::store
