// The pipeline.

#include "http/gateway.hpp"

#include "http/access_log.hpp"
#include "http/answers.hpp"
#include "http/envelope.hpp"
#include "http/openapi.hpp"
#include "http/request_id.hpp"
#include "http/rpc.hpp"
#include "http/rpc_error.hpp"
#include "http/run_stream.hpp"
#include "http/status_body.hpp"
#include "http/target.hpp"
#include "http/wait.hpp"
#include "pq/hosts.hpp"
#include "pq/jsonb_text.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// A refusal in the form that the path of the request has for it.
Response refused(std::string_view target, const Refusal& refusal, const std::string& request_id) {
    if (is_rpc(target))
        return rpc_error_response(rpc_error(refusal));
    return error_response(refusal, request_id);
}

/// What no refusal foresees, whose details are for the log. (Apart from answer(), for the sake of that one's frame: see
/// client/Makefile.)
Response in_trouble(std::string_view target, const std::exception& error, const std::string& request_id) {
    spdlog::error("request_id={} {:?}", request_id, error.what());
    return refused(target, {status::internal_server_error, "internal_error", "Something went wrong here."}, request_id);
}

/// The run that a call is about; empty if it is about none, or that is not said.
std::string run_id_in(const std::vector<pq::Argument>& arguments) {
    const auto found = std::ranges::find(arguments, std::string_view{"run_id"}, &pq::Argument::name);
    return found == arguments.end() ? std::string{} : found->value.value_or("");
}

/// The routes do not change, but with the program.
Response api_description() {
    static const auto document = openapi_document(routes(), functions());
    auto response = json_response(status::ok, document);
    response.set(field::cache_control, "no-cache");
    return response;
}

/// A stream that is counted for as long as it is open.
class CountedBody : public BodySource {
  public:
    CountedBody(std::unique_ptr<BodySource> body, Metrics::Held held)
        : held_(std::move(held)), body_(std::move(body)) {}

    asio::awaitable<std::optional<std::string>> next() override { return body_->next(); }

  private:
    Metrics::Held held_;
    std::unique_ptr<BodySource> body_;
};

} // namespace

Gateway::Gateway(const asio::any_io_executor& executor, const GatewayOptions& options)
    : database_(executor, options.database, metrics_),
      owner_(options.owner_password, options.public_origin && options.public_origin->scheme == "https"),
      hosts_(options.hosts), public_origin_(options.public_origin), target_bytes_(options.target_bytes),
      live_(
          executor, pq::to_primary(options.database.conninfo),
          [this](pq::Connection& connection) { return database_.meet_primary(connection); },
          std::max<std::size_t>(options.database.pool_size / 2, 1), // the others are for requests
          [this](std::string_view function, std::vector<pq::Argument> arguments) {
              return database_.call(CallKind::reads, function, std::move(arguments), {});
          },
          options.live) {}

asio::awaitable<Answer> Gateway::answer(const Request& request, Client& client) {
    const auto began = std::chrono::steady_clock::now();
    Notes notes{.request_id = request_id_of(request), .run_id = {}, .trace_id = {}};
    Answer answer;
    try {
        if (request.target().size() > target_bytes_)
            throw Refusal{status::uri_too_long, "uri_too_long", "The request target is too long."};
        if (hosts_)
            hosts_->check(request);
        if (is_rpc(request.target()))
            answer = co_await respond_to_rpc(request, client, notes);
        else
            answer = co_await respond(request, client, notes);
    } catch (const RpcError& error) {
        if (error.is_unknown_run)
            metrics_.unknown_run();
        answer = rpc_error_response(error);
    } catch (const Refusal& refusal) {
        if (is_unknown_run(refusal))
            metrics_.unknown_run();
        answer = refused(request.target(), refusal, notes.request_id);
    } catch (const std::exception& error) {
        answer = in_trouble(request.target(), error, notes.request_id);
    }
    answer.head.set("Request-Id", notes.request_id);
    record(request, answer.head, client.address(), notes, std::chrono::steady_clock::now() - began);
    co_return answer;
}

