#include "pq/connect_failure.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <sstream>
#include <string_view>

namespace pdpp::pq {

namespace {

constexpr std::string_view after_severity = ":  "; // of `FATAL:  28000: role "x" does not exist`
constexpr std::size_t sqlstate_length = 5;

/// Where the SQLSTATE stands in a line.
std::optional<std::size_t> place_of_sqlstate(std::string_view line) {
    const auto is_part = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
    for (auto colon = line.find(after_severity); colon != std::string_view::npos;
         colon = line.find(after_severity, colon + 1)) {
        const auto place = colon + after_severity.size();
        const auto rest = line.substr(place);
        if (rest.size() > sqlstate_length + 1 && rest.substr(sqlstate_length, 2) == ": " &&
            std::ranges::all_of(rest.substr(0, sqlstate_length), is_part)) {
            return place;
        }
    }
    return std::nullopt;
}

} // namespace

ConnectFailure read_connect_failure(const std::string& text) {
    ConnectFailure failure;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        // the questions that libpq asks below each address of a host, and the place in the server's sources
        if (line.starts_with('\t') || line.starts_with("LOCATION:  ")) {
            continue;
        }
        if (const auto place = place_of_sqlstate(line)) {
            if (failure.sqlstate.empty()) {
                failure.sqlstate = line.substr(*place, sqlstate_length);
            }
            line.erase(*place, sqlstate_length + 2);
        }
        failure.message.append(failure.message.empty() ? "" : "; ").append(line);
    }
    return failure;
}

} // namespace pdpp::pq
