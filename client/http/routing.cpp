// Finding the route of a request in the mapping, and binding its arguments.

#include "http/mapping.hpp"

#include <algorithm>
#include <optional>

namespace pdpp::http {

namespace {

std::optional<std::vector<PathVariable>> match_path(std::string_view path, const std::vector<std::string>& segments) {
    std::vector<PathVariable> variables;
    for (const auto& segment : segments) {
        if (path.empty())
            return std::nullopt;
        path.remove_prefix(1);
        const auto expected = path.substr(0, path.find('/'));
        path.remove_prefix(expected.size());
        if (expected.starts_with('{')) {
            if (segment.empty())
                return std::nullopt;
            variables.push_back({expected.substr(1, expected.size() - 2), segment});
        } else if (segment != expected) {
            return std::nullopt;
        }
    }
    if (!path.empty())
        return std::nullopt;
    return variables;
}

bool allows(const Route& route, verb method) {
    return std::find(route.methods.begin(), route.methods.end(), method) != route.methods.end();
}

void add_methods(std::string& allow, const Route& route) {
    for (const auto method : route.methods)
        allow.append(allow.empty() ? "" : ", ").append(beast::http::to_string(method));
}

/// The one value of a query parameter; nothing if it is absent.
pq::Parameter query_value(const Binding& binding, std::span<const QueryParameter> query) {
    for (const auto& parameter : query)
        if (parameter.name == binding.name)
            return parameter.value;
    return std::nullopt;
}

pq::Parameter path_value(const Binding& binding, std::span<const PathVariable> variables) {
    for (const auto& variable : variables)
        if (variable.name == binding.name)
            return std::string{variable.value};
    return std::nullopt;
}

void check_names(const SqlCall& call, std::span<const QueryParameter> query) {
    for (const auto& parameter : query) {
        const auto same_name = [&](const auto& other) { return other.name == parameter.name; };
        const bool known = std::any_of(call.bindings.begin(), call.bindings.end(), [&](const Binding& binding) {
            return binding.place == Binding::Place::query && same_name(binding);
        });
        if (!known)
            throw invalid_request("There is no parameter " + parameter.name + " here.", parameter.name);
        if (std::count_if(query.begin(), query.end(), same_name) > 1)
            throw invalid_request(parameter.name + " is given more than once.", parameter.name);
    }
}

} // namespace

Match find_route(std::span<const Route> table, verb method, const Target& target) {
    std::string allow;
    for (const auto& route : table) {
        auto variables = match_path(route.path, target.segments);
        if (!variables)
            continue;
        if (allows(route, method))
            return {route, std::move(*variables)};
        add_methods(allow, route);
    }
    if (allow.empty())
        throw Refusal{status::not_found, "not_found", "There is nothing at this path."};
    throw Refusal{.code = status::method_not_allowed,
                  .error_code = "method_not_allowed",
                  .message = "This path answers to " + allow + " only.",
                  .headers = {{field::allow, allow}}};
}

std::vector<pq::Argument> bind_arguments(const SqlCall& call, std::span<const PathVariable> variables,
                                         std::span<const QueryParameter> query) {
    check_names(call, query);
    std::vector<pq::Argument> arguments;
    for (const auto& binding : call.bindings) {
        auto value =
            binding.place == Binding::Place::segment ? path_value(binding, variables) : query_value(binding, query);
        if (!value)
            continue;
        if (!binding.format.accepts(*value))
            throw invalid_request(std::string{binding.name} + " must be " + std::string{binding.format.expected} + ".",
                                  std::string{binding.name});
        arguments.push_back({binding.argument, binding.type, std::move(value)});
    }
    return arguments;
}

} // namespace pdpp::http
