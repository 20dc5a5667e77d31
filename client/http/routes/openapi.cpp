// Writing the mapping table down in OpenAPI's words.

#include "http/routes/openapi.hpp"

#include "version.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <vector>

namespace pdpp::http {

namespace json = boost::json;

namespace {

using Names = std::vector<std::string_view>;

std::string text(std::string_view a, std::string_view b, std::string_view c = {}) {
    std::string joined{a};
    return joined.append(b).append(c);
}

json::object reference(std::string_view kind, std::string_view name) {
    return {{"$ref", text(text("#/components/", kind, "/"), name)}};
}

/// Headers of an answer: what any has, and these.
json::object headers(const Names& names) {
    json::object list{{"Request-Id", reference("headers", "Request-Id")}};
    for (const auto name : names)
        list[name] = reference("headers", name);
    return list;
}

/// `get` for GET.
std::string name_of(verb method) {
    std::string name{beast::http::to_string(method)};
    std::ranges::transform(name, name.begin(), [](unsigned char byte) { return std::tolower(byte); });
    return name;
}

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
    if (route.needs_session)
        add({"owner_session_required"});
    if (is_write(route))
        add({"origin_mismatch"});
    if (const auto* const call = sql_call(route)) {
        add({"not_acceptable", "database_unavailable", "run_busy", "timeout"});
        if (call->kind == CallKind::reads)
            add({"precondition_failed"});
        else
            add({"unsupported_media_type", "in_doubt"});
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
    const auto* const call = sql_call(route);
    if (call != nullptr && call->kind == CallKind::reads) {
        list.emplace_back(reference("parameters", "IfNoneMatch"));
        list.emplace_back(reference("parameters", "IfMatch"));
    }
    if (call != nullptr)
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

/// A body of this schema with all of its examples. Throws std::logic_error if there is no such schema.
json::object media(std::string_view schema, const json::object& components) {
    if (!components.at("schemas").as_object().contains(schema))
        throw std::logic_error(text("no schema ", schema));
    json::object media{{"schema", reference("schemas", schema)}};
    if (auto examples = examples_of(schema, components); !examples.empty())
        media["examples"] = std::move(examples);
    return media;
}

/// What comes with an answer that is no error.
json::object success_headers(const Route& route, status code) {
    Names names{"Cache-Control"};
    const auto add = [&](bool are_given, std::initializer_list<std::string_view> more) {
        if (are_given)
            names.insert(names.end(), more);
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
    if (!route.schema.empty())
        usual["content"] = {{"application/json", media(route.schema, components)}};
    for (const auto kind : route.streams)
        usual["content"].as_object()[media_type_of(kind)] = {{"schema", {{"type", "string"}}}};
    json::object list{{std::to_string(static_cast<unsigned>(route.success)), std::move(usual)}};
    const auto* const call = sql_call(route);
    if (call != nullptr && call->kind == CallKind::reads)
        list["304"] =
            success(route, status::not_modified, "What the client has, by its If-None-Match, is what there is");
    if (!route.streams.empty())
        list["204"] = success(route, status::no_content, "A stream is resumed behind its end: there is nothing more");
    if (call != nullptr && call->kind == CallKind::admits && route.may_wait) {
        auto waited = success(route, status::ok, "Prefer: wait, and the run has ended in time");
        waited["content"] = {{"application/json", media("RunStatus", components)}};
        list["200"] = std::move(waited);
    }
    return list;
}

/// The example of an error. Throws std::logic_error if there is none.
const json::object& example_of(std::string_view schema, std::string_view code, const json::object& components) {
    const auto name = text(schema, ".", code);
    const auto* const example = components.at("examples").as_object().if_contains(name);
    if (example == nullptr)
        throw std::logic_error(text("no example ", name));
    return example->as_object();
}

/// An answer that is one of these errors, with what their examples say that comes with them.
json::object error_response(std::string_view schema, std::string_view description, const Names& codes,
                            const json::object& components) {
    Names names{"Cache-Control"};
    json::object examples;
    for (const auto code : codes) {
        examples[code] = reference("examples", text(schema, ".", code));
        if (const auto* const more = example_of(schema, code, components).if_contains("x-headers"))
            for (const auto& name : more->as_array())
                names.emplace_back(name.as_string());
    }
    if (schema == "RpcError")
        names.emplace_back("Proxy-Status");
    return {{"description", description},
            {"headers", headers(names)},
            {"content",
             {{"application/json", {{"schema", reference("schemas", schema)}, {"examples", std::move(examples)}}}}}};
}

/// There is no body in an answer to HEAD.
void remove_content(json::object& responses) {
    for (auto& [status, response] : responses)
        response.as_object().erase("content");
}

/// A reference to a response that is, or becomes, a component.
json::object shared(std::string name, json::object response, verb method, json::object& components) {
    if (method == verb::head) {
        name += ".head";
        response.erase("content");
    }
    auto link = reference("responses", name);
    components.at("responses").as_object()[name] = std::move(response);
    return link;
}

/// These errors by their status: components, which whatever operations have the same errors share.
json::object error_responses(std::string_view schema, const Names& codes, verb method, json::object& components) {
    std::map<unsigned, Names> by_status;
    for (const auto code : codes)
        by_status[example_of(schema, code, components).at("x-status").to_number<unsigned>()].push_back(code);
    json::object list;
    for (const auto& [number, those] : by_status) {
        std::string name{schema};
        for (const auto code : those)
            name = text(name, ".", code);
        const auto reason = beast::http::obsolete_reason(static_cast<status>(number));
        list[std::to_string(number)] =
            shared(name, error_response(schema, reason, those, components), method, components);
    }
    return list;
}

/// All errors that there is an example of, whatever their status.
json::object any_error(std::string_view schema, std::string_view description, verb method, json::object& components) {
    Names codes;
    const auto examples = examples_of(schema, components);
    for (const auto& [code, example] : examples)
        codes.emplace_back(code);
    return shared(std::string{schema}, error_response(schema, description, codes, components), method, components);
}

json::object responses(const Route& route, verb method, json::object& components) {
    auto list = successes(route, components);
    if (method == verb::head)
        remove_content(list);
    for (auto& [code, response] : error_responses("Error", error_codes(route), method, components))
        list[code] = std::move(response);
    return list;
}

/// `pdpp_run_status` of a SQL function, `get_` and the path otherwise; HEAD has `head_` before it.
std::string operation_id(const Route& route, verb method) {
    const auto* const call = sql_call(route);
    std::string id{call == nullptr ? route.path : call->function};
    std::ranges::replace_if(
        id, [](unsigned char byte) { return std::isalnum(byte) == 0; }, '_');
    return call == nullptr || method == verb::head ? text(name_of(method), "_", id) : id;
}

json::object operation(const Route& route, verb method, json::object& components) {
    json::object operation{{"operationId", operation_id(route, method)},
                           {"summary", route.summary},
                           {"parameters", parameters(route)},
                           {"responses", responses(route, method, components)}};
    if (auto body = request_body(route); !body.is_null())
        operation["requestBody"] = std::move(body);
    if (!route.needs_session)
        operation["security"] = json::array{};
    return operation;
}

/// In a query and in a form all is text. JSON may say null, which is the function's default, or has none as its answer.
json::object schema_of(const FunctionArgument& argument, bool is_json) {
    const std::string_view type = argument.type == "integer" ? "integer" : "string";
    if (!is_json)
        return {{"type", type}};
    if (argument.type == "text[]")
        return {{"type", {"array", "null"}}, {"items", {{"type", {type, "null"}}}}};
    if (argument.type == "jsonb")
        return json::object{};
    return {{"type", {type, "null"}}};
}

json::object body_schema(const Function& function, bool is_json) {
    json::object properties;
    json::array required;
    for (const auto& argument : function.arguments) {
        properties[argument.name] = schema_of(argument, is_json);
        if (argument.is_required)
            required.emplace_back(argument.name);
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
    if (is_about_run(function))
        whole["schema"] = {{"anyOf", {whole.at("schema"), {{"type", "null"}}}}};
    const json::object one{{"schema", whole.at("schema")}};
    if (function.shape == ResultShape::rows)
        whole["schema"] = {{"type", "array"}, {"items", one.at("schema")}};
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
    for (const auto& [name, example] : unknown.at("examples").as_object())
        either.at("examples").as_object()[name] = example;
    either["schema"] = {{"anyOf", {unknown.at("schema"), either.at("schema")}}};
    content[object_type] = std::move(unknown);
    response.at("headers").as_object()["Content-Range"] = reference("headers", "Content-Range");
    return response;
}

json::object rpc_responses(const Function& function, verb method, json::object& components) {
    json::object list;
    if (method == verb::options)
        list["200"] = {{"description", "Its methods"}, {"headers", headers({"Allow"})}};
    else
        list["200"] = rpc_result(function, "Its result", components);
    if (method != verb::options && function.shape == ResultShape::rows) {
        list["416"] = error_responses("RpcError", {"PGRST103"}, method, components).at("416");
        list["206"] = rpc_result(
            function, "Some of the rows: 4 MiB of them, or, with Prefer: count=exact, those of limit, offset and Range",
            components);
    }
    if (method != verb::options && is_about_run(function))
        list["404"] = rpc_not_found(components);
    if (method == verb::head)
        remove_content(list);
    list["default"] = any_error("RpcError", "An error in PostgREST's form", method, components);
    return list;
}

json::array rpc_parameters(const Function& function, verb method) {
    json::array list{reference("parameters", "RequestId")};
    if (method == verb::options)
        return list;
    list.emplace_back(reference("parameters", "RpcPrefer"));
    if (method != verb::post)
        for (const auto& argument : function.arguments)
            list.emplace_back(json::object{{"name", argument.name},
                                           {"in", "query"},
                                           {"required", argument.is_required},
                                           {"schema", schema_of(argument, false)}});
    if (function.shape == ResultShape::rows) {
        list.emplace_back(reference("parameters", "Limit"));
        list.emplace_back(reference("parameters", "Offset"));
        if (method == verb::get)
            list.emplace_back(reference("parameters", "Range"));
    }
    return list;
}

json::object rpc_operation(const Function& function, verb method, json::object& components) {
    json::object operation{{"operationId", text(text("rpc_", name_of(method), "_"), function.name)},
                           {"summary", text("The SQL function ", function.name, ", by PostgREST's conventions")},
                           {"parameters", rpc_parameters(function, method)},
                           {"responses", rpc_responses(function, method, components)}};
    if (method == verb::post)
        operation["requestBody"] = {
            {"required", std::ranges::any_of(function.arguments, &FunctionArgument::is_required)},
            {"content",
             {{"application/json", {{"schema", body_schema(function, true)}}},
              {"application/x-www-form-urlencoded", {{"schema", body_schema(function, false)}}}}}};
    return operation;
}

} // namespace

std::string openapi_document(std::span<const Route> routes, std::span<const Function> functions) {
    auto components = json::parse(openapi_components()).as_object();
    components["responses"] = json::object{};
    // also what no operation has: of other paths and methods, and of functions that are not served
    any_error("Error", "Every error that there is, over HTTP or in SQL", verb::get, components);
    json::object paths;
    for (const auto& route : routes) {
        auto& path = paths[route.path];
        if (path.is_null())
            path = json::object{};
        for (const auto method : route.methods)
            path.as_object()[name_of(method)] = operation(route, method, components);
    }
    for (const auto& function : functions) {
        json::object path;
        for (const auto method : {verb::get, verb::head, verb::post, verb::options})
            if (allowed_methods(function).find(beast::http::to_string(method)) != std::string_view::npos)
                path[name_of(method)] = rpc_operation(function, method, components);
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
