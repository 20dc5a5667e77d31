#include "store/connections.hpp"

#include "store/statement.hpp"

namespace pdpp::store {

std::int64_t lock_connection(std::string_view connector_instance_id, std::string_view connector_id) {
    static Statement upsert{
        "insert into pdpp.connections as c (connector_instance_id, connector_id, run_generation) values ($1, $2, 1)"
        " on conflict (connector_instance_id) do update"
        " set run_generation = c.run_generation + 1, connector_id = excluded.connector_id"
        " returning run_generation"};
    return *upsert.execute({connector_instance_id, connector_id}).int8(0, 0);
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
    // All rows that either statement touches are locked first, in the order of their key: two offers that take each
    // other's connections over cannot wait for each other in a circle.
    static Statement lock{"select from pdpp.connections as c where c.boot_epoch = $2 or c.connector_instance_id in ("
                          "  select o->>'connector_instance_id' from jsonb_array_elements($1) as o)"
                          " order by c.connector_instance_id for no key update"};
    static Statement withdraw{
        "update pdpp.connections set boot_epoch = null where connector_instance_id in ("
        " select c.connector_instance_id from pdpp.connections as c where c.boot_epoch = $2 and not exists ("
        "  select from jsonb_array_elements($1) as o where o->>'connector_instance_id' = c.connector_instance_id))"};
    static Statement offer{
        "with offered as ("
        " insert into pdpp.connections as c (connector_instance_id, connector_id, boot_epoch)"
        " select o->>'connector_instance_id', o->>'connector_id', $2 from jsonb_array_elements($1) as o order by 1"
        " on conflict (connector_instance_id) do update"
        " set connector_id = excluded.connector_id, boot_epoch = excluded.boot_epoch"
        " returning 1) select count(*) from offered"};
    lock.execute({connections, boot_epoch});
    withdraw.execute({connections, boot_epoch});
    return *offer.execute({connections, boot_epoch}).int8(0, 0);
}

} // namespace pdpp::store
