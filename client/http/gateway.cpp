// The pipeline.

#include "http/gateway.hpp"

#include "http/database.hpp"
#include "http/envelope.hpp"
#include "http/request_id.hpp"
#include "http/run_stream.hpp"
#include "http/target.hpp"
#include "http/wait.hpp"
#include "pq/body.hpp"

#include <boost/algorithm/string/predicate.hpp>

#include <spdlog/spdlog.h>

#include <stdexcept>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// Where the run of an acknowledgement is found.
std::string handle_in(std::string_view acknowledgement) {
    const auto body = pq::parse_body(acknowledgement);
    return std::string{body.at("links").at("self").as_string()};
}

/// The stream that the request would rather have than a body.
std::optional<StreamKind> wanted_stream(const Route& route, const Request& request) {
    for (const auto kind : route.streams)
        if (boost::algorithm::iequals(request[field::accept], media_type_of(kind)))
            return kind;
    return std::nullopt;
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
        answer = co_await respond(request, client, request_id);
    } catch (const Refusal& refusal) {
        answer = error_response(refusal, request_id);
    } catch (const std::exception& error) {
        spdlog::error("request_id={} {:?}", request_id, error.what());
        answer =
            error_response({status::internal_server_error, "internal_error", "Something went wrong here."}, request_id);
    }
    answer.head.set("Request-Id", request_id);
    co_return answer;
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
    auto arguments = bind_arguments(call, variables, target.query, request);
    if (const auto kind = wanted_stream(route, request)) {
        auto answer = co_await stream(*kind, call, std::move(arguments), request, client, request_id);
        co_return answer;
    }
    std::optional<std::chrono::seconds> wait;
    if (route.waits_for != WaitFor::nothing)
        wait = wanted_wait(request, live_.options().wait_limit);

    auto body = co_await ask_database(pool_, call, std::move(arguments), timeout_, request_id);
    const auto handle = call.kind == CallKind::admits ? handle_in(body) : std::string{};
    auto code = route.success;
    if (wait && route.waits_for == WaitFor::change) {
        body = co_await changed_status(std::move(body), *wait, client);
    } else if (wait) {
        if (const auto ended = co_await ended_status(body, *wait, client)) {
            code = status::ok;
            body = *ended;
        }
    }
    auto response = json_response(code, std::move(body));
    if (!handle.empty())
        response.set(field::location, handle);
    if (code == status::accepted && !handle.empty())
        response.set(field::retry_after, "1");
    if (wait)
        confirm_wait(response, *wait);
    co_return response;
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

/// The status that comes after `status`, or `status` itself if none does.
asio::awaitable<std::string> Gateway::changed_status(std::string status, std::chrono::seconds wait, Client& client) {
    if (has_ended(status))
        co_return status;
    const auto differs = [&](std::string_view later) { return later != status; };
    const auto later = co_await wait_for_status(live_, client, pq::string_in(status, "run_id"), wait, differs);
    if (!later)
        throw refusal_for({pq::ErrorKind::cannot_connect, "the database went away while a request waited"});
    co_return *later;
}

/// How the acknowledged run has ended; null if it has not, or nobody can say.
asio::awaitable<LiveRuns::Body> Gateway::ended_status(std::string_view acknowledgement, std::chrono::seconds wait,
                                                      Client& client) {
    try {
        auto status =
            co_await wait_for_status(live_, client, pq::string_in(acknowledgement, "run_id"), wait, has_ended);
        co_return status&& has_ended(*status) ? std::move(status) : nullptr;
    } catch (const pq::Error& error) {
        spdlog::error("sqlstate={} {:?}", error.sqlstate(), error.what()); // the run is admitted, come what may
    }
    co_return nullptr;
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
