// Finding the route of a request in the mapping, and binding its arguments.

#include "http/routes/routing.hpp"

#include "http/syntax/json_body.hpp"
#include "http/syntax/traceparent.hpp"
#include "http/wire/errors.hpp"
#include "pq/body.hpp"

#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <optional>

namespace pdpp::http {

namespace {

std::optional<std::vector<PathVariable>> match_path(std::string_view path, const std::vector<std::string>& segments) {
    if (segments.empty() && path == "/") {
        return std::vector<PathVariable>{};
    }
    std::vector<PathVariable> variables;
    for (const auto& segment : segments) {
        if (path.empty()) {
            return std::nullopt;
        }
        path.remove_prefix(1);
        const auto expected = path.substr(0, path.find('/'));
        path.remove_prefix(expected.size());
        if (expected.starts_with('{')) {
            if (segment.empty()) {
                return std::nullopt;
            }
            variables.push_back({expected.substr(1, expected.size() - 2), segment});
        } else if (segment != expected) {
            return std::nullopt;
        }
    }
    if (!path.empty()) {
        return std::nullopt;
    }
    return variables;
}

bool allows(const Route& route, verb method) {
    return std::find(route.methods.begin(), route.methods.end(), method) != route.methods.end();
}

void add_methods(std::string& allow, const Route& route) {
    for (const auto method : route.methods) {
        allow.append(allow.empty() ? "" : ", ").append(beast::http::to_string(method));
    }
}

/// What bindings take their values from.
struct Sources {
    std::span<const PathVariable> variables;
    std::span<const QueryParameter> query;
    const Request& request;
    const JsonBody& body;
};

/// What an error names: headers go by their argument, as the database names them too.
std::string param_of(const Binding& binding) {
    return std::string{binding.place == Binding::Place::header ? binding.argument : binding.name};
}

pq::Parameter path_value(const Binding& binding, const Sources& sources) {
    for (const auto& variable : sources.variables) {
        if (variable.name == binding.name) {
            return std::string{variable.value};
        }
    }
    return std::nullopt;
}

/// Of which page of a list is wanted: a form, or a link that is made of parts, names these with nothing in them where
/// none was chosen.
bool is_of_page(std::string_view parameter) {
    return parameter == "cursor" || parameter == "limit";
}

/// The one value of a query parameter; nothing if it is absent.
pq::Parameter query_value(const Binding& binding, const Sources& sources) {
    for (const auto& parameter : sources.query) {
        if (parameter.name == binding.name && !(parameter.value.empty() && is_of_page(binding.name))) {
            return parameter.value;
        }
    }
    return std::nullopt;
}

pq::Parameter header_value(const Binding& binding, const Sources& sources) {
    const auto [first, last] = sources.request.equal_range(binding.name);
    if (first == last) {
        return std::nullopt;
    }
    if (std::next(first) != last) {
        throw invalid_request("The header " + std::string{binding.name} + " is given more than once.",
                              param_of(binding));
    }
    return std::string{first->value()};
}

pq::Parameter text_member(const Binding& binding, const Sources& sources) {
    const auto member = sources.body.members.find(binding.name);
    if (member == sources.body.members.end()) {
        return std::nullopt;
    }
    if (!member->second) {
        throw invalid_request(std::string{binding.name} + " must be a string.", param_of(binding));
    }
    return member->second;
}

/// Read here, since what is made of it is a time and no number: no digit of data is at stake.
pq::Parameter seconds_member(const Binding& binding, const Sources& sources) {
    if (!sources.body.members.contains(binding.name)) {
        return std::nullopt;
    }
    const auto body = pq::parse_body(sources.body.text);
    const auto& value = body.get_object().at(binding.name);
    return value.is_number() ? fmt::format("{}", value.to_number<double>()) : std::string{"no number"};
}

pq::Parameter json_member(const Binding& binding, const Sources& sources) {
    if (!sources.body.members.contains(binding.name)) {
        return std::nullopt;
    }
    return std::string{sources.body.text};
}

void check_format(const Binding& binding, std::string_view value) {
    if (!binding.format.accepts(value)) {
        throw invalid_request(std::string{binding.name} + " must be " + std::string{binding.format.expected} + ".",
                              param_of(binding));
    }
}

/// Its type is read here, and nothing else of it.
pq::Parameter kept_member(const Binding& binding, const Sources& sources) {
    if (!sources.body.members.contains(binding.name)) {
        return std::nullopt;
    }
    const auto body = pq::parse_body(sources.body.text);
    const auto& value = body.get_object().at(binding.name);
    if (value.is_null()) { // as those clients write what they do not say
        return std::nullopt;
    }
    check_format(binding, boost::json::serialize(value));
    return std::string{sources.body.text};
}

pq::Parameter value_of(const Binding& binding, const Sources& sources) {
    switch (binding.place) {
    case Binding::Place::segment:
        return path_value(binding, sources);
    case Binding::Place::query:
        return query_value(binding, sources);
    case Binding::Place::header:
        return header_value(binding, sources);
    case Binding::Place::trace:
        return trace_of(sources.request);
    case Binding::Place::member_text:
        return text_member(binding, sources);
    case Binding::Place::member_seconds:
        return seconds_member(binding, sources);
    case Binding::Place::member_json:
        return json_member(binding, sources);
    case Binding::Place::member_kept:
        return kept_member(binding, sources);
    case Binding::Place::constant:
        return std::string{binding.name};
    }
    return std::nullopt;
}

bool is_bound(const SqlCall& call, std::string_view name, std::initializer_list<Binding::Place> places) {
    return std::ranges::any_of(call.bindings, [&](const Binding& binding) {
        return binding.name == name && std::ranges::find(places, binding.place) != places.end();
    });
}

void check_names(const SqlCall& call, std::span<const QueryParameter> query) {
    for (const auto& parameter : query) {
        const auto same_name = [&](const auto& other) { return other.name == parameter.name; };
        if (!is_bound(call, parameter.name, {Binding::Place::query})) {
            throw invalid_request("There is no parameter " + parameter.name + " here.", parameter.name);
        }
        if (std::count_if(query.begin(), query.end(), same_name) > 1) {
            throw invalid_request(parameter.name + " is given more than once.", parameter.name);
        }
    }
}

void check_members(const SqlCall& call, const JsonBody& body) {
    for (const auto& [name, value] : body.members) {
        if (!is_bound(call, name,
                      {Binding::Place::member_text, Binding::Place::member_seconds, Binding::Place::member_json,
                       Binding::Place::member_kept})) {
            throw invalid_request("The body must not have a member " + name + ".", name);
        }
    }
}

} // namespace

Match find_route(std::span<const Route> table, verb method, const Target& target) {
    std::string allow;
    for (const auto& route : table) {
        auto variables = match_path(route.path, target.segments);
        if (!variables) {
            continue;
        }
        if (allows(route, method)) {
            return {route, std::move(*variables)};
        }
        add_methods(allow, route);
    }
    if (allow.empty()) {
        throw refusal(ErrorKind::no_such_path);
    }
    auto wrong_method = refusal(ErrorKind::method_not_allowed, "This path answers to " + allow + " only.");
    wrong_method.headers.emplace_back(field::allow, allow);
    throw wrong_method;
}

std::optional<Match> match_route(std::span<const Route> table, verb method, const Target& target) {
    for (const auto& route : table) {
        if (auto variables = allows(route, method) ? match_path(route.path, target.segments) : std::nullopt) {
            return Match{route, std::move(*variables)};
        }
    }
    return std::nullopt;
}

std::vector<pq::Argument> bind_arguments(const SqlCall& call, std::span<const PathVariable> variables,
                                         std::span<const QueryParameter> query, const Request& request) {
    check_names(call, query);
    const auto body = call.kind == CallKind::reads ? JsonBody{} : read_json_body(request);
    check_members(call, body);
    const Sources sources{variables, query, request, body};
    std::vector<pq::Argument> arguments;
    for (const auto& binding : call.bindings) {
        auto value = value_of(binding, sources);
        if (!value || std::ranges::find(arguments, binding.argument, &pq::Argument::name) != arguments.end()) {
            continue; // the whole body may be that argument already, with all its members that go there
        }
        if (binding.place != Binding::Place::member_kept) {
            check_format(binding, *value);
        }
        arguments.push_back({binding.argument, binding.type, std::move(value)});
    }
    return arguments;
}

} // namespace pdpp::http
