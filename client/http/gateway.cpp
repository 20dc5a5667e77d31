// The pipeline.

#include "http/gateway.hpp"

#include "http/access_log.hpp"
#include "http/database.hpp"
#include "http/envelope.hpp"
#include "http/openapi.hpp"
#include "http/request_id.hpp"
#include "http/status_body.hpp"
#include "http/target.hpp"
#include "pq/body.hpp"

#include <spdlog/spdlog.h>

#include <stdexcept>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// The routes do not change, but with the program.
Response api_description() {
    static const auto document = openapi_document(routes());
    auto response = json_response(status::ok, document);
    response.set(field::cache_control, "no-cache");
    return response;
}

/// Where the run of an acknowledgement is found.
std::string handle_in(std::string_view acknowledgement) {
    const auto body = pq::parse_body(acknowledgement);
    return std::string{body.at("links").at("self").as_string()};
}

} // namespace

Gateway::Gateway(const asio::any_io_executor& executor, const GatewayOptions& options)
    : pool_(executor,
            {.conninfo = options.conninfo, .size = options.pool_size, .statement_timeout = options.statement_timeout}),
      timeout_(options.statement_timeout + std::chrono::seconds(2)),
      owner_(options.owner_password, options.public_origin && options.public_origin->scheme == "https"),
      public_origin_(options.public_origin) {}

asio::awaitable<Response> Gateway::answer(const Request& request, const std::string& peer) {
    const auto began = std::chrono::steady_clock::now();
    Notes notes{.request_id = request_id_of(request), .run_id = {}, .trace_id = {}};
    Response response;
    try {
        response = co_await respond(request, peer, notes);
    } catch (const Refusal& refusal) {
        if (refusal.error_code == "not_found" && refusal.param == "run_id")
            metrics_.unknown_run();
        response = error_response(refusal, notes.request_id);
    } catch (const std::exception& error) {
        spdlog::error("request_id={} {:?}", notes.request_id, error.what());
        response = error_response({status::internal_server_error, "internal_error", "Something went wrong here."},
                                  notes.request_id);
    }
    response.set("Request-Id", notes.request_id);
    record(request, response, peer, notes, std::chrono::steady_clock::now() - began);
    co_return response;
}

Response Gateway::refuse(const Refusal& refusal, const std::string& peer) {
    const Notes notes{.request_id = new_request_id(), .run_id = {}, .trace_id = {}};
    auto response = error_response(refusal, notes.request_id);
    response.set("Request-Id", notes.request_id);
    record({}, response, peer, notes, {});
    return response;
}

void Gateway::record(const Request& request, const Response& response, const std::string& peer, const Notes& notes,
                     std::chrono::steady_clock::duration time) {
    // a method that is not HTTP's has no name of its own here
    metrics_.answered(notes.route, request.method(), response.result_int(), time);
    log_access({.request_id = notes.request_id,
                .run_id = notes.run_id,
                .trace_id = notes.trace_id,
                .method = beast::http::to_string(request.method()),
                .route = notes.route,
                .status = response.result_int(),
                .duration = time,
                .peer = peer});
}

asio::awaitable<Response> Gateway::respond(const Request& request, const std::string& peer, Notes& notes) {
    const auto target = parse_target(request.target());
    const auto [route, variables] = find_route(routes(), request.method(), target);
    notes.route = route.path;
    for (const auto& variable : variables)
        if (variable.name == "run_id")
            notes.run_id = variable.value;
    if (route.needs_session)
        owner_.check_session(request);
    if (request.method() == verb::post)
        check_origin(request, public_origin_);
    if (const auto* const action = std::get_if<OwnerAction>(&route.answer))
        co_return act(*action, request, peer);
    if (std::holds_alternative<ApiDescription>(route.answer))
        co_return api_description();

    const auto& call = std::get<SqlCall>(route.answer);
    auto arguments = bind_arguments(call, variables, target.query, request);
    auto body = co_await ask_database(pool_, call, std::move(arguments), timeout_, notes.request_id);
    notes.trace_id = trace_id_in(body);
    if (call.function == "pdpp_run_status")
        metrics_.resolved(body);
    if (call.kind == CallKind::admits) {
        notes.run_id = run_id_in(body);
        metrics_.admitted();
    }
    const auto handle = call.kind == CallKind::admits ? handle_in(body) : std::string{};
    auto response = json_response(route.success, std::move(body));
    if (!handle.empty()) {
        response.set(field::location, handle);
        response.set(field::retry_after, "1");
    }
    co_return response;
}

Response Gateway::act(OwnerAction action, const Request& request, const std::string& peer) {
    switch (action) {
    case OwnerAction::log_in:
        return owner_.log_in(request, peer);
    case OwnerAction::log_out:
        return owner_.log_out();
    }
    throw std::logic_error("an action without an answer");
}

void Gateway::set_owner_password(const std::string& password) {
    if (!owner_.has_password(password))
        owner_ = OwnerAccess(password, public_origin_ && public_origin_->scheme == "https");
}

std::string Gateway::metrics_text() {
    const auto pool = pool_.usage();
    metrics_.set_pool(pool.open, pool.busy, pool.waiting);
    return metrics_.text();
}

asio::awaitable<void> Gateway::try_database() {
    try {
        co_await pool_.acquire();
    } catch (const pq::Error& error) {
        spdlog::warn("answering 503 until the database is there: {:?}", error.what());
    }
}

} // namespace pdpp::http
