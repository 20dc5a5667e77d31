// Writing the mapping table down in OpenAPI's words.

#include "http/openapi.hpp"

#include "version.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace pdpp::http {

namespace json = boost::json;

namespace {

std::string text(std::string_view a, std::string_view b, std::string_view c = {}) {
    std::string joined{a};
    return joined.append(b).append(c);
}

json::object reference(std::string_view kind, std::string_view name) {
    return {{"$ref", text(text("#/components/", kind, "/"), name)}};
}

bool is_write(const Route& route) {
    return std::ranges::find(route.methods, verb::post) != route.methods.end();
}

const SqlCall* sql_call(const Route& route) {
    return std::get_if<SqlCall>(&route.answer);
}

/// Every code that can come from a route.
std::vector<std::string_view> error_codes(const Route& route) {
    auto codes = route.errors;
    for (const auto* const code : {"invalid_request", "uri_too_long", "headers_too_large", "internal_error"})
        codes.emplace_back(code);
    if (route.needs_session)
        codes.emplace_back("owner_session_required");
    if (is_write(route)) {
        codes.emplace_back("origin_mismatch");
        codes.emplace_back("body_too_large");
    }
    if (const auto* const call = sql_call(route)) {
        codes.emplace_back("database_unavailable");
        codes.emplace_back("timeout");
        if (call->kind != CallKind::reads)
            codes.emplace_back("in_doubt");
        if (call->kind == CallKind::admits)
            codes.emplace_back("unsupported_media_type");
        if (call->kind == CallKind::reads)
            codes.emplace_back("not_acceptable");
    }
    return codes;
}

json::object schema_of(const Binding& binding) {
    if (binding.place == Binding::Place::member_json)
        return {{"type", "object"}};
    json::object schema{{"type", binding.type == "int" ? "integer" : "string"}};
    if (binding.format.expected != "text")
        schema["description"] = text("must be ", binding.format.expected);
    return schema;
}

json::object parameter(const Binding& binding, std::string_view in) {
    json::object parameter{{"name", binding.name}, {"in", in}, {"schema", schema_of(binding)}};
    if (in == "path")
        parameter["required"] = true;
    return parameter;
}

json::array parameters(const Route& route) {
    json::array list{reference("parameters", "RequestId")};
    if (route.may_wait)
        list.emplace_back(reference("parameters", "Prefer"));
    if (!route.streams.empty())
        list.emplace_back(reference("parameters", "LastEventId"));
    if (const auto* const call = sql_call(route))
        for (const auto& binding : call->bindings) {
            if (binding.place == Binding::Place::segment)
                list.emplace_back(parameter(binding, "path"));
            if (binding.place == Binding::Place::query)
                list.emplace_back(parameter(binding, "query"));
            if (binding.place == Binding::Place::header || binding.place == Binding::Place::trace)
                list.emplace_back(parameter(binding, "header"));
        }
    return list;
}

/// The members of the body that are bound; empty if none are.
json::object body_members(const SqlCall& call) {
    json::object members;
    for (const auto& binding : call.bindings)
        if (binding.place == Binding::Place::member_text || binding.place == Binding::Place::member_json)
            members[binding.name] = schema_of(binding);
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
    if (members.empty())
        return nullptr;
    const json::object schema{{"type", "object"}, {"properties", std::move(members)}, {"additionalProperties", false}};
    return {{"content", {{"application/json", {{"schema", schema}}}}}};
}

/// References to all examples of a schema.
json::object examples_of(std::string_view schema, const json::object& components) {
    json::object examples;
    const auto prefix = text(schema, ".");
    for (const auto& [name, example] : components.at("examples").as_object())
        if (std::string_view{name}.starts_with(prefix))
            examples[std::string_view{name}.substr(prefix.size())] = reference("examples", name);
    return examples;
}

json::object content(std::string_view schema, json::object examples) {
    json::object media{{"schema", reference("schemas", schema)}};
    if (!examples.empty())
        media["examples"] = std::move(examples);
    return {{"application/json", std::move(media)}};
}

json::object success(const Route& route, const json::object& components) {
    json::object headers{{"Request-Id", reference("headers", "RequestId")}};
    const auto* const call = sql_call(route);
    if (call != nullptr && call->kind == CallKind::admits) {
        headers["Location"] = reference("headers", "Location");
        headers["Retry-After"] = reference("headers", "RetryAfter");
    }
    json::object response{{"description", route.summary}, {"headers", std::move(headers)}};
    if (!route.schema.empty()) {
        if (!components.at("schemas").as_object().contains(route.schema))
            throw std::logic_error(text("no schema ", route.schema));
        response["content"] = content(route.schema, examples_of(route.schema, components));
    }
    for (const auto kind : route.streams)
        response["content"].as_object()[media_type_of(kind)] = {{"schema", {{"type", "string"}}}};
    return response;
}

/// What else can come instead of the success.
void add_variants(json::object& responses, const Route& route, const json::object& components) {
    const auto* const call = sql_call(route);
    if (call != nullptr && call->kind == CallKind::reads)
        responses["304"] = {{"description", "What the client has, by its If-None-Match, is what there is"}};
    if (!route.streams.empty())
        responses["204"] = {{"description", "A stream is resumed behind its end: there is nothing more"}};
    if (call != nullptr && call->kind == CallKind::admits && route.may_wait)
        responses["200"] = {{"description", "Prefer: wait, and the run has ended in time"},
                            {"content", content("RunStatus", examples_of("RunStatus", components))}};
}

json::object responses(const Route& route, const json::object& components) {
    json::object responses{{std::to_string(static_cast<unsigned>(route.success)), success(route, components)}};
    const auto& examples = components.at("examples").as_object();
    for (const auto code : error_codes(route)) {
        const auto name = text("Error.", code);
        const auto* const example = examples.if_contains(name);
        if (example == nullptr)
            throw std::logic_error(text("no example ", name));
        const auto status = std::to_string(example->at("x-status").as_int64());
        auto& response = responses[status];
        if (response.is_null())
            response = json::object{{"description", beast::http::obsolete_reason(static_cast<beast::http::status>(
                                                        example->at("x-status").as_int64()))},
                                    {"headers", {{"Request-Id", reference("headers", "RequestId")}}},
                                    {"content", content("Error", json::object{{code, nullptr}})}};
        response.at("content").at("application/json").at("examples").as_object()[code] = reference("examples", name);
    }
    add_variants(responses, route, components);
    return responses;
}

/// `pdpp_run_status` of a SQL function, `get_` and the path otherwise; HEAD has `head_` before it.
std::string operation_id(const Route& route, verb method) {
    const auto* const call = sql_call(route);
    std::string id{call == nullptr ? route.path : call->function};
    std::ranges::replace_if(
        id, [](unsigned char byte) { return std::isalnum(byte) == 0; }, '_');
    if (call == nullptr || method == verb::head) {
        std::string name{beast::http::to_string(method)};
        std::ranges::transform(name, name.begin(), [](unsigned char byte) { return std::tolower(byte); });
        id = text(name, "_", id);
    }
    return id;
}

json::object operation(const Route& route, verb method, const json::object& components) {
    json::object operation{{"operationId", operation_id(route, method)},
                           {"summary", route.summary},
                           {"parameters", parameters(route)},
                           {"responses", responses(route, components)}};
    if (auto body = request_body(route); !body.is_null())
        operation["requestBody"] = std::move(body);
    if (!route.needs_session)
        operation["security"] = json::array{};
    if (method == verb::head)
        for (auto& [status, response] : operation["responses"].as_object())
            response.as_object().erase("content");
    return operation;
}

json::object schema_of(const FunctionArgument& argument) {
    if (argument.type == "integer")
        return {{"type", "integer"}};
    if (argument.type == "text[]")
        return {{"type", "array"}, {"items", {{"type", "string"}}}};
    if (argument.type == "jsonb")
        return json::object{};
    return {{"type", "string"}};
}

json::object rpc_operation(const Function& function, std::string_view method) {
    json::object operation{
        {"operationId", text("rpc_", method, text("_", function.name))},
        {"summary", text("The SQL function ", function.name, ", by PostgREST's conventions")},
        {"responses",
         {{"200", {{"description", "Its result"}, {"content", {{"application/json", {{"schema", json::object{}}}}}}}},
          {"default",
           {{"description", "An error in PostgREST's form"},
            {"content", {{"application/json", {{"schema", reference("schemas", "RpcError")}}}}}}}}}};
    json::object properties;
    json::array required;
    json::array parameters;
    const bool is_get = method == "get";
    for (const auto& argument : function.arguments) {
        properties[argument.name] = schema_of(argument);
        if (argument.is_required)
            required.emplace_back(argument.name);
        if (is_get)
            parameters.push_back(
                json::object{{"name", argument.name},
                             {"in", "query"},
                             {"required", argument.is_required},
                             {"schema", {{"type", argument.type == "integer" ? "integer" : "string"}}}});
    }
    if (function.shape == ResultShape::rows) {
        parameters.push_back(reference("parameters", "Limit"));
        parameters.push_back(reference("parameters", "Offset"));
        if (is_get)
            parameters.push_back(reference("parameters", "Range"));
        operation["responses"].as_object()["206"] = {
            {"description", "Some of the rows, by limit, offset and Range, with Prefer: count=exact"},
            {"content", {{"application/json", {{"schema", json::object{}}}}}}};
    }
    if (!is_get)
        operation["requestBody"] = {
            {"content",
             {{"application/json",
               {{"schema",
                 {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}}}}}}}};
    if (!parameters.empty())
        operation["parameters"] = std::move(parameters);
    return operation;
}

} // namespace

