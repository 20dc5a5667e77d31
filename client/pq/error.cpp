// The database exception, and the reading of the project's own refusals.

#include "pq/error.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace pdpp::pq {

namespace json = boost::json;

namespace {

std::string without_trailing_line_ends(std::string text) {
    text.erase(text.find_last_not_of(" \r\n") + 1);
    return text;
}

/// The status of `PTnnn`, or nothing if `sqlstate` is not an HTTP error in this form.
std::optional<int> http_status_of(std::string_view sqlstate) {
    if (sqlstate.size() != 5 || !sqlstate.starts_with("PT")) {
        return std::nullopt;
    }
    const char* const end = sqlstate.data() + sqlstate.size();
    int status = 0;
    const auto [stop, failure] = std::from_chars(sqlstate.data() + 2, end, status);
    if (failure != std::errc{} || stop != end || status < 400 || status > 599) {
        return std::nullopt;
    }
    return status;
}

} // namespace

Error::Error(ErrorKind kind, const std::string& message, std::string sqlstate, std::string detail, std::string hint)
    : std::runtime_error(without_trailing_line_ends(message)), kind_(kind), sqlstate_(std::move(sqlstate)),
      detail_(std::move(detail)), hint_(std::move(hint)) {}

bool is_passing(std::string_view sqlstate) {
    // 08 the connection; 40 what was in the way of others, such as a read in the way of a standby's replay; 53
    // insufficient resources; 54 limits, such as the length of the queue of notifications or the age of the oldest
    // transaction; 57P operator intervention; 58 the disk, or another part of the system
    constexpr std::array<std::string_view, 6> classes{"08", "40", "53", "54", "57P", "58"};
    // a server that is no primary now, while another may be; locks, time and snapshots that were not to be had
    constexpr std::array states{sqlstate::read_only_sql_transaction, sqlstate::lock_not_available,
                                sqlstate::query_canceled, sqlstate::snapshot_too_old};
    return sqlstate != sqlstate::configuration_limit_exceeded &&
           (std::ranges::find(states, sqlstate) != states.end() ||
            std::ranges::any_of(classes, [&](std::string_view prefix) { return sqlstate.starts_with(prefix); }));
}

bool is_passing(const Error& error) {
    if (error.kind() != ErrorKind::refused) {
        return error.kind() != ErrorKind::misused;
    }
    return is_passing(error.sqlstate());
}

std::optional<TypedRefusal> typed_refusal(const Error& error) {
    const auto status = http_status_of(error.sqlstate());
    if (error.kind() != ErrorKind::refused || !status) {
        return std::nullopt;
    }
    boost::system::error_code malformed;
    json::value detail = json::parse(error.detail(), malformed);
    if (malformed || !detail.is_object()) {
        return std::nullopt;
    }
    TypedRefusal refusal{.http_status = *status, .code = {}, .param = {}, .extra = std::move(detail.get_object())};
    refusal.code = take_string(refusal.extra, "code");
    refusal.param = take_string(refusal.extra, "param");
    if (refusal.code.empty()) {
        return std::nullopt;
    }
    return refusal;
}

std::string take_string(json::object& object, std::string_view key) {
    const auto member = object.find(key);
    if (member == object.end() || !member->value().is_string()) {
        return {};
    }
    std::string value{member->value().get_string()};
    object.erase(member);
    return value;
}

} // namespace pdpp::pq
