#include "http/rpc/function.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

namespace pdpp::http {

namespace {

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
    return fmt::format("{}.{}", rpc_schema, function);
}

/// `public.pdpp_run_status(run_id)`
std::string signature_of(const Function& function) {
    std::vector<std::string_view> names;
    for (const auto& argument : function.arguments) {
        names.push_back(argument.name);
    }
    return fmt::format("{}({})", qualified(function.name), fmt::join(names, ", "));
}

std::optional<std::string> hint_for(std::span<const Function> table, std::string_view name) {
    constexpr std::size_t longest = 63; // an identifier's; and no more work than that
    if (name.size() > longest) {
        return std::nullopt;
    }
    const auto& nearest =
        *std::ranges::min_element(table, {}, [&](const Function& f) { return distance(name, f.name); });
    if (distance(name, nearest.name) > nearest.name.size() / 3) {
        return std::nullopt;
    }
    return "Perhaps you meant to call the function " + qualified(nearest.name);
}

} // namespace

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

bool is_rpc(std::string_view target) {
    constexpr std::string_view root = "/rpc";
    return target.starts_with(root) &&
           (target.size() == root.size() || target[root.size()] == '/' || target[root.size()] == '?');
}

const Function& find_function(std::span<const Function> table, const Target& target) {
    if (target.segments.size() != 2 || target.segments[0] != "rpc" || target.segments[1].empty()) {
        throw RpcError{
            .code = status::not_found, .error_code = "PGRST125", .message = "Invalid path specified in request URL"};
    }
    const auto& name = target.segments[1];
    const auto function = std::ranges::find(table, std::string_view{name}, &Function::name);
    if (function == table.end()) {
        throw RpcError{.code = status::not_found,
                       .error_code = "PGRST202",
                       .message = fmt::format("Could not find the function {} in the schema cache", qualified(name)),
                       .details =
                           fmt::format("Searched for the function {}, but no matches were found in the schema cache.",
                                       qualified(name)),
                       .hint = hint_for(table, name)};
    }
    return *function;
}

void check_method(const Function& function, verb method) {
    const bool is_get = method == verb::get || method == verb::head;
    if (!is_get && method != verb::post && method != verb::options) {
        throw RpcError{.code = status::method_not_allowed,
                       .error_code = "PGRST101",
                       .message = "Only OPTIONS, GET, HEAD and POST can be used on RPC",
                       .headers = {{field::allow, std::string{allowed_methods(function)}}}};
    }
    if (is_get && function.kind != CallKind::reads) {
        throw RpcError{.code = status::method_not_allowed,
                       .error_code = "25006",
                       .message = fmt::format("{} writes, and GET is read-only", function.name),
                       .hint = "Use POST.",
                       .headers = {{field::allow, std::string{allowed_methods(function)}}}};
    }
}

} // namespace pdpp::http
