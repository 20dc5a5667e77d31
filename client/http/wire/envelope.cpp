// Building answers.

#include "http/wire/envelope.hpp"

#include "run/error.hpp"

#include <boost/json/serialize.hpp>

namespace pdpp::http {

namespace json = boost::json;

std::string error_body(const Refusal& refusal, std::string_view request_id) {
    json::object error;
    error["type"] = run::error_type(static_cast<int>(refusal.code));
    error["code"] = refusal.error_code;
    error["message"] = refusal.message;
    if (!refusal.param.empty()) {
        error["param"] = refusal.param;
    }
    error["request_id"] = request_id;
    for (const auto& [key, value] : refusal.extra) {
        error.emplace(key, value); // never in place of a member above
    }
    return json::serialize(json::object{{"error", std::move(error)}});
}

Response error_response(const Refusal& refusal, std::string_view request_id) {
    Response response = json_response(refusal.code, error_body(refusal, request_id));
    for (const auto& [name, value] : refusal.headers) {
        response.set(name, value);
    }
    return response;
}

Response json_head(status code, std::size_t size, std::string_view cache_control) {
    Response response{code, 11};
    response.insert(field::cache_control, cache_control);
    if (code != status::no_content) {
        response.insert(field::content_type, "application/json");
        response.insert(field::content_length, std::to_string(size));
    }
    return response;
}

Response json_response(status code, std::string body, std::string_view cache_control) {
    auto response = json_head(code, body.size(), cache_control);
    response.body() = std::move(body);
    return response;
}

} // namespace pdpp::http
