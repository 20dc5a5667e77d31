#include "http/routes/openapi_parts.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <stdexcept>
#include <utility>

namespace pdpp::http::openapi {

namespace json = boost::json;

namespace {

/// The example of an error. Throws std::logic_error if there is none.
const json::object& example_of(std::string_view schema, std::string_view code, const json::object& components) {
    const auto name = text(schema, ".", code);
    const auto* const example = components.at("examples").as_object().if_contains(name);
    if (example == nullptr) {
        throw std::logic_error(text("no example ", name));
    }
    return example->as_object();
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

} // namespace

std::string text(std::string_view a, std::string_view b, std::string_view c) {
    std::string joined{a};
    return joined.append(b).append(c);
}

json::object reference(std::string_view kind, std::string_view name) {
    return {{"$ref", text(text("#/components/", kind, "/"), name)}};
}

json::object headers(const Names& names) {
    json::object list{{"Request-Id", reference("headers", "Request-Id")}};
    for (const auto name : names) {
        list[name] = reference("headers", name);
    }
    return list;
}

std::string name_of(verb method) {
    std::string name{beast::http::to_string(method)};
    std::ranges::transform(name, name.begin(), [](unsigned char byte) { return std::tolower(byte); });
    return name;
}

json::object media(std::string_view schema, const json::object& components) {
    if (!components.at("schemas").as_object().contains(schema)) {
        throw std::logic_error(text("no schema ", schema));
    }
    json::object media{{"schema", reference("schemas", schema)}};
    if (auto examples = examples_of(schema, components); !examples.empty()) {
        media["examples"] = std::move(examples);
    }
    return media;
}

json::object examples_of(std::string_view schema, const json::object& components) {
    json::object examples;
    const auto prefix = text(schema, ".");
    for (const auto& [name, example] : components.at("examples").as_object()) {
        if (std::string_view{name}.starts_with(prefix)) {
            examples[std::string_view{name}.substr(prefix.size())] = reference("examples", name);
        }
    }
    return examples;
}

json::object error_response(std::string_view schema, std::string_view description, const Names& codes,
                            const json::object& components) {
    Names names{"Cache-Control"};
    json::object examples;
    for (const auto code : codes) {
        examples[code] = reference("examples", text(schema, ".", code));
        if (const auto* const more = example_of(schema, code, components).if_contains("x-headers")) {
            for (const auto& name : more->as_array()) {
                names.emplace_back(name.as_string());
            }
        }
    }
    if (schema == "RpcError") {
        names.emplace_back("Proxy-Status");
    }
    return {{"description", description},
            {"headers", headers(names)},
            {"content",
             {{"application/json", {{"schema", reference("schemas", schema)}, {"examples", std::move(examples)}}}}}};
}

void remove_content(json::object& responses) {
    for (auto& [status, response] : responses) {
        response.as_object().erase("content");
    }
}

json::object error_responses(std::string_view schema, const Names& codes, verb method, json::object& components) {
    std::map<unsigned, Names> by_status;
    for (const auto code : codes) {
        by_status[example_of(schema, code, components).at("x-status").to_number<unsigned>()].push_back(code);
    }
    json::object list;
    for (const auto& [number, those] : by_status) {
        std::string name{schema};
        for (const auto code : those) {
            name = text(name, ".", code);
        }
        const auto reason = beast::http::obsolete_reason(static_cast<status>(number));
        list[std::to_string(number)] =
            shared(name, error_response(schema, reason, those, components), method, components);
    }
    return list;
}

json::object any_error(std::string_view schema, std::string_view description, verb method, json::object& components) {
    Names codes;
    const auto examples = examples_of(schema, components);
    for (const auto& [code, example] : examples) {
        codes.emplace_back(code);
    }
    return shared(std::string{schema}, error_response(schema, description, codes, components), method, components);
}

} // namespace pdpp::http::openapi
