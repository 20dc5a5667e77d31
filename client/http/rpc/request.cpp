// The stages of reading a call.

#include "http/rpc/request.hpp"

#include "http/rpc/error.hpp"
#include "http/syntax/form.hpp"
#include "http/syntax/header_list.hpp"
#include "http/syntax/json_body.hpp"
#include "http/syntax/negotiation.hpp"
#include "http/syntax/prefer.hpp"
#include "http/syntax/utf8.hpp"
#include "pq/body.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>

namespace pdpp::http {

namespace json = boost::json;
using beast::iequals;

namespace {

/// The one schema there is, whatever the extension's is called: what clients send unless told otherwise.
constexpr std::string_view schema = "public";

constexpr std::array<std::string_view, 3> offered{"application/json", object_type, "application/vnd.pgrst.object"};

// ---- which function -------------------------------------------------------------------------------------------------

/// Levenshtein's distance: how many letters must be put in, left out or replaced to make `one` of `other`.
std::size_t distance(std::string_view one, std::string_view other) {
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < one.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < other.size(); ++j) {
            const auto replaced = diagonal + (one[i] == other[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

std::string qualified(std::string_view function) {
    return fmt::format("{}.{}", schema, function);
}

/// `public.pdpp_run_status(run_id)`
std::string signature_of(const Function& function) {
    std::vector<std::string_view> names;
    for (const auto& argument : function.arguments)
        names.push_back(argument.name);
    return fmt::format("{}({})", qualified(function.name), fmt::join(names, ", "));
}

std::optional<std::string> hint_for(std::span<const Function> table, std::string_view name) {
    constexpr std::size_t longest = 63; // an identifier's; and no more work than that
    if (name.size() > longest)
        return std::nullopt;
    const auto& nearest =
        *std::ranges::min_element(table, {}, [&](const Function& f) { return distance(name, f.name); });
    if (distance(name, nearest.name) > nearest.name.size() / 3)
        return std::nullopt;
    return "Perhaps you meant to call the function " + qualified(nearest.name);
}

// ---- what the answer is to look like --------------------------------------------------------------------------------

void check_profile(const Request& request) {
    const auto profile = request.find(request.method() == verb::post ? "Content-Profile" : "Accept-Profile");
    if (profile != request.end() && trimmed(profile->value()) != schema)
        throw RpcError{.code = status::not_acceptable,
                       .error_code = "PGRST106",
                       .message = "Invalid schema: " + std::string{profile->value()},
                       .hint = fmt::format("Only the following schemas are exposed: {}", schema)};
}

void read_accept(const Request& request, RpcCall& call) {
    const auto accept = header_list(request, field::accept);
    const auto type = negotiate(accept, offered);
    if (!type)
        throw RpcError{.code = status::not_acceptable,
                       .error_code = "PGRST107",
                       .message = "None of these media types are available: " + accept.value_or("")};
    call.wants_object = *type != offered[0];
    call.media_type = call.wants_object ? object_type : *type;
}

bool is_one_of(std::string_view value, std::initializer_list<std::string_view> values) {
    return std::ranges::find(values, value) != values.end();
}

/// Preferences about the rows of tables, which say nothing about a call, are known and without effect.
void read_preferences(const Request& request, RpcCall& call) {
    bool is_strict = false;
    std::vector<std::string> applied;
    std::vector<std::string> unknown;
    for (const auto& preference : preferences_of(request)) {
        const auto& name = preference.name;
        const auto& value = preference.value;
        auto text = value.empty() ? name : fmt::format("{}={}", name, value);
        if (name == "count" && is_one_of(value, {"exact", "planned", "estimated"})) {
            call.wants_count = true; // known exactly, whatever is asked for
            applied.push_back(std::move(text));
        } else if (name == "handling" && is_one_of(value, {"strict", "lenient"})) {
            is_strict = value == "strict";
            applied.push_back(std::move(text));
        } else if (!is_one_of(name, {"return", "resolution", "missing"})) {
            unknown.push_back(std::move(text));
        }
    }
    if (is_strict && !unknown.empty())
        throw RpcError{.code = status::bad_request,
                       .error_code = "PGRST122",
                       .message = "Invalid preferences given with handling=strict",
                       .details = fmt::format("Invalid preferences: {}", fmt::join(unknown, ", "))};
    call.applied_preferences = fmt::format("{}", fmt::join(applied, ", "));
}

// ---- the query string -----------------------------------------------------------------------------------------------

RpcError unsupported(const QueryParameter& parameter) {
    return {.code = status::bad_request,
            .error_code = "PGRST100",
            .message = fmt::format("\"{}={}\" is not supported here", parameter.name, parameter.value),
            .hint =
                "Of the result only limit and offset can be chosen, where it has rows; filter and order it yourself."};
}

/// Whether `value` is one of PostgREST's filters, such as `eq.5`, `not.is.null` or `in.(1,2)`.
bool is_filter(std::string_view value) {
    if (value.starts_with("not."))
        value.remove_prefix(4);
    const auto word = value.substr(0, value.find_first_of(".("));
    return word.size() < value.size() &&
           is_one_of(word, {"eq",     "neq", "gt", "gte",        "lt",  "lte",   "like",  "ilike", "match",
                            "imatch", "in",  "is", "isdistinct", "fts", "plfts", "phfts", "wfts",  "cs",
                            "cd",     "ov",  "sl", "sr",         "nxr", "nxl",   "adj"});
}

/// Parameters that in PostgREST choose among rows and columns, and never are arguments.
bool is_reserved(std::string_view name) {
    return is_one_of(
        name, {"select", "order", "columns", "on_conflict", "and", "or", "not.and", "not.or", "limit", "offset"});
}

/// No result has so many rows.
constexpr std::int64_t most = 1'000'000'000;

std::int64_t row_number(const QueryParameter& parameter) {
    std::int64_t number = 0;
    const char* const end = parameter.value.data() + parameter.value.size();
    const auto [stop, failure] = std::from_chars(parameter.value.data(), end, number);
    if (failure != std::errc{} || stop != end || number < 0 || number > most)
        throw RpcError{.code = status::bad_request,
                       .error_code = "PGRST100",
                       .message = fmt::format("{} must be a whole number from 0 to {}", parameter.name, most)};
    return number;
}

void read_row_parameter(const QueryParameter& parameter, RpcCall& call) {
    const bool has_rows = call.function.shape == ResultShape::rows;
    if (parameter.name == "limit" && has_rows)
        call.range.limit = row_number(parameter);
    else if (parameter.name == "offset" && has_rows)
        call.range.offset = row_number(parameter);
    else if (parameter.name != "select" || parameter.value != "*")
        throw unsupported(parameter);
}

/// A number of digits alone, as far as numbers of rows go; nothing for other text.
std::optional<std::int64_t> read_digits(std::string_view text) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    std::int64_t number = 0;
    const auto failure = std::from_chars(text.data(), text.data() + text.size(), number).ec;
    return failure == std::errc{} ? std::min(number, most) : most;
}

/// The header `Range: first-last` or `first-`. It and limit and offset speak of the same rows, counted from the first
/// of all, and those that both want are sent. As in PostgREST it is for GET alone (RFC 9110, 14.2), what is malformed
/// is no range, and a limit of 0 goes before it.
void read_range(const Request& request, RpcCall& call) {
    if (request.method() != verb::get || call.function.shape != ResultShape::rows || call.range.limit == 0)
        return;
    const std::string_view range = request[field::range];
    const auto dash = range.find('-');
    if (dash == std::string_view::npos)
        return;
    const auto first = read_digits(range.substr(0, dash));
    const auto upper = range.substr(dash + 1);
    const auto last = upper.empty() ? std::optional{most} : read_digits(upper);
    if (!first || !last)
        return;
    if (*last < *first)
        throw range_not_satisfiable(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header.");
    auto& [offset, limit] = call.range;
    const auto end = std::min(*last + 1, limit ? offset + *limit : most + 1);
    offset = std::max(offset, *first);
    if (offset >= end)
        throw range_not_satisfiable("The Range header and limit and offset have no row in common.");
    limit = end - offset;
}

// ---- arguments ------------------------------------------------------------------------------------------------------

struct Given {
    pq::Parameter value;  ///< text for PostgreSQL to read, or NULL
    bool is_body = false; ///< it is the whole body, for PostgreSQL to take the argument out of
};

/// By name.
using Arguments = std::map<std::string, Given, std::less<>>;

RpcError no_such_function(const Function& function, const std::vector<std::string>& names) {
    const auto list = fmt::format("{}", fmt::join(names, ", "));
    const auto called = qualified(function.name);
    return {
        .code = status::not_found,
        .error_code = "PGRST202",
        .message = names.empty()
                       ? fmt::format("Could not find the function {} without parameters in the schema cache", called)
                       : fmt::format("Could not find the function {}({}) in the schema cache", called, list),
        .details = fmt::format(
            "Searched for the function {} {}, but no matches were found in the schema cache.", called,
            names.empty() ? "without parameters" : (names.size() == 1 ? "with parameter " : "with parameters ") + list),
        .hint = "Perhaps you meant to call the function " + signature_of(function)};
}

RpcError unreadable(std::string message) {
    return {.code = status::bad_request, .error_code = "PGRST102", .message = std::move(message)};
}

Arguments query_arguments(const Target& target, RpcCall& call) {
    Arguments arguments;
    for (const auto& parameter : target.query) {
        const bool is_argument = std::ranges::find(call.function.arguments, std::string_view{parameter.name},
                                                   &FunctionArgument::name) != call.function.arguments.end();
        if (is_reserved(parameter.name))
            read_row_parameter(parameter, call);
        else if (!is_argument && is_filter(parameter.value))
            throw unsupported(parameter);
        else
            arguments[parameter.name].value = parameter.value; // the last one counts
    }
    return arguments;
}

Arguments form_arguments(std::string_view body) {
    Arguments arguments;
    for (auto& [name, value] : form_members(body)) {
        if (!is_text(name) || !is_text(value))
            throw unreadable("The form holds a NUL or is not UTF-8.");
        arguments[std::move(name)].value = std::move(value);
    }
    return arguments;
}

/// `{"a","b",NULL}`
std::string array_literal(const json::array& elements, std::string_view name) {
    std::string literal;
    for (const auto& element : elements) {
        literal += literal.empty() ? '{' : ',';
        if (element.is_null()) {
            literal += "NULL";
            continue;
        }
        if (!element.is_string())
            throw unreadable(fmt::format("{} must be an array of strings", name));
        literal += '"';
        for (const char letter : element.get_string()) {
            if (letter == '"' || letter == '\\')
                literal += '\\';
            literal += letter;
        }
        literal += '"';
    }
    return literal.empty() ? "{}" : literal + '}';
}

/// How many elements a literal of an array has at most: the commas that are not quoted, and one.
std::size_t elements_in(std::string_view literal) {
    std::size_t count = 1;
    bool is_quoted = false;
    for (std::size_t i = 0; i < literal.size(); ++i) {
        if (literal[i] == '\\')
            ++i;
        else if (literal[i] == '"')
            is_quoted = !is_quoted;
        else if (literal[i] == ',' && !is_quoted)
            ++count;
    }
    return count;
}

void check_length(const FunctionArgument& argument, const pq::Parameter& value) {
    if (argument.type == "text[]" && value && elements_in(*value) > most_elements)
        throw RpcError{.code = status::bad_request,
                       .error_code = "22023", // invalid_parameter_value
                       .message = fmt::format("{} must not have more than {} elements", argument.name, most_elements),
                       .hint = "Ask for them in several calls."};
}

Given given_by(const FunctionArgument& argument, const json::value& value, std::string_view body) {
    if (value.is_null())
        return {};
    if (!argument.from_body.empty())
        return {std::string{body}, true};
    if (value.is_string())
        return {std::string{value.get_string()}};
    if (value.is_int64() || value.is_uint64() || value.is_bool())
        return {json::serialize(value)};
    if (value.is_array() && argument.type == "text[]")
        return {array_literal(value.get_array(), argument.name)};
    throw unreadable(fmt::format("{} cannot be read as {}", argument.name, argument.type));
}

Arguments json_arguments(const Function& function, const Request& request) {
    const auto checked = read_untyped_json_body(request);
    Arguments arguments;
    for (const auto& [name, ignored] : checked.members)
        arguments[name] = {};
    if (arguments.empty())
        return arguments;
    const auto body = pq::parse_body(checked.text);
    for (const auto& argument : function.arguments)
        if (const auto* const value = body.get_object().if_contains(argument.name))
            arguments[std::string{argument.name}] = given_by(argument, *value, checked.text);
    return arguments;
}

Arguments body_arguments(const Function& function, const Request& request) {
    const auto type = media_type(request);
    if (iequals(type, "application/x-www-form-urlencoded"))
        return form_arguments(request.body());
    const bool says_what_it_is = request.count(field::content_type) != 0;
    if (!request.body().empty() && says_what_it_is && !iequals(type, "application/json"))
        throw unreadable(fmt::format("Content-Type not acceptable: {}", type));
    try {
        return json_arguments(function, request);
    } catch (const Refusal& refusal) {
        if (refusal.code != status::bad_request)
            throw;
        throw unreadable(refusal.message);
    }
}

std::vector<pq::Argument> bound(const Function& function, Arguments arguments) {
    std::vector<std::string> names;
    for (const auto& [name, value] : arguments)
        names.push_back(name);
    std::vector<pq::Argument> result;
    for (const auto& argument : function.arguments) {
        const auto given = arguments.extract(std::string{argument.name});
        if (!given && argument.is_required)
            throw no_such_function(function, names);
        if (!given)
            continue;
        auto& [value, is_body] = given.mapped();
        check_length(argument, value);
        if (!value && function.kind == CallKind::admits && !argument.is_required)
            continue; // NULL stands for the default: an id that is made here before the call
        result.push_back({argument.name, is_body ? argument.from_body : argument.type, std::move(value)});
    }
    if (!arguments.empty())
        throw no_such_function(function, names);
    return result;
}

} // namespace

bool is_rpc(std::string_view target) {
    constexpr std::string_view root = "/rpc";
    return target.starts_with(root) &&
           (target.size() == root.size() || target[root.size()] == '/' || target[root.size()] == '?');
}

const Function& find_function(std::span<const Function> table, const Target& target) {
    if (target.segments.size() != 2 || target.segments[0] != "rpc" || target.segments[1].empty())
        throw RpcError{
            .code = status::not_found, .error_code = "PGRST125", .message = "Invalid path specified in request URL"};
    const auto& name = target.segments[1];
    const auto function = std::ranges::find(table, std::string_view{name}, &Function::name);
    if (function == table.end())
        throw RpcError{.code = status::not_found,
                       .error_code = "PGRST202",
                       .message = fmt::format("Could not find the function {} in the schema cache", qualified(name)),
                       .details =
                           fmt::format("Searched for the function {}, but no matches were found in the schema cache.",
                                       qualified(name)),
                       .hint = hint_for(table, name)};
    return *function;
}

void check_method(const Function& function, verb method) {
    const bool is_get = method == verb::get || method == verb::head;
    if (!is_get && method != verb::post && method != verb::options)
        throw RpcError{.code = status::method_not_allowed,
                       .error_code = "PGRST101",
                       .message = "Only OPTIONS, GET, HEAD and POST can be used on RPC",
                       .headers = {{field::allow, std::string{allowed_methods(function)}}}};
    if (is_get && function.kind != CallKind::reads)
        throw RpcError{.code = status::method_not_allowed,
                       .error_code = "25006",
                       .message = fmt::format("{} writes, and GET is read-only", function.name),
                       .hint = "Use POST.",
                       .headers = {{field::allow, std::string{allowed_methods(function)}}}};
}

RpcCall read_call(const Function& function, const Target& target, const Request& request) {
    RpcCall call{.function = function, .arguments = {}, .range = {}, .media_type = {}, .applied_preferences = {}};
    check_profile(request);
    read_accept(request, call);
    read_preferences(request, call);
    auto arguments = query_arguments(target, call);
    read_range(request, call);
    if (request.method() == verb::post) {
        if (!arguments.empty()) { // in PostgREST they would be filters
            auto error = unsupported({arguments.begin()->first, arguments.begin()->second.value.value_or("")});
            error.hint = "The arguments of a POST go into its body.";
            throw error;
        }
        arguments = body_arguments(function, request);
    }
    call.arguments = bound(function, std::move(arguments));
    return call;
}

} // namespace pdpp::http
