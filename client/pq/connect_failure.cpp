#include "pq/connect_failure.hpp"

#include "pq/error.hpp"

#include <boost/algorithm/string/case_conv.hpp>

#include <algorithm>
#include <array>
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

/// Of what libpq says of itself, in small letters. It has no codes for these; its words are English, since this program
/// sets no locale. A server that goes away within the handshake is another matter.
bool is_own_reason(std::string_view reason) {
    constexpr std::array<std::string_view, 17> phrases{"server does not support ssl",
                                                       "ssl error: ",
                                                       "certificate",
                                                       "private key file",
                                                       "verified ssl connection",
                                                       "gssapi encryption",
                                                       "gssapi security context",
                                                       "gssapi continuation error",
                                                       "channel binding",
                                                       "authentication method",
                                                       "authentication not supported",
                                                       "sasl authentication mechanisms",
                                                       "requirepeer specifies",
                                                       "server requires oauth",
                                                       "no oauth flows",
                                                       "oauth bearer token",
                                                       "server only supports protocol"};
    return reason.starts_with("permission denied") ||
           (reason.find("unexpected eof") == std::string_view::npos &&
            std::ranges::any_of(phrases, [&](auto phrase) { return reason.find(phrase) != std::string_view::npos; }));
}

constexpr std::string_view location = "LOCATION:  "; // of `LOCATION:  InitializeSessionUserId, miscinit.c:753`

} // namespace

ConnectFailure read_connect_failure(const std::string& text) {
    ConnectFailure failure;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('\t')) { // the questions that libpq asks below each address of a host
            continue;
        }
        if (line.starts_with(location)) {
            if (failure.function.empty()) {
                failure.function = line.substr(location.size(), line.find(',') - location.size());
            }
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

bool is_refused_by_libpq(const ConnectFailure& failure) {
    if (!failure.sqlstate.empty()) {
        return false;
    }
    const auto words = boost::algorithm::to_lower_copy(failure.message);
    constexpr std::string_view before_reason = " failed: "; // behind the place: a host may be called as it likes
    for (auto at = words.find(before_reason); at != std::string::npos; at = words.find(before_reason, at + 1)) {
        const auto begin = at + before_reason.size();
        if (is_own_reason(std::string_view{words}.substr(begin, words.find("; connection to server", begin) - begin))) {
            return true;
        }
    }
    return false;
}

bool is_lasting(const ConnectFailure& failure) {
    if (!failure.sqlstate.empty()) {
        return !is_passing(failure.sqlstate);
    }
    return failure.lacks_password || is_refused_by_libpq(failure);
}

} // namespace pdpp::pq
