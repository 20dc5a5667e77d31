#include "controller/connector_output.hpp"

#include "controller/text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <cmath>

namespace pdpp::controller {

namespace json = boost::json;

namespace {

std::optional<std::string> text(const json::object& object, std::string_view key, std::size_t limit) {
    const auto* value = object.if_contains(key);
    if (value == nullptr || !value->is_string()) {
        return std::nullopt;
    }
    return storable(value->get_string(), limit);
}

/// A count, also when it was written as 10.0 or 1e3.
std::optional<std::int64_t> count(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    // 2^53: up to here a double counts one by one
    constexpr double largest_exact = 9007199254740992.0;
    if (value->is_double() && std::abs(value->get_double()) <= largest_exact &&
        std::trunc(value->get_double()) == value->get_double() && value->get_double() >= 0) {
        return static_cast<std::int64_t>(value->get_double());
    }
    if (value->is_int64() && value->get_int64() >= 0) {
        return value->get_int64();
    }
    return std::nullopt;
}

ConnectorMessage parse_done(const json::object& object) {
    const auto* status = object.if_contains("status");
    if (status == nullptr || !status->is_string()) {
        return {};
    }
    Done done{};
    if (status->get_string() == "succeeded") {
        done.status = DoneStatus::succeeded;
    } else if (status->get_string() == "failed") {
        done.status = DoneStatus::failed;
    } else if (status->get_string() == "cancelled") {
        done.status = DoneStatus::cancelled;
    } else {
        return {};
    }
    done.records_emitted = count(object, "records_emitted");
    if (const auto* error = object.if_contains("error"); error != nullptr && error->is_object()) {
        done.error_message = text(error->get_object(), "message", error_message_limit);
    }
    return done;
}

template <class Value>
json::value or_null(const std::optional<Value>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

} // namespace

json::object progress_data(const Progress& progress) {
    return {{"stream", or_null(progress.stream)},
            {"message", or_null(progress.message)},
            {"count", or_null(progress.count)},
            {"total", or_null(progress.total)}};
}

ConnectorMessage parse_line(std::string_view line) {
    // Most lines are not JSON at all: the parser need not see them.
    const auto start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos || line[start] != '{') {
        return {};
    }
    json::error_code error;
    const auto value = json::parse(line, error);
    if (error || !value.is_object()) {
        return {};
    }
    const auto& object = value.get_object();
    const auto* type = object.if_contains("type");
    if (type == nullptr || !type->is_string()) {
        return {};
    }
    if (type->get_string() == "PROGRESS") {
        return Progress{text(object, "stream", stream_limit), text(object, "message", progress_message_limit),
                        count(object, "count"), count(object, "total")};
    }
    if (type->get_string() == "DONE") {
        return parse_done(object);
    }
    return {};
}

void LineSplitter::take(std::string_view bytes) {
    if (too_long_ || line_.size() + bytes.size() > limit_) {
        too_long_ = true;
        line_.clear();
        return;
    }
    line_ += bytes;
}

void LineSplitter::feed(std::string_view bytes, const std::function<void(std::string_view)>& use) {
    for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
        take(bytes.substr(0, end));
        finish(use);
        bytes.remove_prefix(end + 1);
    }
    take(bytes);
}

void LineSplitter::finish(const std::function<void(std::string_view)>& use) {
    if (!too_long_ && !line_.empty()) {
        use(line_);
    }
    too_long_ = false;
    line_.clear();
}

} // namespace pdpp::controller
