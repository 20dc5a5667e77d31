// pdpp_run_now, pdpp_connection_run_now, pdpp_connector_run_now: the transaction that hands a handle out.

#include "api/arguments.hpp"
#include "api/body.hpp"
#include "boundary.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "run/link.hpp"
#include "run/status.hpp"
#include "settings.hpp"
#include "store/announce.hpp"
#include "store/connections.hpp"
#include "store/digest.hpp"
#include "store/flight.hpp"
#include "store/idempotency.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/settle.hpp"
#include "store/statement.hpp"

#include <array>

namespace pdpp::api {

namespace {

/// What the caller said, ids not yet generated. Without a connector it is the one of the connection on record.
struct Request {
    std::optional<std::string_view> connector_id;
    std::optional<std::string_view> connector_instance_id;
    bool takes_offered = false; ///< without a connection: the connector's only offered one
    std::optional<std::string_view> run_id;
    std::optional<std::string_view> idempotency_key;
    std::optional<std::string_view> trace_id;
    const Jsonb* data;
    std::optional<std::int64_t> timeout;      ///< in microseconds
    std::optional<std::string_view> retry_of; ///< the run to be repeated
};

/// The arguments that all admissions end with, from the run id on; what is to run comes before them.
Request request_in(FunctionCallInfo fcinfo, int first) {
    return {
        .connector_id = {},
        .connector_instance_id = {},
        .run_id = optional_id(fcinfo, first, "run_id"),
        .idempotency_key = optional_id(fcinfo, first + 1, "idempotency_key"),
        .trace_id = optional_id(fcinfo, first + 2, "trace_id"),
        .data = data_argument(fcinfo, first + 3),
        .timeout = timeout_argument(fcinfo, first + 4, "timeout"),
        .retry_of = first + 5 < PG_NARGS() ? optional_id(fcinfo, first + 5, "retry_of") : std::nullopt,
    };
}

Jsonb* acknowledgement(std::string_view run_id, std::optional<std::string_view> trace_id,
                       std::optional<std::string_view> retry_of) {
    const run::Link self = run::self_link(run_id);
    const run::Link timeline = run::timeline_link(run_id);
    store::JsonbWriter body;
    body.begin_object();
    body.field("object", "run_ack");
    body.field("run_id", run_id);
    body.field("trace_id", trace_id);
    body.field("status", "started");
    if (retry_of) {
        body.field("retry_of", retry_of);
    }
    body.key("links");
    body.begin_object();
    body.field("self", self.view());
    body.field("timeline", timeline.view());
    body.end_object();
    body.end_object();
    return body.finish();
}

/// SHA-256 of the caller's own arguments, each with its length, so that no two lists read alike.
const bytea* digest_of(const Request& request) {
    StringInfoData arguments;
    initStringInfo(&arguments);
    const auto add = [&](std::optional<std::string_view> argument) {
        appendStringInfo(&arguments, "%d:", argument ? static_cast<int>(argument->size()) : -1);
        if (argument) {
            appendBinaryStringInfo(&arguments, argument->data(), static_cast<int>(argument->size()));
        }
    };
    add(request.connector_id);
    add(request.connector_instance_id);
    add(request.run_id);
    if (request.takes_offered) {
        add("offered"); // asked for by another function than pdpp_run_now, and not the same
    }
    if (request.timeout) { // and nothing else: keys of calls without one are older than it
        add(psprintf("timeout %lld", static_cast<long long>(*request.timeout)));
    }
    if (request.retry_of) {
        add("retry_of");
        add(request.retry_of);
    }
    add(JsonbToCString(nullptr, const_cast<JsonbContainer*>(&request.data->root), VARSIZE(request.data)));
    return store::sha256({arguments.data, static_cast<std::size_t>(arguments.len)});
}

/// The answer to a repeated call: the first call's, if it asked for the same.
Jsonb* replay(const store::KeyedAdmission& keyed) {
    if (!keyed.same_arguments) {
        refuse(run::ErrorCode::idempotency_conflict, "idempotency_key",
               "idempotency_key was used before with other arguments");
    }
    store::lock_history(keyed.run_id);
    // the trace that the admission was acknowledged with: nothing else may have written one before
    const store::LifecycleRecord record = store::read_latest_lifecycle(keyed.run_id);
    const auto& admitted = record.events.admitted;
    return acknowledgement(keyed.run_id, admitted ? admitted->trace_id : std::nullopt, record.retry_of);
}

[[noreturn]] void refuse_taken_id(std::string_view run_id) {
    refuse(run::ErrorCode::run_id_taken, "run_id", join({"run_id belongs to another run: ", run_id}));
}

void refuse_active(std::string_view connector_instance_id) {
    if (const auto active = store::active_run_of(connector_instance_id)) {
        refuse(run::ErrorCode::run_already_active, "connector_instance_id",
               join({"Connection ", connector_instance_id, " has an active run: ", *active}),
               {{"active_run_id", *active}});
    }
}

/// Inserts the flight row. The connection is looked at first, so that an admission does not wait for a settle that has
/// not committed while it holds the connection: whoever settles and starts again in one transaction wants that next.
void enter_flight(const store::Flight& flight, bool has_new_id) {
    CHECK_FOR_INTERRUPTS();
    refuse_active(flight.run.connector_instance_id);
    if (has_new_id) {
        store::insert_flight(flight, store::OnConflict::raise);
        return;
    }
    if (store::insert_flight(flight, store::OnConflict::skip)) {
        return;
    }
    if (store::is_in_flight(flight.run.run_id) || store::read_latest_lifecycle(flight.run.run_id).events.known()) {
        refuse_taken_id(flight.run.run_id);
    }
    refuse_active(flight.run.connector_instance_id); // somebody wrote it by hand since we looked
    // None of ours is in the way: what was is gone by now, or an index of somebody's is, which the error names.
    store::insert_flight(flight, store::OnConflict::raise);
}

/// What is run: its connection's row is locked.
struct Target {
    std::string_view connector_instance_id;
    store::LockedConnection connection;
};

Target lock_named(std::string_view connector_id, std::string_view connector_instance_id) {
    return {connector_instance_id, store::lock_connection(connector_instance_id, connector_id)};
}

Target lock_recorded(std::string_view connector_instance_id) {
    const auto locked = store::lock_recorded_connection(connector_instance_id);
    if (!locked) {
        refuse(run::ErrorCode::connector_instance_not_found, "connector_instance_id",
               join({"Connection not found: ", connector_instance_id}));
    }
    return {connector_instance_id, *locked};
}

/// The connector's only offered connection; if none is offered, the one named like the connector.
Target lock_offered(std::string_view connector_id) {
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        const store::OfferedConnections offered = store::offered_connections(connector_id);
        if (offered.count == 0) {
            return lock_named(connector_id, connector_id);
        }
        if (offered.count > 1) {
            refuse(run::ErrorCode::ambiguous_connection, "connector_id",
                   join({"Connector ", connector_id, " has several connections"}),
                   {{"connector_instance_ids", offered.ids, true}});
        }
        const auto locked = store::lock_recorded_connection(offered.first);
        if (locked && locked->connector_id == connector_id) {
            return {offered.first, *locked};
        }
        // it was offered for another connector since: look again
    }
}

/// The connection that a run was of. Refuses a run that was never handed out.
std::string_view connection_of(const store::LifecycleRecord& record, std::string_view run_id) {
    if (!record.events.known()) {
        refuse_unknown_run(run_id, "retry_of");
    }
    return run::project(record.events, {}).connector_instance_id.value_or(std::string_view{});
}

/// A run is repeated by another of its connection, once it has ended. The connection's row being locked, no other
/// admission comes between; how a run ended never changes.
void require_repeatable(std::string_view run_id, std::string_view connector_instance_id) {
    const store::LifecycleRecord record = store::read_latest_lifecycle(run_id);
    if (connection_of(record, run_id) != connector_instance_id) {
        refuse(run::ErrorCode::invalid_request, "retry_of",
               join({"retry_of must name a run of the same connection: ", run_id}));
    }
    if (!record.events.ended) {
        refuse(run::ErrorCode::run_already_active, "retry_of", join({"Run has not ended: ", run_id}),
               {{"active_run_id", run_id}});
    }
}

/// A run that repeats another is given the same, unless it is given something of its own.
const Jsonb* data_of(const Request& request) {
    if (!request.retry_of || JB_ROOT_COUNT(request.data) > 0) {
        return request.data;
    }
    const Jsonb* repeated = store::admission_data(*request.retry_of);
    return repeated != nullptr ? repeated : request.data;
}

Target lock_target(const Request& request) {
    if (request.takes_offered) {
        return lock_offered(*request.connector_id);
    }
    if (!request.connector_id) {
        return lock_recorded(request.connector_instance_id
                                 ? *request.connector_instance_id
                                 : connection_of(store::read_latest_lifecycle(*request.retry_of), *request.retry_of));
    }
    return lock_named(*request.connector_id, request.connector_instance_id.value_or(*request.connector_id));
}

/// The time that a run is given: its caller's, else its connection's, else everybody's. It counts from the admission.
std::optional<run::Deadline> deadline_of(const Request& request, const Target& target, run::Instant admitted_at) {
    const std::int64_t of_everybody = std::int64_t{settings::run_timeout} * 1000;
    const std::int64_t timeout = request.timeout.value_or(target.connection.timeout.value_or(of_everybody));
    if (timeout <= 0 || !store::keeps_deadlines()) {
        return {};
    }
    return run::deadline_in(admitted_at, timeout);
}

/// What ids are made of that nobody can guess.
struct Random {
    std::array<unsigned char, 8> for_run_id;
    std::array<unsigned char, 16> for_trace_id;
};

run::Placement placement_of(std::string_view connector_instance_id) {
    const std::uint64_t head = store::sha256_head(connector_instance_id);
    return run::placement_of(static_cast<unsigned char>(head >> 56), static_cast<unsigned char>(head >> 48));
}

/// The run's id: the caller's, or one that says where its connection's runs belong.
std::string_view id_of(const Request& request, std::string_view connector_instance_id, run::Instant at,
                       const Random& random) {
    if (request.run_id) {
        return *request.run_id;
    }
    const run::GeneratedId id = run::run_id_from(
        run::placed_uuid7_digits(at.unix_micros, placement_of(connector_instance_id), random.for_run_id));
    return join({id.view()});
}

Jsonb* admit(const Request& request) {
    const bytea* digest = request.idempotency_key ? digest_of(request) : nullptr;
    if (request.idempotency_key) {
        if (const auto keyed = store::find_key(*request.idempotency_key, digest)) {
            return replay(*keyed);
        }
    }

    const Target target = lock_target(request);
    if (request.retry_of) {
        require_repeatable(*request.retry_of, target.connector_instance_id);
    }
    const run::Instant admitted_at = now();
    const auto random = store::random_bytes<Random>();
    const run::GeneratedId trace_id = run::trace_id_from(random.for_trace_id);
    const store::Flight flight{
        .run = {.run_id = id_of(request, target.connector_instance_id, admitted_at, random),
                .connector_id = target.connection.connector_id,
                .connector_instance_id = target.connector_instance_id,
                .trace_id = request.trace_id.value_or(trace_id.view()),
                .scenario_id = {},
                .admitted_at = admitted_at},
        .run_generation = target.connection.run_generation,
        .boot_epoch = {},
        .launch_deadline = run::Instant{admitted_at.unix_micros + std::int64_t{settings::launch_deadline} * 1000},
        .cancel_requested_at = {},
        .deadline = deadline_of(request, target, admitted_at),
        .offered_by = target.connection.offered_by,
        .place = {},
    };

    if (request.idempotency_key) {
        const std::string_view key = *request.idempotency_key;
        if (!store::take_key(key, flight.run.run_id, digest, store::OnConflict::skip)) {
            if (const auto keyed = store::find_key(key, digest)) {
                return replay(*keyed); // somebody used the key since we looked
            }
            store::take_key(key, flight.run.run_id, digest, store::OnConflict::raise); // as in enter_flight()
        }
    }
    const bool has_new_id = !request.run_id;
    enter_flight(flight, has_new_id);
    const auto admitted = store::append(flight.run, {.event_type = run::event_type::admitted,
                                                     .data = data_of(request),
                                                     .retry_of = request.retry_of,
                                                     .occurred_at = admitted_at,
                                                     .is_first = has_new_id});
    if (!admitted) {
        refuse_taken_id(flight.run.run_id);
    }
    if (request.retry_of) {
        store::announce(*request.retry_of); // its status says so from now on
    }
    return acknowledgement(flight.run.run_id, flight.run.trace_id, request.retry_of);
}

} // namespace

PDPP_FUNCTION(pdpp_run_now) {
    return store::in_spi(fcinfo, [&] {
        const std::string_view connector_id = required_id(fcinfo, 0, "connector_id");
        const auto connector_instance_id = optional_id(fcinfo, 1, "connector_instance_id");
        Request request = request_in(fcinfo, 2);
        request.connector_id = connector_id;
        request.connector_instance_id = connector_instance_id;
        return admit(request);
    });
}

PDPP_FUNCTION(pdpp_connection_run_now) {
    return store::in_spi(fcinfo, [&] {
        Request request = request_in(fcinfo, 1);
        request.connector_instance_id = request.retry_of
                                            ? optional_id(fcinfo, 0, "connector_instance_id")
                                            : std::optional{required_id(fcinfo, 0, "connector_instance_id")};
        return admit(request);
    });
}

PDPP_FUNCTION(pdpp_connector_run_now) {
    return store::in_spi(fcinfo, [&] {
        const std::string_view connector_id = required_id(fcinfo, 0, "connector_id");
        Request request = request_in(fcinfo, 1);
        request.connector_id = connector_id;
        request.takes_offered = true;
        return admit(request);
    });
}

} // namespace pdpp::api