Response Gateway::refuse(const Refusal& refusal, const std::string& peer) {
    const Notes notes{.request_id = new_request_id(), .run_id = {}, .trace_id = {}};
    auto response = refused(refusal.target, refusal, notes.request_id);
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

asio::awaitable<Answer> Gateway::respond(const Request& request, Client& client, Notes& notes) {
    const auto target = parse_target(request.target());
    const auto [route, variables] = find_route(routes(), request.method(), target);
    notes.route = route.path;
    for (const auto& variable : variables)
        if (variable.name == "run_id")
            notes.run_id = variable.value;
    if (route.needs_session) {
        owner_.check_session(request);
        client.recognise();
    }
    if (request.method() == verb::post)
        check_origin(request, public_origin_);
    if (const auto* const action = std::get_if<OwnerAction>(&route.answer))
        co_return act(*action, request, client.address());

    if (std::holds_alternative<ApiDescription>(route.answer))
        co_return api_description();

    const auto& call = std::get<SqlCall>(route.answer);
    const auto kind = acceptable_stream(route, request);
    auto arguments = bind_arguments(call, variables, target.query, request);
    if (kind) {
        auto answer = co_await stream(*kind, call, std::move(arguments), request, client, notes);
        co_return answer;
    }
    std::optional<std::chrono::seconds> wait;
    if (route.may_wait)
        wait = wanted_wait(request, live_.options().wait_limit);

    if (const auto* const ending = database_.kept_ending(call, arguments)) {
        notes.trace_id = ending->trace_id;
        metrics_.resolved(ending->status);
        auto response = answer_to_read(request, *ending);
        if (wait)
            confirm_wait(response, *wait);
        co_return response;
    }

    auto body = co_await ask(call, std::move(arguments), notes);
    std::optional<Metrics::Held> waiting;
    if (wait)
        waiting.emplace(metrics_.waiter());
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

asio::awaitable<Response> Gateway::respond_to_rpc(const Request& request, Client& client, Notes& notes) {
    const auto target = parse_target(request.target());
    const auto& function = find_function(functions(), target);
    notes.route = "/rpc/{function}";
    check_method(function, request.method());
    try {
        owner_.check_session(request);
    } catch (Refusal& refusal) {
        refusal.error_code = request.count(field::authorization) == 0 ? "PGRST302" : "PGRST301";
        throw;
    }
    client.recognise();
    if (request.method() == verb::options)
        co_return rpc_options(function);
    if (request.method() == verb::post)
        check_origin(request, public_origin_);
    const auto call = read_call(function, target, request);
    notes.run_id = run_id_in(call.arguments);
    auto response = co_await answer_rpc(database_, call, request, notes.request_id);
    note(function.kind, response.body(), notes);
    count_statuses(call, response.body());
    co_return response;
}

/// What the body of an answer tells about the request. That of a list tells of many runs, and none of them is it.
void Gateway::note(CallKind kind, std::string_view body, Notes& notes) {
    if (kind == CallKind::admits) {
        notes.run_id = run_id_in_body(body);
        metrics_.admitted();
    }
    if (!notes.run_id.empty())
        notes.trace_id = trace_id_in_body(body);
}

/// The handles that a call of /rpc has resolved, and those that are none.
void Gateway::count_statuses(const RpcCall& call, std::string_view body) {
    if (call.function.shape == ResultShape::scalar) {
        const auto refusal = refusal_in(body);
        if (refusal && is_unknown_run(*refusal))
            metrics_.unknown_run();
        if (call.function.returns == Returns::run_status)
            metrics_.resolved(status_in_body(body));
        return;
    }
    for (const auto row : call.wants_object ? std::vector{body} : pq::elements_of(body)) {
        if (pq::member_of(row, "http_status") == "404")
            metrics_.unknown_run();
        metrics_.resolved(status_in_body(pq::member_of(row, "body").value_or("")));
    }
}

/// What the database answers, noted and counted.
asio::awaitable<std::string> Gateway::ask(const SqlCall& call, std::vector<pq::Argument> arguments, Notes& notes) {
    auto body = co_await database_.ask(call, std::move(arguments), notes.request_id);
    note(call.kind, body, notes);
    if (call.returns == Returns::run_status)
        metrics_.resolved(status_in_body(body));
    co_return body;
}

/// The stream, once its first read has told that there is something to stream; 204 if it never will be.
asio::awaitable<Answer> Gateway::stream(StreamKind kind, const SqlCall& call, std::vector<pq::Argument> arguments,
                                        const Request& request, Client& client, Notes& notes) {
    auto source = make_stream(kind, call, std::move(arguments), request["Last-Event-ID"], owner_.check_session(request),
                              live_, client);
    auto question = source->question();
    const auto first = co_await ask(call, std::move(question), notes);
    if (!source->begin(first))
        co_return json_response(status::no_content, {});
    co_return Answer(stream_head(kind), std::make_unique<CountedBody>(std::move(source), metrics_.stream()));
}

Response Gateway::act(OwnerAction action, const Request& request, const std::string& peer) {
    switch (action) {
    case OwnerAction::log_in:
        return owner_.log_in(request, peer);
    case OwnerAction::log_out:
        return owner_.log_out();
    case OwnerAction::show_session: // which has been checked
        return json_response(status::no_content, {});
    }
    throw std::logic_error("an action without an answer");
}

void Gateway::set_owner_password(const std::string& password) {
    if (owner_.has_password(password))
        return;
    owner_ = OwnerAccess(password, public_origin_ && public_origin_->scheme == "https");
    live_.wake_all(); // the streams of the sessions that are over
}

std::string Gateway::metrics_text() {
    const auto pool = database_.usage();
    metrics_.set_pool(pool.open, pool.busy, pool.waiting);
    return metrics_.text();
}

asio::awaitable<void> Gateway::try_database() {
    try {
        co_await database_.try_connecting();
    } catch (const pq::Error& error) {
        spdlog::warn("answering 503 until the database is there: {:?}", error.what());
    }
}

} // namespace pdpp::http
