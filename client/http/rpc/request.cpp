// The stages of reading a call.

#include "http/rpc/request.hpp"

#include "http/rpc/arguments.hpp"
#include "http/rpc/error.hpp"
#include "http/rpc/function.hpp"
#include "http/syntax/header_list.hpp"
#include "http/syntax/negotiation.hpp"
#include "http/syntax/prefer.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace pdpp::http {

namespace {

constexpr std::array<std::string_view, 3> offered{"application/json", object_type, "application/vnd.pgrst.object"};

// ---- what the answer is to look like --------------------------------------------------------------------------------

void check_profile(const Request& request) {
    const auto profile = request.find(request.method() == verb::post ? "Content-Profile" : "Accept-Profile");
    if (profile != request.end() && trimmed(profile->value()) != rpc_schema) {
        throw RpcError{.code = status::not_acceptable,
                       .error_code = "PGRST106",
                       .message = "Invalid schema: " + std::string{profile->value()},
                       .hint = fmt::format("Only the following schemas are exposed: {}", rpc_schema)};
    }
}

void read_accept(const Request& request, RpcCall& call) {
    const auto accept = header_list(request, field::accept);
    const auto type = negotiate(accept, offered);
    if (!type) {
        throw RpcError{.code = status::not_acceptable,
                       .error_code = "PGRST107",
                       .message = "None of these media types are available: " + accept.value_or("")};
    }
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
    if (is_strict && !unknown.empty()) {
        throw RpcError{.code = status::bad_request,
                       .error_code = "PGRST122",
                       .message = "Invalid preferences given with handling=strict",
                       .details = fmt::format("Invalid preferences: {}", fmt::join(unknown, ", "))};
    }
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
    if (value.starts_with("not.")) {
        value.remove_prefix(4);
    }
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
    if (failure != std::errc{} || stop != end || number < 0 || number > most) {
        throw RpcError{.code = status::bad_request,
                       .error_code = "PGRST100",
                       .message = fmt::format("{} must be a whole number from 0 to {}", parameter.name, most)};
    }
    return number;
}

void read_row_parameter(const QueryParameter& parameter, RpcCall& call) {
    const bool has_rows = call.function.shape == ResultShape::rows;
    if (parameter.name == "limit" && has_rows) {
        call.range.limit = parameter.value.empty() ? std::nullopt : std::optional{row_number(parameter)};
    } else if (parameter.name == "offset" && has_rows) {
        call.range.offset = row_number(parameter);
    } else if (parameter.name != "select" || parameter.value != "*") {
        throw unsupported(parameter);
    }
}

/// A number of digits alone, as far as numbers of rows go; nothing for other text.
std::optional<std::int64_t> read_digits(std::string_view text) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
        return std::nullopt;
    }
    std::int64_t number = 0;
    const auto failure = std::from_chars(text.data(), text.data() + text.size(), number).ec;
    return failure == std::errc{} ? std::min(number, most) : most;
}

/// The header `Range: first-last` or `first-`. It and limit and offset speak of the same rows, counted from the first
/// of all, and those that both want are sent. As in PostgREST it is for GET alone (RFC 9110, 14.2), what is malformed
/// is no range, and a limit of 0 goes before it.
void read_range(const Request& request, RpcCall& call) {
    if (request.method() != verb::get || call.function.shape != ResultShape::rows || call.range.limit == 0) {
        return;
    }
    const std::string_view range = request[field::range];
    const auto dash = range.find('-');
    if (dash == std::string_view::npos) {
        return;
    }
    const auto first = read_digits(range.substr(0, dash));
    const auto upper = range.substr(dash + 1);
    const auto last = upper.empty() ? std::optional{most} : read_digits(upper);
    if (!first || !last) {
        return;
    }
    if (*last < *first) {
        throw range_not_satisfiable(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header.");
    }
    auto& [offset, limit] = call.range;
    const auto end = std::min(*last + 1, limit ? offset + *limit : most + 1);
    offset = std::max(offset, *first);
    if (offset >= end) {
        throw range_not_satisfiable("The Range header and limit and offset have no row in common.");
    }
    limit = end - offset;
}

RpcArguments query_arguments(const Target& target, RpcCall& call) {
    RpcArguments arguments;
    for (const auto& parameter : target.query) {
        const bool is_argument = std::ranges::find(call.function.arguments, std::string_view{parameter.name},
                                                   &FunctionArgument::name) != call.function.arguments.end();
        if (is_reserved(parameter.name)) {
            read_row_parameter(parameter, call);
        } else if (!is_argument && is_filter(parameter.value)) {
            throw unsupported(parameter);
        } else {
            arguments[parameter.name].value = parameter.value; // the last one counts
        }
    }
    return arguments;
}

} // namespace

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
    call.arguments = bind_arguments(function, std::move(arguments));
    return call;
}

} // namespace pdpp::http
