#include "store/flight.hpp"

#include "boundary.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

namespace {

#define FLIGHT_COLUMNS                                                                                                 \
    "f.run_id, f.connector_id, f.connector_instance_id, f.trace_id, f.scenario_id, f.started_at, f.run_generation,"    \
    " f.boot_epoch, f.launch_deadline, f.cancel_requested_at"

std::optional<Flight> flight_in(const Rows& rows) {
    if (!rows.any()) {
        return {};
    }
    return Flight{
        .run = {.run_id = *rows.text(0, 0),
                .connector_id = *rows.text(0, 1),
                .connector_instance_id = *rows.text(0, 2),
                .trace_id = *rows.text(0, 3),
                .scenario_id = rows.text(0, 4),
                .admitted_at = *rows.instant(0, 5)},
        .run_generation = *rows.int8(0, 6),
        .boot_epoch = rows.uuid(0, 7),
        .launch_deadline = rows.instant(0, 8),
        .cancel_requested_at = rows.instant(0, 9),
    };
}

} // namespace

bool insert_flight(const Flight& flight) {
    static Statement insert{
        "insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, scenario_id,"
        " started_at, run_generation, launch_deadline)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing returning true"};
    const RunIdentity& run = flight.run;
    return insert
        .execute({run.connector_instance_id, run.connector_id, run.run_id, run.trace_id, run.scenario_id,
                  run.admitted_at, flight.run_generation, flight.launch_deadline})
        .any();
}

bool is_in_flight(std::string_view run_id) {
    static Statement find{"select from pdpp.controller_active_runs where run_id = $1"};
    return find.execute({run_id}).any();
}

std::optional<std::string_view> active_run_of(std::string_view connector_instance_id) {
    static Statement find{"select run_id from pdpp.controller_active_runs where connector_instance_id = $1"};
    const Rows rows = find.execute({connector_instance_id});
    if (!rows.any()) {
        return {};
    }
    return rows.text(0, 0);
}

std::optional<Flight> lock_for_event(std::string_view run_id) {
    static Statement lock{"select " FLIGHT_COLUMNS
                          " from pdpp.controller_active_runs as f where f.run_id = $1 for no key update"};
    return flight_in(lock.execute({run_id}));
}

std::optional<Flight> lock_for_settle(std::string_view run_id) {
    static Statement lock{"select " FLIGHT_COLUMNS
                          " from pdpp.controller_active_runs as f where f.run_id = $1 for update"};
    return flight_in(lock.execute({run_id}));
}

std::optional<Flight> try_lock_for_settle(std::string_view run_id) {
    static Statement lock{"select " FLIGHT_COLUMNS
                          " from pdpp.controller_active_runs as f where f.run_id = $1 for update skip locked"};
    return flight_in(lock.execute({run_id}));
}

std::optional<Flight> lock_for_fence(std::string_view run_id) {
    static Statement lock{"select " FLIGHT_COLUMNS
                          " from pdpp.controller_active_runs as f where f.run_id = $1 for key share"};
    return flight_in(lock.execute({run_id}));
}

std::optional<Flight> claim_offered(const pg_uuid_t& boot_epoch) {
    static Statement claim{"update pdpp.controller_active_runs as f set boot_epoch = $1"
                           " where f.run_id = (select a.run_id from pdpp.controller_active_runs as a"
                           "   join pdpp.connections as c on c.connector_instance_id = a.connector_instance_id"
                           "   where a.boot_epoch is null and c.boot_epoch = $1 and a.launch_deadline > $2"
                           "     and a.cancel_requested_at is null"
                           "   order by a.started_at, a.run_id limit 1 for no key update of a skip locked)"
                           " returning " FLIGHT_COLUMNS};
    return flight_in(claim.execute({boot_epoch, now()}));
}

std::optional<Flight> claim_run(std::string_view run_id, const pg_uuid_t& boot_epoch) {
    static Statement claim{
        "update pdpp.controller_active_runs as f set boot_epoch = $2"
        " where f.run_id = $1 and f.boot_epoch is null and f.launch_deadline > $3 and f.cancel_requested_at is null"
        " returning " FLIGHT_COLUMNS};
    return flight_in(claim.execute({run_id, boot_epoch, now()}));
}

void mark_started(std::string_view run_id, std::optional<pg_uuid_t> boot_epoch) {
    static Statement update{"update pdpp.controller_active_runs"
                            " set launch_deadline = null, boot_epoch = coalesce($2, boot_epoch) where run_id = $1"};
    update.execute({run_id, boot_epoch});
}

void mark_cancel_requested(std::string_view run_id, std::optional<std::string_view> requested_by) {
    static Statement update{"update pdpp.controller_active_runs"
                            " set cancel_requested_at = $2, cancel_requested_by = $3 where run_id = $1"};
    update.execute({run_id, now(), requested_by});
}

void delete_flight(std::string_view run_id) {
    static Statement remove{"delete from pdpp.controller_active_runs where run_id = $1"};
    remove.execute({run_id});
}

bool any_in_flight() {
    static Statement find{"select from pdpp.controller_active_runs limit 1"};
    return find.execute({}).any();
}

} // namespace pdpp::store
