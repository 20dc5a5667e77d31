#include "http/routes/openapi_operations.hpp"

#include "http/routes/openapi_parts.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

namespace pdpp::http::openapi {

namespace json = boost::json;

namespace {

/// In a query and in a form all is text. JSON may say null, which is the function's default, or has none as its answer.
json::object schema_of(const FunctionArgument& argument, bool is_json) {
    const bool has_own_type = argument.type == "integer" || argument.type == "boolean";
    const std::string_view type = has_own_type ? argument.type : "string";
    if (!is_json) {
        return {{"type", type}};
    }
    if (argument.type == "text[]") {
        return {{"type", {"array", "null"}}, {"items", {{"type", {type, "null"}}}}};
    }
    if (argument.type == "jsonb") {
        return json::object{};
    }
    if (argument.type == "interval") { // a number is one of seconds
        return {{"type", {type, "number", "null"}}};
    }
    return {{"type", {type, "null"}}};
}

json::object body_schema(const Function& function, bool is_json) {
    json::object properties;
    json::array required;
    for (const auto& argument : function.arguments) {
        properties[argument.name] = schema_of(argument, is_json);
        if (argument.is_required) {
            required.emplace_back(argument.name);
        }
    }
    return {{"type", "object"},
            {"properties", std::move(properties)},
            {"required", std::move(required)},
            {"additionalProperties", false}};
}

bool is_about_run(const Function& function) {
    return function.returns == Returns::run_status || function.returns == Returns::run_timeline;
}

json::object rpc_result(const Function& function, std::string_view description, const json::object& components) {
    auto whole = media(function.schema, components);
    if (is_about_run(function)) {
        whole["schema"] = {{"anyOf", {whole.at("schema"), {{"type", "null"}}}}};
    }
    const json::object one{{"schema", whole.at("schema")}};
    if (function.shape == ResultShape::rows) {
        whole["schema"] = {{"type", "array"}, {"items", one.at("schema")}};
    }
    return {{"description", description},
            {"headers", headers({"Cache-Control", "Content-Range", "Preference-Applied"})},
            {"content", {{"application/json", std::move(whole)}, {object_type, one}}}};
}

/// A function that is asked for an unknown run returns the envelope, as its result; all else that is not found is an
/// error of /rpc.
json::object rpc_not_found(const json::object& components) {
    auto response = error_response("RpcError", "There is no such run, or no function with such arguments", {"PGRST202"},
                                   components);
    auto unknown = media("UnknownRun", components);
    auto& content = response.at("content").as_object();
    auto& either = content.at("application/json").as_object();
    for (const auto& [name, example] : unknown.at("examples").as_object()) {
        either.at("examples").as_object()[name] = example;
    }
    either["schema"] = {{"anyOf", {unknown.at("schema"), either.at("schema")}}};
    content[object_type] = std::move(unknown);
    response.at("headers").as_object()["Content-Range"] = reference("headers", "Content-Range");
    return response;
}

json::object rpc_responses(const Function& function, verb method, json::object& components) {
    json::object list;
    if (method == verb::options) {
        list["200"] = {{"description", "Its methods"}, {"headers", headers({"Allow"})}};
    } else {
        list["200"] = rpc_result(function, "Its result", components);
    }
    if (method != verb::options && function.shape == ResultShape::rows) {
        list["416"] = error_responses("RpcError", {"PGRST103"}, method, components).at("416");
        list["206"] = rpc_result(
            function, "Some of the rows: 4 MiB of them, or, with Prefer: count=exact, those of limit, offset and Range",
            components);
    }
    if (method != verb::options && is_about_run(function)) {
        list["404"] = rpc_not_found(components);
    }
    if (method == verb::head) {
        remove_content(list);
    }
    list["default"] = any_error("RpcError", "An error in PostgREST's form", method, components);
    return list;
}

json::array rpc_parameters(const Function& function, verb method) {
    json::array list{reference("parameters", "RequestId")};
    if (method == verb::options) {
        return list;
    }
    list.emplace_back(reference("parameters", "RpcPrefer"));
    if (method != verb::post) {
        for (const auto& argument : function.arguments) {
            list.emplace_back(json::object{{"name", argument.name},
                                           {"in", "query"},
                                           {"required", argument.is_required},
                                           {"schema", schema_of(argument, false)}});
        }
    }
    if (function.shape == ResultShape::rows) {
        list.emplace_back(reference("parameters", "Limit"));
        list.emplace_back(reference("parameters", "Offset"));
        if (method == verb::get) {
            list.emplace_back(reference("parameters", "Range"));
        }
    }
    return list;
}

} // namespace

json::object rpc_operation(const Function& function, verb method, json::object& components) {
    json::object operation{{"operationId", text(text("rpc_", name_of(method), "_"), function.name)},
                           {"summary", text("The SQL function ", function.name, ", by PostgREST's conventions")},
                           {"parameters", rpc_parameters(function, method)},
                           {"responses", rpc_responses(function, method, components)}};
    if (method == verb::post) {
        operation["requestBody"] = {
            {"required", std::ranges::any_of(function.arguments, &FunctionArgument::is_required)},
            {"content",
             {{"application/json", {{"schema", body_schema(function, true)}}},
              {"application/x-www-form-urlencoded", {{"schema", body_schema(function, false)}}}}}};
    }
    return operation;
}

} // namespace pdpp::http::openapi
