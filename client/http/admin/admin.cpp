#include "http/admin/admin.hpp"

#include "http/wire/envelope.hpp"
#include "http/wire/errors.hpp"
#include "http/wire/request_id.hpp"
#include "log/log.hpp"

#include <boost/json/serialize.hpp>

namespace pdpp::http {

namespace asio = boost::asio;
namespace json = boost::json;

asio::awaitable<Reply> Admin::answer(const Request& request, Peer& peer) {
    peer.recognise(); // there are no others here
    const auto request_id = request_id_of(request);
    Response response;
    try {
        response = co_await respond(request);
    } catch (const Refusal& refusal) {
        response = error_response(refusal, request_id);
    } catch (const std::exception& error) {
        log::write(log::Level::error, {{"request_id", request_id}}, log::Quoted{error.what()});
        response =
            error_response({status::internal_server_error, "internal_error", "Something went wrong here."}, request_id);
    }
    response.set("Request-Id", request_id);
    co_return response;
}

Response Admin::refuse(const Refusal& refusal, const std::string&) {
    return error_response(refusal, new_request_id());
}

asio::awaitable<Response> Admin::respond(const Request& request) {
    if (hosts_) {
        hosts_->check(request);
    }
    const std::string_view path = request.target();
    if (path != "/live" && path != "/ready" && path != "/metrics") {
        throw refusal(ErrorKind::no_such_path);
    }
    if (request.method() != verb::get && request.method() != verb::head) {
        auto wrong_method = refusal(ErrorKind::method_not_allowed);
        wrong_method.headers.emplace_back(field::allow, "GET, HEAD");
        throw wrong_method;
    }
    if (path == "/live") {
        co_return json_response(status::ok, R"({"status":"live"})");
    }
    if (path == "/ready") {
        co_return co_await ready();
    }
    co_await endings_.count();
    auto text = co_await metrics_();
    auto response = json_response(status::ok, std::move(text));
    response.set(field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    co_return response;
}

asio::awaitable<Response> Admin::ready() {
    if (draining_) {
        co_return json_response(status::service_unavailable, R"({"status":"draining"})");
    }
    auto report = co_await readiness_.look();
    json::object body{{"status", report.ready ? "ready" : "not_ready"}, {"checks", std::move(report.checks)}};
    co_return json_response(report.ready ? status::ok : status::service_unavailable, json::serialize(body));
}

} // namespace pdpp::http
