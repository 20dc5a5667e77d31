#include "controller/connections_file.hpp"

#include "run/id.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace pdpp::controller {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 7> known_keys = {
    "connector_instance_id", "connector_id", "command", "env", "cwd", "timeout_seconds", "grace_seconds"};

/// Seconds, up to about thirty years.
constexpr double longest_time = 1e9;

[[noreturn]] void fault(const std::string& place, std::string_view message) {
    throw ConnectionsError(place + ": " + std::string(message));
}

json::value parse_json(std::string_view text) {
    json::stream_parser parser;
    boost::system::error_code error;
    const auto read = parser.write_some(text.data(), text.size(), error);
    if (!error && read < text.size() && text.find_first_not_of(" \t\r\n", read) != std::string_view::npos) {
        error = json::error::extra_data;
    }
    if (!error) {
        parser.finish(error);
    }
    if (error) {
        const auto before = text.substr(0, read);
        const auto line = 1 + std::ranges::count(before, '\n');
        const auto column = 1 + before.size() - (before.rfind('\n') + 1);
        fault(fmt::format("line {}, column {}", line, column), "this is not JSON: " + error.message());
    }
    return parser.release();
}

/// A string that can be handed to the operating system.
std::string text(const json::value& value, const std::string& place) {
    if (!value.is_string()) {
        fault(place, "must be a string");
    }
    const std::string_view content = value.get_string();
    if (content.find('\0') != std::string_view::npos) {
        fault(place, "must not hold a NUL character");
    }
    return std::string(content);
}

std::string id(const json::object& object, std::string_view key, const std::string& place) {
    const auto* const value = object.if_contains(key);
    if (value == nullptr) {
        fault(place, fmt::format("\"{}\" is missing", key));
    }
    auto content = text(*value, fmt::format("{}.{}", place, key));
    if (const auto refused = run::check_id(content, key)) {
        fault(fmt::format("{}.{}", place, key), refused->message);
    }
    return content;
}

std::vector<std::string> command(const json::object& object, const std::string& place) {
    const auto* const value = object.if_contains("command");
    if (value == nullptr) {
        fault(place, "\"command\" is missing");
    }
    if (!value->is_array() || value->get_array().empty()) {
        fault(place + ".command", "must be an array: the executable and its arguments");
    }
    std::vector<std::string> arguments;
    for (const auto& argument : value->get_array()) {
        arguments.push_back(text(argument, fmt::format("{}.command[{}]", place, arguments.size())));
    }
    if (arguments.front().empty()) {
        fault(place + ".command[0]", "must name an executable");
    }
    return arguments;
}

std::map<std::string, std::optional<std::string>> environment(const json::object& object, const std::string& place) {
    std::map<std::string, std::optional<std::string>> changes;
    const auto* const value = object.if_contains("env");
    if (value == nullptr) {
        return changes;
    }
    if (!value->is_object()) {
        fault(place + ".env", "must be an object of strings");
    }
    for (const auto& [name, content] : value->get_object()) {
        const auto entry = fmt::format("{}.env.{}", place, std::string_view(name));
        if (name.empty() || name.contains('=') || name.contains('\0')) {
            fault(entry, "is no name for a variable");
        }
        if (content.is_null()) {
            changes[name] = std::nullopt;
        } else {
            changes[name] = text(content, entry);
        }
    }
    return changes;
}

std::optional<std::chrono::milliseconds> seconds(const json::object& object, std::string_view key, double least,
                                                 const std::string& place) {
    const auto* const value = object.if_contains(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    const double number = value->is_number() ? value->to_number<double>() : std::nan("");
    if (!(number >= least && number <= longest_time)) {
        fault(fmt::format("{}.{}", place, key), fmt::format("must be a number of seconds, at least {:g}", least));
    }
    return std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(number));
}

void add(Connections& connections, const json::value& value, const std::string& place) {
    if (!value.is_object()) {
        fault(place, "must be an object");
    }
    const auto& object = value.get_object();
    for (const auto& [key, ignored] : object) {
        if (std::ranges::find(known_keys, std::string_view(key)) == known_keys.end()) {
            fault(fmt::format("{}.{}", place, std::string_view(key)), "there is no such setting");
        }
    }
    auto connection = id(object, "connector_instance_id", place);
    ConnectionSetup setup{.connector_id = id(object, "connector_id", place),
                          .command = {.arguments = command(object, place),
                                      .working_directory = {},
                                      .environment = environment(object, place),
                                      .has_input = false},
                          .limits = {}};
    if (const auto* const folder = object.if_contains("cwd")) {
        setup.command.working_directory = text(*folder, place + ".cwd");
    }
    setup.limits.time = seconds(object, "timeout_seconds", 0.001, place);
    setup.limits.grace = seconds(object, "grace_seconds", 0, place).value_or(setup.limits.grace);
    if (!connections.emplace(connection, std::move(setup)).second) {
        fault(place + ".connector_instance_id", "\"" + connection + "\" is there twice");
    }
}

} // namespace

Connections parse_connections(std::string_view text) {
    const auto value = parse_json(text);
    if (!value.is_array()) {
        fault("the whole", "must be an array of connections");
    }
    Connections connections;
    for (std::size_t index = 0; index < value.get_array().size(); ++index) {
        add(connections, value.get_array()[index], fmt::format("[{}]", index));
    }
    return connections;
}

Connections read_connections(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    file.peek(); // a folder can be opened, but not read
    if (!file.is_open() || file.bad()) {
        throw ConnectionsError(path + ": cannot be read: " + std::generic_category().message(errno));
    }
    const std::string content(std::istreambuf_iterator<char>(file), {});
    try {
        return parse_connections(content);
    } catch (const ConnectionsError& error) {
        throw ConnectionsError(path + ": " + error.what());
    }
}

std::string offer_of(const Connections& connections, std::chrono::milliseconds to_launch) {
    json::array offer;
    for (const auto& [connection, setup] : connections) {
        json::object offered{{"connector_instance_id", connection}, {"connector_id", setup.connector_id}};
        if (const auto time = setup.limits.of_run()) {
            offered["timeout_seconds"] =
                std::min(std::chrono::duration<double>(*time + to_launch).count(), longest_time);
        }
        offer.push_back(std::move(offered));
    }
    return json::serialize(offer);
}

} // namespace pdpp::controller
