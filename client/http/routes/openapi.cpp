// The OpenAPI document: operations from both tables, and components.

#include "http/routes/openapi.hpp"

#include "http/routes/openapi_operations.hpp"
#include "http/routes/openapi_parts.hpp"
#include "http/wire/errors.hpp"
#include "run/error.hpp"
#include "version.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <openapi_json.hpp>

#include <utility>

namespace pdpp::http {

namespace json = boost::json;

namespace {

/// The answer that is an error of the table, with its status and the headers that come with it.
json::object example_of(const ErrorRow& row) {
    json::object error{
        {"type", run::error_type(static_cast<int>(row.http_status))}, {"code", row.code}, {"message", row.message}};
    if (!row.param.empty()) {
        error["param"] = row.param;
    }
    error["request_id"] = "req_0a1dae269bb903cb1b1c8e48248034ab";
    json::object example{{"x-status", static_cast<unsigned>(row.http_status)}};
    json::array headers;
    for (const auto& header : row.headers) {
        if (header.name != field::unknown) {
            headers.emplace_back(to_string(header.name));
        }
    }
    if (!headers.empty()) {
        example["x-headers"] = std::move(headers);
    }
    example["value"] = json::object{{"error", std::move(error)}};
    return example;
}

/// Those of openapi.json, with an example of each error that HTTP adds. A code that the SQL API has too keeps its own.
json::object all_components() {
    auto components = json::parse(openapi_json).as_object();
    auto& examples = components.at("examples").as_object();
    for (const auto& row : error_rows()) {
        examples.emplace("Error." + std::string{row.code}, example_of(row));
    }
    components["responses"] = json::object{};
    return components;
}

} // namespace

std::string openapi_document(std::span<const Route> routes, std::span<const Function> functions) {
    auto components = all_components();
    // also what no operation has: of other paths and methods, and of functions that are not served
    openapi::any_error("Error", "Every error that there is, over HTTP or in SQL", verb::get, components);
    json::object paths;
    for (const auto& route : routes) {
        if (std::holds_alternative<PageFile>(route.answer)) {
            continue; // what pages refer to is none of the API
        }
        auto& path = paths[route.path];
        if (path.is_null()) {
            path = json::object{};
        }
        for (const auto method : route.methods) {
            path.as_object()[openapi::name_of(method)] = openapi::operation(route, method, components);
        }
    }
    for (const auto& function : functions) {
        json::object path;
        for (const auto method : {verb::get, verb::head, verb::post, verb::options}) {
            if (allowed_methods(function).find(beast::http::to_string(method)) != std::string_view::npos) {
                path[openapi::name_of(method)] = openapi::rpc_operation(function, method, components);
            }
        }
        paths[openapi::text("/rpc/", function.name)] = std::move(path);
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
