#include "store/connection_list.hpp"

#include "run/id.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

namespace {

// Each row's boot and run are looked up by their keys: OFFSET 0 keeps the planner from joining whole tables. A boot
// that is lost counts as none, though it may come back within the grace.
#define COLUMNS                                                                                                        \
    "select c.connector_instance_id, c.connector_id, c.run_generation,"                                                \
    " case when c.boot_epoch is not null and c.run_timeout > interval '0'"                                             \
    "  then to_jsonb(trim_scale(extract(epoch from c.run_timeout)::numeric)) end,"                                     \
    " b.controller_id, f.run_id from "
#define BOOT_OF(row)                                                                                                   \
    " left join lateral (select b.controller_id from pdpp.controller_boots as b"                                       \
    "  where b.boot_epoch = " row ".boot_epoch and b.lost_at is null and b.dead_at is null offset 0) as b on true"
#define RUN                                                                                                            \
    " left join lateral (select f.run_id from pdpp.controller_active_runs as f"                                        \
    "  where f.connector_instance_id = c.connector_instance_id offset 0) as f on true"
#define IS_OFFERED " and ($3 is null or (b.controller_id is not null) = $3)"
#define IS_ACTIVE " and ($4 is null or (f.run_id is not null) = $4)"
#define IS_ID " and octet_length(c.connector_instance_id) between 1 and 256"
#define LOOKUPS BOOT_OF("c") RUN
#define BOOT_NAMED BOOT_OF("n")
#define PASSES IS_ID IS_OFFERED IS_ACTIVE
#define IN_ORDER " order by c.connector_instance_id limit $2"
static_assert(run::max_id_bytes == 256);

} // namespace

// One statement for each way of filtering, so that each is planned as one range of one index: its condition and its
// order name the index's columns, so that no other will do, whatever the planner believes of how many match.
Portal open_connection_list(const ConnectionFilter& filter, std::string_view after, std::int64_t limit) {
    static Statement any{COLUMNS "pdpp.connections as c" LOOKUPS " where c.connector_instance_id > $1" PASSES IN_ORDER};
    static Statement the_one{COLUMNS "pdpp.connections as c" LOOKUPS
                                     " where c.connector_instance_id = $5 and c.connector_instance_id > $1"
                                     " and ($6 is null or c.connector_id = $6)" PASSES IN_ORDER};
    static Statement of_connector{
        COLUMNS "pdpp.connections as c" LOOKUPS " where (c.connector_id, c.connector_instance_id) > ($5, $1)"
                " and c.connector_id <= $5" PASSES " order by c.connector_id, c.connector_instance_id limit $2"};
    // there are never more runs in flight than connections
    static Statement in_flight{
        COLUMNS "pdpp.controller_active_runs as a cross join lateral (select * from pdpp.connections as c"
                " where c.connector_instance_id = a.connector_instance_id offset 0) as c" LOOKUPS
                " where a.connector_instance_id > $1 and ($5 is null or c.connector_id = $5)" PASSES
                " order by a.connector_instance_id limit $2"};
    // Those that are offered, or are not, may be few among many. What boots they name is found by leaps over their
    // index: a few, since an offer is withdrawn by the next boot of its controller.
    static Statement by_offer{
        "with recursive named(boot_epoch) as ("
        " (select c.boot_epoch from pdpp.connections as c where c.boot_epoch is not null order by c.boot_epoch limit 1)"
        " union all select (select c.boot_epoch from pdpp.connections as c where c.boot_epoch > n.boot_epoch"
        "  order by c.boot_epoch limit 1) from named as n where n.boot_epoch is not null"
        "), found as ("
        " select c.* from named as n" BOOT_NAMED " cross join lateral (select c.* from pdpp.connections as c" RUN
        "  where (c.boot_epoch, c.connector_instance_id) > (n.boot_epoch, $1) and c.boot_epoch <= n.boot_epoch" IS_ID
            IS_ACTIVE "  order by c.boot_epoch, c.connector_instance_id limit $2) as c where true" IS_OFFERED
        " union all (select c.* from pdpp.connections as c" RUN
        "  where not $3 and c.boot_epoch is null and c.connector_instance_id > $1" IS_ID IS_ACTIVE
        "  order by c.boot_epoch, c.connector_instance_id limit $2)"
        ") " COLUMNS "found as c" LOOKUPS " where true" IN_ORDER};
    const auto& [connector_id, connector_instance_id, is_offered, is_active] = filter;
    if (connector_instance_id) {
        return the_one.open({after, limit, is_offered, is_active, *connector_instance_id, connector_id});
    }
    if (is_active == true) {
        return in_flight.open({after, limit, is_offered, is_active, connector_id});
    }
    if (connector_id) {
        return of_connector.open({after, limit, is_offered, is_active, *connector_id});
    }
    return (is_offered ? by_offer : any).open({after, limit, is_offered, is_active});
}
#undef COLUMNS
#undef BOOT_OF
#undef BOOT_NAMED
#undef RUN
#undef IS_OFFERED
#undef IS_ACTIVE
#undef IS_ID
#undef LOOKUPS
#undef PASSES
#undef IN_ORDER

} // namespace pdpp::store
