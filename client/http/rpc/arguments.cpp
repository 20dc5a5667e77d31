#include "http/rpc/arguments.hpp"

#include "http/rpc/function.hpp"
#include "http/syntax/form.hpp"
#include "http/syntax/json_body.hpp"
#include "pq/array_literal.hpp"
#include "pq/body.hpp"
#include "text/text.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

namespace pdpp::http {

namespace json = boost::json;
using beast::iequals;

namespace {

RpcError unreadable(std::string message) {
    return {.code = status::bad_request, .error_code = "PGRST102", .message = std::move(message)};
}

RpcArguments form_arguments(std::string_view body) {
    RpcArguments arguments;
    for (auto& [name, value] : form_members(body)) {
        if (!is_storable(name) || !is_storable(value)) {
            throw unreadable("The form holds a NUL or is not UTF-8.");
        }
        arguments[std::move(name)].value = std::move(value);
    }
    return arguments;
}

std::string array_of(const json::array& elements, std::string_view name) {
    std::vector<pq::Parameter> texts;
    for (const auto& element : elements) {
        if (!element.is_null() && !element.is_string()) {
            throw unreadable(fmt::format("{} must be an array of strings", name));
        }
        texts.push_back(element.is_null() ? std::nullopt : std::optional{std::string{element.get_string()}});
    }
    return pq::array_literal(texts);
}

/// How many elements a literal of an array has at most: the commas that are not quoted, and one.
std::size_t elements_in(std::string_view literal) {
    std::size_t count = 1;
    bool is_quoted = false;
    for (std::size_t i = 0; i < literal.size(); ++i) {
        if (literal[i] == '\\') {
            ++i;
        } else if (literal[i] == '"') {
            is_quoted = !is_quoted;
        } else if (literal[i] == ',' && !is_quoted) {
            ++count;
        }
    }
    return count;
}

void check_length(const FunctionArgument& argument, const pq::Parameter& value) {
    if (argument.type == "text[]" && value && elements_in(*value) > most_elements) {
        throw RpcError{.code = status::bad_request,
                       .error_code = "22023", // invalid_parameter_value
                       .message = fmt::format("{} must not have more than {} elements", argument.name, most_elements),
                       .hint = "Ask for them in several calls."};
    }
}

GivenArgument given_by(const FunctionArgument& argument, const json::value& value, std::string_view body) {
    if (value.is_null()) {
        return {};
    }
    if (!argument.from_body.empty()) {
        return {std::string{body}, true};
    }
    if (value.is_string()) {
        return {std::string{value.get_string()}};
    }
    if (value.is_int64() || value.is_uint64() || value.is_bool()) {
        return {json::serialize(value)};
    }
    if (value.is_double() && argument.type == "interval") { // seconds, which an interval has no exponent for
        return {fmt::format("{:.6f}", value.get_double())};
    }
    if (value.is_array() && argument.type == "text[]") {
        return {array_of(value.get_array(), argument.name)};
    }
    throw unreadable(fmt::format("{} cannot be read as {}", argument.name, argument.type));
}

RpcArguments json_arguments(const Function& function, const Request& request) {
    const auto checked = read_untyped_json_body(request);
    RpcArguments arguments;
    for (const auto& [name, ignored] : checked.members) {
        arguments[name] = {};
    }
    if (arguments.empty()) {
        return arguments;
    }
    const auto body = pq::parse_body(checked.text);
    for (const auto& argument : function.arguments) {
        if (const auto* const value = body.get_object().if_contains(argument.name)) {
            arguments[std::string{argument.name}] = given_by(argument, *value, checked.text);
        }
    }
    return arguments;
}

} // namespace

RpcArguments body_arguments(const Function& function, const Request& request) {
    const auto type = media_type(request);
    if (iequals(type, "application/x-www-form-urlencoded")) {
        return form_arguments(request.body());
    }
    const bool says_what_it_is = request.count(field::content_type) != 0;
    if (!request.body().empty() && says_what_it_is && !iequals(type, "application/json")) {
        throw unreadable(fmt::format("Content-Type not acceptable: {}", type));
    }
    try {
        return json_arguments(function, request);
    } catch (const Refusal& refusal) {
        if (refusal.code != status::bad_request) {
            throw;
        }
        throw unreadable(refusal.message);
    }
}

std::vector<pq::Argument> bind_arguments(const Function& function, RpcArguments arguments) {
    std::vector<std::string> names;
    for (const auto& [name, value] : arguments) {
        names.push_back(name);
    }
    std::vector<pq::Argument> result;
    for (const auto& argument : function.arguments) {
        const auto given = arguments.extract(std::string{argument.name});
        if (!given && argument.is_required) {
            throw no_such_function(function, names);
        }
        if (!given) {
            continue;
        }
        auto& [value, is_body] = given.mapped();
        check_length(argument, value);
        if (!value && function.kind == CallKind::admits && !argument.is_required) {
            continue; // NULL stands for the default: an id that is made here before the call
        }
        result.push_back({argument.name, is_body ? argument.from_body : argument.type, std::move(value)});
    }
    if (!arguments.empty()) {
        throw no_such_function(function, names);
    }
    return result;
}

} // namespace pdpp::http