std::string openapi_document(std::span<const Route> routes, std::span<const Function> functions) {
    const auto components = json::parse(openapi_components()).as_object();
    json::object paths;
    for (const auto& route : routes) {
        auto& path = paths[route.path];
        if (path.is_null())
            path = json::object{};
        for (const auto method : route.methods) {
            std::string name{beast::http::to_string(method)};
            std::ranges::transform(name, name.begin(), [](unsigned char byte) { return std::tolower(byte); });
            path.as_object()[name] = operation(route, method, components);
        }
    }
    for (const auto& function : functions) {
        json::object path{{"post", rpc_operation(function, "post")}};
        if (function.kind == CallKind::reads)
            path["get"] = rpc_operation(function, "get");
        paths[text("/rpc/", function.name)] = std::move(path);
    }
    const json::object document{
        {"openapi", "3.1.0"},
        {"info",
         {{"title", "pdpp"},
          {"summary", "Run handles that never dangle"},
          {"description", "Whoever was told \"started, here is the run id\" can resolve that id from that instant, for "
                          "ever, to one typed status."},
          {"version", program_version},
          {"license", {{"name", "PostgreSQL Licence"}, {"identifier", "PostgreSQL"}}}}},
        {"security", json::array{json::object{{"bearer", json::array{}}}, json::object{{"cookie", json::array{}}}}},
        {"paths", std::move(paths)},
        {"components", components}};
    return json::serialize(document);
}

} // namespace pdpp::http
