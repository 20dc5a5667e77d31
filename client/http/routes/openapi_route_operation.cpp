#include "http/routes/openapi_operations.hpp"

#include "http/routes/openapi_parts.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <utility>
#include <variant>

namespace pdpp::http::openapi {

namespace json = boost::json;

namespace {

bool is_write(const Route& route) {
    return std::ranges::find(route.methods, verb::post) != route.methods.end();
}

const SqlCall* sql_call(const Route& route) {
    return std::get_if<SqlCall>(&route.answer);
}

/// Every code that can come from a route.
Names error_codes(const Route& route) {
    auto codes = route.errors;
    const auto add = [&](std::initializer_list<std::string_view> more) { codes.insert(codes.end(), more); };
    add({"invalid_request", "body_too_large", "uri_too_long", "headers_too_large", "internal_error",
         "too_many_connections", "host_not_allowed"});
    if (route.needs_session) {
        add({"owner_session_required"});
    }
    if (is_write(route)) {
        add({"origin_mismatch"});
    }
    if (const auto* const call = sql_call(route)) {
        add({"not_acceptable", "database_unavailable", "not_granted", "run_busy", "timeout"});
        if (call->returns != Returns::anything) { // of a run, which the server behind may be asked for
            add({"upstream_unavailable", "upstream_timeout"});
        }
        if (call->kind == CallKind::reads) {
            add({"precondition_failed"});
        } else {
            add({"unsupported_media_type", "in_doubt"});
        }
    }
    return codes;
}

json::object schema_of(const Binding& binding) {
    if (binding.place == Binding::Place::member_json) {
        return {{"type", "object"}};
    }
    if (binding.place == Binding::Place::member_seconds) {
        return {{"type", "number"}, {"description", text("must be ", binding.format.expected)}};
    }
    if (binding.place == Binding::Place::member_kept) { // "a boolean"
        return {{"type", binding.format.expected.substr(binding.format.expected.find(' ') + 1)}};
    }
    json::object schema{{"type", binding.type == "int" ? "integer" : binding.type == "boolean" ? "boolean" : "string"}};
    if (binding.format.expected != "text") {
        schema["description"] = text("must be ", binding.format.expected);
    }
    return schema;
}

json::object parameter(const Binding& binding, std::string_view in) {
    json::object parameter{{"name", binding.name}, {"in", in}, {"schema", schema_of(binding)}};
    if (in == "path") {
        parameter["required"] = true;
    }
    return parameter;
}

json::array parameters(const Route& route) {
    json::array list{reference("parameters", "RequestId")};
    if (route.may_wait) {
        list.emplace_back(reference("parameters", "Prefer"));
    }
    if (!route.streams.empty()) {
        list.emplace_back(reference("parameters", "LastEventId"));
    }
    const auto* const call = sql_call(route);
    if (call != nullptr && call->kind == CallKind::reads) {
        list.emplace_back(reference("parameters", "IfNoneMatch"));
        list.emplace_back(reference("parameters", "IfMatch"));
    }
    if (call != nullptr) {
        for (const auto& binding : call->bindings) {
            if (binding.place == Binding::Place::segment) {
                list.emplace_back(parameter(binding, "path"));
            }
            if (binding.place == Binding::Place::query) {
                list.emplace_back(parameter(binding, "query"));
            }
            if (binding.place == Binding::Place::header || binding.place == Binding::Place::trace) {
                list.emplace_back(parameter(binding, "header"));
            }
        }
    }
    return list;
}

/// The members of the body that are bound; empty if none are.
json::object body_members(const SqlCall& call) {
    json::object members;
    for (const auto& binding : call.bindings) {
        if (binding.place == Binding::Place::member_text || binding.place == Binding::Place::member_seconds ||
            binding.place == Binding::Place::member_json || binding.place == Binding::Place::member_kept) {
            members[binding.name] = schema_of(binding);
        }
    }
    return members;
}

/// Null if the route takes no body.
json::value request_body(const Route& route) {
    if (const auto* const action = std::get_if<OwnerAction>(&route.answer);
        action != nullptr && *action == OwnerAction::log_in) {
        const json::object login{{"schema", reference("schemas", "Login")}};
        return {{"required", true},
                {"content", {{"application/json", login}, {"application/x-www-form-urlencoded", login}}}};
    }
    const auto* const call = sql_call(route);
    auto members = call == nullptr ? json::object{} : body_members(*call);
    if (members.empty()) {
        return nullptr;
    }
    const json::object schema{{"type", "object"}, {"properties", std::move(members)}, {"additionalProperties", false}};
    return {{"content", {{"application/json", {{"schema", schema}}}}}};
}

/// What comes with an answer that is no error.
json::object success_headers(const Route& route, status code) {
    Names names{"Cache-Control"};
    const auto add = [&](bool are_given, std::initializer_list<std::string_view> more) {
        if (are_given) {
            names.insert(names.end(), more);
        }
    };
    const auto* const call = sql_call(route);
    const auto* const action = std::get_if<OwnerAction>(&route.answer);
    const bool has_body = code != status::no_content && code != status::not_modified;
    const bool is_read = call != nullptr && call->kind == CallKind::reads && code != status::no_content;
    const bool is_status = is_read && call->returns == Returns::run_status;
    const bool is_admission = call != nullptr && call->kind == CallKind::admits;
    add(is_read, {"ETag", "Vary"});
    add(is_status && has_body, {"Link"});
    add(is_status || (is_admission && code == status::accepted), {"Retry-After"});
    add(is_admission, {"Location", "traceparent"});
    add(route.may_wait && code != status::no_content, {"Preference-Applied"});
    add(!route.streams.empty() && has_body, {"X-Accel-Buffering"});
    add(action != nullptr && *action != OwnerAction::show_session, {"Set-Cookie"});
    return headers(names);
}

json::object success(const Route& route, status code, std::string_view description) {
    return {{"description", description}, {"headers", success_headers(route, code)}};
}

/// What comes if there is nothing to refuse, by status.
json::object successes(const Route& route, const json::object& components) {
    auto usual = success(route, route.success, route.summary);
    if (!route.schema.empty()) {
        usual["content"] = {{"application/json", media(route.schema, components)}};
    }
    for (const auto kind : route.streams) {
        usual["content"].as_object()[media_type_of(kind)] = {{"schema", {{"type", "string"}}}};
    }
    json::object list{{std::to_string(static_cast<unsigned>(route.success)), std::move(usual)}};
    const auto* const call = sql_call(route);
    if (call != nullptr && call->kind == CallKind::reads) {
        list["304"] =
            success(route, status::not_modified, "What the client has, by its If-None-Match, is what there is");
    }
    if (!route.streams.empty()) {
        list["204"] = success(route, status::no_content, "A stream is resumed behind its end: there is nothing more");
    }
    if (call != nullptr && call->kind == CallKind::admits && route.may_wait) {
        auto waited = success(route, status::ok, "Prefer: wait, and the run has ended in time");
        waited["content"] = {{"application/json", media("RunStatus", components)}};
        list["200"] = std::move(waited);
    }
    return list;
}

json::object responses(const Route& route, verb method, json::object& components) {
    auto list = successes(route, components);
    if (method == verb::head) {
        remove_content(list);
    }
    for (auto& [code, response] : error_responses("Error", error_codes(route), method, components)) {
        list[code] = std::move(response);
    }
    return list;
}

/// The route's own; else `pdpp_run_status` of a SQL function, `get_` and the path otherwise; HEAD has `head_` before
/// it.
std::string operation_id(const Route& route, verb method) {
    if (!route.operation.empty()) {
        return std::string{route.operation};
    }
    const auto* const call = sql_call(route);
    std::string id{call == nullptr ? route.path : call->function};
    std::ranges::replace_if(
        id, [](unsigned char byte) { return std::isalnum(byte) == 0; }, '_');
    return call == nullptr || method == verb::head ? text(name_of(method), "_", id) : id;
}

} // namespace

json::object operation(const Route& route, verb method, json::object& components) {
    json::object operation{{"operationId", operation_id(route, method)},
                           {"summary", route.summary},
                           {"parameters", parameters(route)},
                           {"responses", responses(route, method, components)}};
    if (auto body = request_body(route); !body.is_null()) {
        operation["requestBody"] = std::move(body);
    }
    if (!route.needs_session) {
        operation["security"] = json::array{};
    }
    return operation;
}

} // namespace pdpp::http::openapi
