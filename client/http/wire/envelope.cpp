// Building answers.

#include "http/wire/envelope.hpp"

#include <boost/json/serialize.hpp>

namespace pdpp::http {

namespace json = boost::json;

Refusal invalid_request(std::string message, std::string param) {
    return {status::bad_request, "invalid_request", std::move(message), std::move(param)};
}

std::string_view error_type(status code) {
    switch (code) {
    case status::bad_request:
        return "invalid_request_error";
    case status::unauthorized:
        return "authentication_error";
    case status::forbidden:
        return "permission_error";
    case status::not_found:
        return "not_found_error";
    case status::gone:
        return "gone_error";
    case status::payload_too_large:
        return "request_entity_too_large_error";
    case status::too_many_requests:
        return "rate_limit_error";
    default:
        return "api_error";
    }
}

std::string error_body(const Refusal& refusal, std::string_view request_id) {
    json::object error;
    error["type"] = error_type(refusal.code);
    error["code"] = refusal.error_code;
    error["message"] = refusal.message;
    if (!refusal.param.empty())
        error["param"] = refusal.param;
    error["request_id"] = request_id;
    for (const auto& [key, value] : refusal.extra)
        error.emplace(key, value); // never in place of a member above
    return json::serialize(json::object{{"error", std::move(error)}});
}

Response error_response(const Refusal& refusal, std::string_view request_id) {
    Response response = json_response(refusal.code, error_body(refusal, request_id));
    if (refusal.code == status::unauthorized)
        response.set(field::www_authenticate, "Bearer realm=\"pdpp\"");
    for (const auto& [name, value] : refusal.headers)
        response.set(name, value);
    return response;
}

Response json_response(status code, std::string body, std::string_view cache_control) {
    Response response{code, 11};
    response.set(field::cache_control, cache_control);
    if (code != status::no_content) {
        response.set(field::content_type, "application/json");
        response.content_length(body.size());
    }
    response.body() = std::move(body);
    return response;
}

} // namespace pdpp::http
