// pdpp_controller_boot, pdpp_controller_rejoin, pdpp_controller_offer, pdpp_run_claim, pdpp_reconcile: what controllers
// say of themselves.

#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/claim.hpp"
#include "run/id.hpp"
#include "store/admission_reader.hpp"
#include "store/boots.hpp"
#include "store/claim.hpp"
#include "store/connections.hpp"
#include "store/flight.hpp"
#include "store/guard.hpp"
#include "store/jsonb.hpp"
#include "store/spine.hpp"
#include "store/statement.hpp"

#include <algorithm>
#include <numeric>
#include <span>

namespace pdpp::api {

namespace {

pg_uuid_t required_boot() {
    const auto boot = store::own_boot();
    if (!boot) {
        refuse(run::ErrorCode::not_booted, {}, "this session is not a controller: it has not booted");
    }
    if (!boot->is_alive()) {
        refuse_lost_boot({}, boot->record.has_value());
    }
    return boot->epoch;
}

/// What can come of a pass over dead boots.
void write_pass(store::JsonbWriter& body, const store::Pass& pass) {
    body.field("lost_boots", pass.lost_boots);
    body.field("launch_failed", pass.launch_failed);
    body.field("abandoned", pass.abandoned);
}

Jsonb* boot(std::string_view controller_id) {
    const store::Boot boot = store::begin_boot(controller_id);
    const store::Pass pass = store::reconcile(controller_id);
    store::JsonbWriter body;
    body.begin_object();
    body.field("object", "controller_boot");
    body.field("controller_id", boot.controller_id);
    body.field("seq", boot.seq);
    body.field("boot_epoch", boot.epoch);
    body.field("booted_at", boot.booted_at);
    body.key("settled");
    body.begin_object();
    write_pass(body, pass);
    body.end_object();
    body.end_object();
    return body.finish();
}

Jsonb* rejoin(const pg_uuid_t& epoch) {
    const auto boot = store::rejoin_boot(epoch);
    if (!boot) {
        refuse_lost_boot("boot_epoch", store::find_boot(epoch).has_value());
    }
    store::JsonbWriter body;
    body.begin_object();
    body.field("object", "controller_rejoin");
    body.field("controller_id", boot->controller_id);
    body.field("seq", boot->seq);
    body.field("boot_epoch", boot->epoch);
    body.field("booted_at", boot->booted_at);
    body.end_object();
    return body.finish();
}

/// Refuses anything but an array of {"connector_instance_id": id, "connector_id": id, "timeout_seconds": number or
/// null}, the last of which may be missing, each connection once.
void check_offer(const Jsonb* connections) {
    const auto refuse_offer = [](std::string_view message) {
        refuse(run::ErrorCode::invalid_request, "connections", message);
    };
    if (connections == nullptr || !JB_ROOT_IS_ARRAY(connections) || JB_ROOT_IS_SCALAR(connections)) {
        refuse_offer("connections must be a JSON array of {connector_instance_id, connector_id}");
    }
    JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(&connections->root));
    JsonbValue element;
    for (JsonbIteratorToken token = WJB_DONE; (token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE;) {
        if (token != WJB_ELEM) {
            continue;
        }
        const Jsonb* connection = element.type == jbvBinary ? JsonbValueToJsonb(&element) : nullptr;
        if (connection == nullptr || !JB_ROOT_IS_OBJECT(connection)) {
            refuse_offer("each connection must be an object {connector_instance_id, connector_id}");
        }
        for (const std::string_view key : {"connector_instance_id", "connector_id"}) {
            if (const auto fault = run::check_id(store::string_under(connection, key), key)) {
                refuse_offer(join({"each connection must have a ", key, ", which ", fault->message}));
            }
        }
    }
    if (const auto duplicate = store::duplicate_offer(connections)) {
        refuse_offer(join({"connections names ", *duplicate, " twice"}));
    }
    if (const auto timeless = store::offer_of_no_time(connections)) {
        refuse_offer(join({"timeout_seconds of ", *timeless, " must be a number of seconds, more than 0 and at most ",
                           "1000000000, or null"}));
    }
}

Jsonb* offer(const Jsonb* connections) {
    const pg_uuid_t boot_epoch = required_boot();
    check_offer(connections);
    const std::int64_t offered = store::record_offer(connections, boot_epoch);
    store::forget_front();
    store::JsonbWriter body;
    body.begin_object();
    body.field("object", "controller_offer");
    body.field("boot_epoch", boot_epoch);
    body.field("offered", offered);
    body.end_object();
    return body.finish();
}

Jsonb* claim_body(const store::Flight& flight, const Jsonb* data) {
    store::JsonbWriter body;
    body.begin_object();
    body.field("object", "run_claim");
    body.field("run_id", flight.run.run_id);
    body.field("connector_id", flight.run.connector_id);
    body.field("connector_instance_id", flight.run.connector_instance_id);
    body.field("trace_id", flight.run.trace_id);
    body.field("run_generation", flight.run_generation);
    body.field("admitted_at", flight.run.admitted_at);
    body.field("launch_deadline", flight.launch_deadline);
    body.field("data", data);
    body.end_object();
    return body.finish();
}

/// Those that were claimed, oldest first, as they are answered with.
std::span<Jsonb*> claim_several(const pg_uuid_t& boot_epoch, std::int64_t most) {
    const auto flights = store::claim_offered(boot_epoch, most);
    if (flights.empty()) {
        return {};
    }
    const std::size_t count = flights.size();
    const std::span by_id{static_cast<std::size_t*>(palloc(sizeof(std::size_t) * count)), count};
    std::iota(by_id.begin(), by_id.end(), std::size_t{0});
    std::ranges::sort(by_id, {}, [&](std::size_t each) { return flights[each].run.run_id; });
    const std::span bodies{static_cast<Jsonb**>(palloc(sizeof(Jsonb*) * count)), count};
    store::AdmissionReader admissions;
    admissions.open();
    for (const std::size_t each : by_id) {
        const store::Flight& flight = flights[each];
        bodies[each] = claim_body(flight, admissions.data_of(flight.run.run_id));
    }
    admissions.close();
    return bodies;
}

Jsonb* claim(std::optional<std::string_view> run_id) {
    const pg_uuid_t boot_epoch = required_boot();
    if (run_id) {
        const auto flight = store::claim_run(*run_id, boot_epoch);
        return flight ? claim_body(*flight, store::admission_data(*run_id)) : nullptr;
    }
    const auto claims = claim_several(boot_epoch, 1);
    return claims.empty() ? nullptr : claims.front();
}

} // namespace

PDPP_FUNCTION(pdpp_controller_boot) {
    return store::in_spi(fcinfo, [&] { return boot(required_id(fcinfo, 0, "controller_id")); });
}

PDPP_FUNCTION(pdpp_controller_rejoin) {
    return store::in_spi(fcinfo, [&] {
        if (PG_ARGISNULL(0)) {
            refuse(run::ErrorCode::invalid_request, "boot_epoch", "boot_epoch must not be null");
        }
        return rejoin(*PG_GETARG_UUID_P(0));
    });
}

PDPP_FUNCTION(pdpp_controller_offer) {
    return store::in_spi(fcinfo, [&] { return offer(PG_ARGISNULL(0) ? nullptr : PG_GETARG_JSONB_P(0)); });
}

PDPP_FUNCTION(pdpp_run_claim) {
    return store::in_spi(fcinfo, [&] { return claim(optional_id(fcinfo, 0, "run_id")); });
}

PDPP_FUNCTION(pdpp_run_claim_several) {
    if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 1 || PG_GETARG_INT32(0) > run::largest_claim) {
        refuse(run::ErrorCode::invalid_request, "max",
               psprintf("max must be a number from 1 to %d", static_cast<int>(run::largest_claim)));
    }
    const std::int64_t most = PG_GETARG_INT32(0);
    pg::materialize_result(fcinfo);
    const auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    return store::in_spi(fcinfo, [&]() -> const Jsonb* {
        for (const Jsonb* claim : claim_several(required_boot(), most)) {
            Datum body = JsonbPGetDatum(claim);
            bool is_null = false;
            tuplestore_putvalues(result->setResult, result->setDesc, &body, &is_null);
        }
        return nullptr;
    });
}

PDPP_FUNCTION(pdpp_reconcile) {
    return store::in_spi(fcinfo, [&] {
        const store::Pass pass = store::reconcile();
        store::JsonbWriter body;
        body.begin_object();
        body.field("object", "reconciliation");
        write_pass(body, pass);
        body.field("timed_out", pass.timed_out);
        body.field("cancelled", pass.cancelled);
        body.end_object();
        return body.finish();
    });
}

} // namespace pdpp::api
