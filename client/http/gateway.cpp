// The pipeline.

#include "http/gateway.hpp"

#include "http/wire/errors.hpp"

#include "http/follow/run_stream.hpp"
#include "http/follow/wait.hpp"
#include "http/pages/error_page.hpp"
#include "http/pages/files.hpp"
#include "http/routes/openapi.hpp"
#include "http/rpc/call.hpp"
#include "http/rpc/error.hpp"
#include "http/rpc/function.hpp"
#include "http/runs/refusals.hpp"
#include "http/runs/representation.hpp"
#include "http/runs/status_body.hpp"
#include "http/syntax/target.hpp"
#include "http/upstream/forwarding.hpp"
#include "http/wire/envelope.hpp"
#include "http/wire/request_id.hpp"
#include "log/log.hpp"
#include "pq/jsonb_text.hpp"
#include "run/id.hpp"

#include <algorithm>
#include <stdexcept>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// Nothing if it is empty: a line of the log does not have it then.
std::optional<std::string_view> if_any(std::string_view text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

/// A refusal in the form that the path of the request has for it.
Response refused(std::string_view target, const Refusal& refusal, const std::string& request_id) {
    if (is_rpc(target)) {
        return rpc_error_response(rpc_error(refusal));
    }
    return error_response(refusal, request_id);
}

/// The same, for somebody who may want a page.
Response refused(const Request& request, const Refusal& refusal, const std::string& request_id) {
    if (!is_rpc(request.target()) && wants_page(request)) {
        return error_page(request, refusal, request_id);
    }
    return refused(request.target(), refusal, request_id);
}

/// The run that a call is about; empty if it is about none, or that is not said.
std::string run_id_in(const std::vector<pq::Argument>& arguments) {
    const auto found = std::ranges::find(arguments, std::string_view{"run_id"}, &pq::Argument::name);
    return found == arguments.end() ? std::string{} : found->value.value_or("");
}

std::string run_id_in(std::span<const PathVariable> variables) {
    const auto found = std::ranges::find(variables, std::string_view{"run_id"}, &PathVariable::name);
    return found == variables.end() ? std::string{} : std::string{found->value};
}

/// The routes do not change, but with the program.
Response api_description() {
    static const auto document = openapi_document(routes(), functions());
    auto response = json_response(status::ok, document);
    response.set(field::cache_control, "no-cache");
    return response;
}

/// What a call answered, as it is.
std::string_view body_of(const std::variant<StatusText, std::string>& said) {
    const auto* const status = std::get_if<StatusText>(&said);
    return status != nullptr ? status->status().body : std::get<std::string>(said);
}

/// Whether browsers come by https.
bool is_secure(const std::optional<Origin>& public_origin) {
    return public_origin && public_origin->scheme == "https";
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

/// What the body of an answer tells about the request. That of a list tells of many runs, and none of them is it.
void Gateway::Answered::note_body(CallKind kind, std::string_view body) {
    if (kind == CallKind::admits) {
        run_id = run_id_in_body(body);
    }
    if (!run_id.empty()) {
        trace_id = trace_id_in_body(body);
    }
}

void Gateway::Answered::note(CallKind kind, const Said& said) {
    if (const auto* const status = std::get_if<StatusText>(&said)) { // which has been read
        trace_id = status->status().trace_id;
    } else {
        note_body(kind, std::get<std::string>(said));
    }
}

Gateway::Gateway(const asio::any_io_executor& executor, const GatewayOptions& options, Database::All* all)
    : database_(executor, options.database, metrics_, all), owner_(options.owner, is_secure(options.public_origin)),
      pages_(database_, owner_, metrics_), hosts_(options.hosts), public_origin_(options.public_origin),
      target_bytes_(options.target_bytes),
      followed_(
          executor, std::max<std::size_t>(options.database.pool_size / 2, 1), // the others are for requests
          [this](std::string_view function, std::vector<pq::Argument> arguments) {
              return database_.call(CallKind::reads, function, std::move(arguments), {});
          },
          options.follow) {
    if (options.upstream) {
        upstream_.emplace(executor, *options.upstream);
    }
}

asio::awaitable<Reply> Gateway::answer(const Request& request, Peer& peer) {
    const auto began = std::chrono::steady_clock::now();
    const auto request_id = request_id_of(request);
    Answered answered;
    try {
        check_admissible(request);
        auto responding = upstream_                  ? respond(request, peer, request_id, answered) // its pages
                          : is_rpc(request.target()) ? respond_to_rpc(request, peer, request_id, answered)
                          : wants_page(request)      ? respond_with_page(request, peer, request_id, answered)
                                                     : respond(request, peer, request_id, answered);
        co_await std::move(responding);
    } catch (...) {
        answered.reply = told_of(std::current_exception(), request, request_id);
    }
    if (!upstream_ || answered.reply.head.count("Request-Id") == 0) {
        answered.reply.head.insert("Request-Id", request_id);
    }
    record(request, answered, request_id, peer.address(), std::chrono::steady_clock::now() - began);
    co_return std::move(answered.reply);
}

bool Gateway::takes_stream(const RequestHead& request) const {
    return upstream_ && !is_read_of_run(request);
}

asio::awaitable<Reply> Gateway::answer_stream(const Request& request, std::shared_ptr<BodySource> body, Peer& peer) {
    const auto began = std::chrono::steady_clock::now();
    const auto request_id = request_id_of(request);
    Answered answered;
    try {
        check_admissible(request);
        if (owner_.has_session(request)) {
            peer.recognise();
        } else {
            peer.forget(); // who takes his time with the rest of it
        }
        co_await hand_on(request, std::move(body), peer, request_id, answered);
    } catch (...) {
        answered.reply = told_of(std::current_exception(), request, request_id);
    }
    if (answered.reply.head.count("Request-Id") == 0) {
        answered.reply.head.insert("Request-Id", request_id);
    }
    record(request, answered, request_id, peer.address(), std::chrono::steady_clock::now() - began);
    co_return std::move(answered.reply);
}

Response Gateway::refuse(const Refusal& refusal, const std::string& peer) {
    const auto request_id = new_request_id();
    Answered answered;
    answered.reply = upstream_ ? error_response(refusal, request_id) // whose /rpc has forms of its own
                               : refused(refusal.target, refusal, request_id);
    answered.reply.head.insert("Request-Id", request_id);
    record({}, answered, request_id, peer, {});
    return std::move(answered.reply.head);
}

void Gateway::record(const Request& request, const Answered& answered, std::string_view request_id,
                     const std::string& peer, std::chrono::steady_clock::duration time) {
    // a method that is not HTTP's has no name of its own here
    const auto result = answered.reply.head.result_int();
    metrics_.answered(answered.route, request.method(), result, time);
    // names and numbers, and nothing of what a request carries but the run's id: a path may hold anything
    log::write(result >= 500 ? log::Level::warning : log::Level::info,
               {{"request_id", request_id},
                {"run_id", run::is_possible_id(answered.run_id) ? if_any(answered.run_id) : std::nullopt},
                {"trace_id", if_any(answered.trace_id)},
                {"method", beast::http::to_string(request.method())},
                {"route", if_any(answered.route)},
                {"status", result},
                {"duration_ms", std::chrono::round<std::chrono::microseconds>(time)},
                {"peer", if_any(peer)}},
               "answered");
}

/// What went wrong, in the form that the path of the request has for it.
Response Gateway::told_of(const std::exception_ptr& failure, const Request& request, const std::string& request_id) {
    const auto tell = [&](const Refusal& refusal) { // pages and /rpc are those of the server behind, if there is one
        return upstream_ ? error_response(refusal, request_id) : refused(request, refusal, request_id);
    };
    try {
        std::rethrow_exception(failure);
    } catch (const RpcError& error) {
        if (error.is_unknown_run) {
            metrics_.unknown_run();
        }
        return rpc_error_response(error);
    } catch (const Refusal& refusal) {
        if (is_unknown_run(refusal)) {
            metrics_.unknown_run();
        }
        return tell(refusal);
    } catch (const std::exception& error) { // whose details are for the log
        log::write(log::Level::error, {{"request_id", request_id}}, log::Quoted{error.what()});
        return tell(refusal(ErrorKind::internal_error));
    }
}

/// Before anything else is looked at.
void Gateway::check_admissible(const Request& request) const {
    if (request.target().size() > target_bytes_) {
        throw refusal(ErrorKind::uri_too_long);
    }
    if (hosts_) {
        hosts_->check(request);
    }
}

// ---- the routes of the mapping table --------------------------------------------------------------------------------

asio::awaitable<void> Gateway::respond(const Request& request, Peer& peer, const std::string& request_id,
                                       Answered& answered) {
    const auto target = parse_target(request.target());
    const auto match = find_route(routes(), request.method(), target);
    answered.route = match.route.path;
    answered.run_id = run_id_in(match.variables);
    std::exception_ptr failure;
    try {
        authenticate(match.route, request, peer);
        if (auto own = own_answer(match.route, request, peer)) {
            answered.reply = *std::move(own);
            co_return;
        }
        auto asked = bind(match, target, request, peer, request_id);
        if (asked.stream) {
            answered.reply = co_await open_stream(std::move(asked), answered);
        } else if (const auto* const kept = kept_status(asked)) {
            answered.trace_id = kept->trace_id;
            answered.reply.head = represent(asked, *kept);
        } else {
            auto said = co_await ask(asked);
            answered.note(asked.call.kind, said);
            FollowedRuns::Body ended;
            if (asked.wait) {
                ended = co_await wait(asked, said);
            }
            answered.reply.head = represent(asked, std::move(said), ended);
        }
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        co_return;
    }
    bool is_upstreams = false;
    if (upstream_) {
        is_upstreams = co_await is_for_upstream(failure, answered.run_id, request_id);
    }
    if (is_upstreams) {
        co_await hand_on(request, nullptr, peer, request_id, answered);
    } else {
        answered.reply = told_of(failure, request, request_id);
    }
}

/// The answer of the server behind, as it is.
asio::awaitable<void> Gateway::hand_on(const Request& request, std::shared_ptr<BodySource> body, Peer& peer,
                                       const std::string& request_id, Answered& answered) {
    answered.route = "upstream";
    try {
        answered.reply = co_await upstream_->hand_on(request, std::move(body), peer, request_id);
    } catch (...) {
        answered.reply = told_of(std::current_exception(), request, request_id);
    }
}

/// Whether a read of a run failed because the run is none of ours. One that is asked in a way that we do not know may
/// be one that the server behind does know.
asio::awaitable<bool> Gateway::is_for_upstream(const std::exception_ptr& failure, std::string run_id,
                                               const std::string& request_id) {
    try {
        std::rethrow_exception(failure);
    } catch (const Refusal& refusal) {
        if (is_unknown_run(refusal)) {
            co_return true;
        }
        if (refusal.code != status::bad_request && refusal.code != status::not_acceptable) {
            co_return false;
        }
    } catch (...) {
        co_return false;
    }
    try {
        co_await database_.status(std::move(run_id), request_id);
    } catch (const Refusal& refusal) {
        co_return is_unknown_run(refusal);
    }
    co_return false;
}

void Gateway::authenticate(const Route& route, const Request& request, Peer& peer) {
    if (route.needs_session) {
        owner_.check_session(request);
        peer.recognise();
    }
    if (request.method() == verb::post) {
        check_origin(request, public_origin_);
    }
}

/// The answer of a route that asks no database; nothing for one that does.
std::optional<Response> Gateway::own_answer(const Route& route, const Request& request, const Peer& peer) {
    if (const auto* const action = std::get_if<OwnerAction>(&route.answer)) {
        return act(*action, request, peer.address());
    }
    if (std::holds_alternative<ApiDescription>(route.answer)) {
        return api_description();
    }
    if (std::holds_alternative<PageFile>(route.answer)) {
        return answer_with_file(request, request.target());
    }
    return std::nullopt;
}

Gateway::Asked Gateway::bind(const Match& match, const Target& target, const Request& request, Peer& peer,
                             const std::string& request_id) const {
    const auto& call = std::get<SqlCall>(match.route.answer);
    const auto stream = acceptable_stream(match.route, request);
    auto arguments = bind_arguments(call, match.variables, target.query, request);
    std::optional<std::chrono::seconds> wait;
    if (match.route.may_wait && !stream) {
        wait = wanted_wait(request, followed_.options().wait_limit);
    }
    return {.request = request,
            .peer = peer,
            .request_id = request_id,
            .route = match.route,
            .call = call,
            .arguments = std::move(arguments),
            .stream = stream,
            .wait = wait};
}

/// How the run whose status is asked for ended, if that is kept in memory.
const RunStatus* Gateway::kept_status(const Asked& asked) {
    if (asked.call.returns != Returns::run_status) {
        return nullptr;
    }
    const auto* const kept = database_.kept_status(asked.arguments.at(0).value.value());
    if (kept != nullptr) {
        metrics_.resolved(kept->status);
    }
    return kept;
}

/// Reads, or writes.
asio::awaitable<Gateway::Said> Gateway::ask(const Asked& asked) {
    if (asked.call.returns == Returns::run_status) {
        auto status = co_await database_.status(asked.arguments.at(0).value.value(), asked.request_id);
        metrics_.resolved(status.status().status);
        co_return status;
    }
    auto body = co_await database_.ask(asked.call, asked.arguments, asked.request_id);
    if (asked.call.kind == CallKind::admits) {
        metrics_.admitted();
    }
    co_return body;
}

Response Gateway::represent(const Asked& asked, const RunStatus& kept) {
    auto response = answer_to_status(asked.request, kept);
    if (asked.wait) {
        confirm_wait(response, *asked.wait);
    }
    return response;
}

/// Waits as long as the client would: for another status, which is then what was said, or for how the run of an
/// acknowledgement ends; null if nobody can say.
asio::awaitable<FollowedRuns::Body> Gateway::wait(const Asked& asked, Said& said) {
    const auto waiting = metrics_.waiter();
    FollowedRuns::Body ended;
    if (auto* const status = std::get_if<StatusText>(&said)) {
        *status = co_await changed_status(followed_, asked.request, asked.peer, std::move(*status), *asked.wait);
    } else {
        ended = co_await ended_status(followed_, asked.peer, std::get<std::string>(said), *asked.wait);
    }
    co_return ended;
}

/// Of what was said, and of how the run that was acknowledged has ended meanwhile.
Response Gateway::represent(const Asked& asked, Said said, const FollowedRuns::Body& ended) {
    Response response;
    if (auto* const status = std::get_if<StatusText>(&said)) {
        response = answer_to_status(asked.request, std::move(*status));
    } else {
        auto& body = std::get<std::string>(said);
        switch (asked.call.kind) {
        case CallKind::reads:
            response = answer_to_read(asked.request, std::move(body));
            break;
        case CallKind::admits:
            response = answer_to_admission(asked.request, asked.route.success, std::move(body));
            break;
        case CallKind::writes:
            response = json_response(asked.route.success, std::move(body));
            break;
        }
        if (ended) {
            replace_acknowledgement(response, *ended);
        }
    }
    if (asked.wait) {
        confirm_wait(response, *asked.wait);
    }
    return response;
}

/// The stream, once its first read has told that there is something to stream; 204 if it never will be.
asio::awaitable<Reply> Gateway::open_stream(Asked asked, Answered& answered) {
    auto source = make_stream(*asked.stream, asked.call, std::move(asked.arguments), asked.request["Last-Event-ID"],
                              owner_.check_session(asked.request), followed_, asked.peer);
    asked.arguments = source->question();
    bool has_something = false;
    if (const auto* const kept = kept_status(asked)) {
        answered.trace_id = kept->trace_id;
        has_something = source->begin(kept->body);
    } else {
        const auto said = co_await ask(asked);
        answered.note(asked.call.kind, said);
        has_something = source->begin(body_of(said));
    }
    if (!has_something) {
        co_return json_response(status::no_content, {});
    }
    co_return Reply(stream_head(*asked.stream), std::make_unique<CountedBody>(std::move(source), metrics_.stream()));
}

// ---- pages ----------------------------------------------------------------------------------------------------------

asio::awaitable<void> Gateway::respond_with_page(const Request& request, Peer& peer, const std::string& request_id,
                                                 Answered& answered) {
    if (const auto asked = as_asked(request)) {
        owner_.check_session(request); // who has none is led to the login, and then here again
        co_return co_await respond(*asked, peer, request_id, answered);
    }
    const auto target = parse_target(request.target());
    const auto match = match_route(page_routes(), request.method(), target);
    if (!match) {
        co_return co_await respond(request, peer, request_id, answered);
    }
    answered.route = match->route.path;
    answered.run_id = run_id_in(match->variables);
    try {
        authenticate(match->route, request, peer);
        answered.reply = co_await pages_.answer(*match, target, request, peer.address(), request_id);
    } catch (...) {
        answered.reply = told_of(std::current_exception(), request, request_id);
    }
}

// ---- /rpc -----------------------------------------------------------------------------------------------------------

asio::awaitable<void> Gateway::respond_to_rpc(const Request& request, Peer& peer, const std::string& request_id,
                                              Answered& answered) {
    const auto target = parse_target(request.target());
    const auto& function = find_function(functions(), target);
    answered.route = "/rpc/{function}";
    try {
        check_method(function, request.method());
        authenticate_rpc(request, peer);
        if (request.method() == verb::options) {
            answered.reply = rpc_options(function);
            co_return;
        }
        const auto call = read_call(function, target, request);
        answered.run_id = run_id_in(call.arguments);
        auto response = co_await answer_rpc(database_, call, request, request_id);
        answered.note_body(function.kind, response.body());
        count_statuses(call, response.body());
        answered.reply = std::move(response);
    } catch (...) {
        answered.reply = told_of(std::current_exception(), request, request_id);
    }
}

void Gateway::authenticate_rpc(const Request& request, Peer& peer) {
    try {
        owner_.check_session(request);
    } catch (Refusal& refusal) {
        refusal.error_code = request.count(field::authorization) == 0 ? "PGRST302" : "PGRST301";
        throw;
    }
    peer.recognise();
    if (request.method() == verb::post) {
        check_origin(request, public_origin_);
    }
}

/// The handles that a call of /rpc has resolved, those that it has handed out, and those that are none.
void Gateway::count_statuses(const RpcCall& call, std::string_view body) {
    if (call.function.kind == CallKind::admits) {
        metrics_.admitted();
    }
    if (call.function.shape == ResultShape::scalar) {
        const auto refusal = refusal_in(body);
        if (refusal && is_unknown_run(*refusal)) {
            metrics_.unknown_run();
        }
        if (call.function.returns == Returns::run_status) {
            metrics_.resolved(status_in_body(body));
        }
        return;
    }
    for (const auto row : call.wants_object ? std::vector{body} : pq::elements_of(body)) {
        if (pq::member_of(row, "http_status") == "404") {
            metrics_.unknown_run();
        }
        metrics_.resolved(status_in_body(pq::member_of(row, "body").value_or("")));
    }
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

OwnerAccess Gateway::access_of(std::shared_ptr<Owner> owner) const {
    return {std::move(owner), is_secure(public_origin_)};
}

void Gateway::set_access(OwnerAccess access) {
    owner_ = std::move(access);
    followed_.feed().wake_all(); // the streams of the sessions that are over
}

void Gateway::hear(const pq::RunNews& news) {
    auto& feed = followed_.feed();
    switch (news.kind) {
    case pq::RunNews::Kind::listening:
        feed.set_listening(true);
        database_.heard(std::nullopt);
        feed.wake_all();
        break;
    case pq::RunNews::Kind::committed:
        database_.heard(news.run_number);
        feed.wake(news.run_number);
        break;
    case pq::RunNews::Kind::deaf:
        feed.set_listening(false);
        break;
    }
}

Metrics& Gateway::metrics() {
    const auto pool = database_.usage();
    metrics_.set_pool(pool.open, pool.busy, pool.waiting);
    return metrics_;
}

} // namespace pdpp::http
