// The pipeline.

#include "http/gateway.hpp"

#include "http/answers.hpp"
#include "http/database.hpp"
#include "http/envelope.hpp"
#include "http/request_id.hpp"
#include "http/rpc.hpp"
#include "http/rpc_error.hpp"
#include "http/run_stream.hpp"
#include "http/target.hpp"
#include "http/wait.hpp"

#include <spdlog/spdlog.h>

#include <stdexcept>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// A refusal in the form that the path of the request has for it.
Response refused(const Request& request, const Refusal& refusal, const std::string& request_id) {
    if (is_rpc(request.target()))
        return rpc_error_response(rpc_error(refusal));
    return error_response(refusal, request_id);
}

} // namespace

Gateway::Gateway(const asio::any_io_executor& executor, const GatewayOptions& options)
    : pool_(executor,
            {.conninfo = options.conninfo, .size = options.pool_size, .statement_timeout = options.statement_timeout}),
      timeout_(options.statement_timeout + std::chrono::seconds(2)),
      owner_(options.owner_password, options.public_origin && options.public_origin->scheme == "https"),
      public_origin_(options.public_origin),
      live_(executor, options.conninfo, pool_, options.pool_size, timeout_, options.live) {}

asio::awaitable<Answer> Gateway::answer(const Request& request, Client& client) {
    const auto request_id = request_id_of(request);
    Answer answer;
    try {
        if (is_rpc(request.target()))
            answer = co_await respond_to_rpc(request, request_id);
        else
            answer = co_await respond(request, client, request_id);
    } catch (const RpcError& error) {
        answer = rpc_error_response(error);
    } catch (const Refusal& refusal) {
        answer = refused(request, refusal, request_id);
    } catch (const std::exception& error) {
        spdlog::error("request_id={} {:?}", request_id, error.what());
        const Refusal trouble{status::internal_server_error, "internal_error", "Something went wrong here."};
        answer = refused(request, trouble, request_id);
    }
    answer.head.set("Request-Id", request_id);
    co_return answer;
}

Response Gateway::refuse(const Refusal& refusal, const std::string&) {
    const auto request_id = new_request_id();
    auto response = error_response(refusal, request_id);
    response.set("Request-Id", request_id);
    return response;
}

asio::awaitable<Answer> Gateway::respond(const Request& request, Client& client, const std::string& request_id) {
    const auto target = parse_target(request.target());
    const auto [route, variables] = find_route(routes(), request.method(), target);
    if (route.needs_session)
        owner_.check_session(request);
    if (request.method() == verb::post)
        check_origin(request, public_origin_);
    if (const auto* const action = std::get_if<OwnerAction>(&route.answer))
        co_return act(*action, request, client.address());

    const auto& call = std::get<SqlCall>(route.answer);
    const auto kind = acceptable_stream(route, request);
    auto arguments = bind_arguments(call, variables, target.query, request);
    if (kind) {
        auto answer = co_await stream(*kind, call, std::move(arguments), request, client, request_id);
        co_return answer;
    }
    std::optional<std::chrono::seconds> wait;
    if (route.may_wait)
        wait = wanted_wait(request, live_.options().wait_limit);

    auto body = co_await ask_database(pool_, call, std::move(arguments), timeout_, request_id);
    Response response;
    LiveRuns::Body ended;
    switch (call.kind) {
    case CallKind::reads:
        if (wait)
            body = co_await changed_status(live_, request, client, std::move(body), *wait);
        response = answer_to_read(request, call, std::move(body));
        break;
    case CallKind::admits:
        if (wait)
            ended = co_await ended_status(live_, client, body, *wait);
        response = answer_to_admission(request, route.success, std::move(body));
        if (ended)
            replace_acknowledgement(response, *ended);
        break;
    case CallKind::writes:
        response = json_response(route.success, std::move(body));
        break;
    }
    if (wait)
        confirm_wait(response, *wait);
    co_return response;
}

asio::awaitable<Response> Gateway::respond_to_rpc(const Request& request, const std::string& request_id) {
    const auto target = parse_target(request.target());
    const auto& function = find_function(functions(), target);
    check_method(function, request.method());
    try {
        owner_.check_session(request);
    } catch (Refusal& refusal) {
        refusal.error_code = request.count(field::authorization) == 0 ? "PGRST302" : "PGRST301";
        throw;
    }
    if (request.method() == verb::options)
        co_return rpc_options(function);
    if (request.method() == verb::post)
        check_origin(request, public_origin_);
    const auto call = read_call(function, target, request);
    co_return co_await answer_rpc(pool_, call, request, timeout_, request_id);
}

/// The stream, once its first read has told that there is something to stream; 204 if it never will be.
asio::awaitable<Answer> Gateway::stream(StreamKind kind, const SqlCall& call, std::vector<pq::Argument> arguments,
                                        const Request& request, Client& client, const std::string& request_id) {
    auto source = make_stream(kind, call, std::move(arguments), request["Last-Event-ID"], live_, client);
    const auto first = co_await ask_database(pool_, call, source->question(), timeout_, request_id);
    if (!source->begin(first))
        co_return json_response(status::no_content, {});
    co_return Answer(stream_head(kind), std::move(source));
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

asio::awaitable<void> Gateway::try_database() {
    try {
        co_await pool_.acquire();
    } catch (const pq::Error& error) {
        spdlog::warn("answering 503 until the database is there: {:?}", error.what());
    }
}

} // namespace pdpp::http
