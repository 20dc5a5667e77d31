#include "controller/connector_output.hpp"

#include "text/mended_json.hpp"
#include "text/text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace pdpp::controller {

namespace json = boost::json;

namespace {

/// How many characters of a status that nobody knows are told.
constexpr std::size_t status_word_limit = 40;
/// The parser calls itself for what is nested.
constexpr std::size_t depth_limit = 1000;

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

Progress parse_progress(const json::object& object) {
    return {text(object, "stream", stream_limit), text(object, "message", progress_message_limit),
            count(object, "count"), count(object, "total")};
}

Unreadable unreadable_done(std::string why) {
    return {.claim = Claim::done, .why = std::move(why)};
}

ConnectorMessage parse_done(const json::object& object) {
    const auto* status = object.if_contains("status");
    if (status == nullptr) {
        return unreadable_done("it has no status");
    }
    if (!status->is_string()) {
        return unreadable_done("its status is no string");
    }
    Done done{};
    if (status->get_string() == "succeeded") {
        done.status = DoneStatus::succeeded;
    } else if (status->get_string() == "failed") {
        done.status = DoneStatus::failed;
    } else if (status->get_string() == "cancelled") {
        done.status = DoneStatus::cancelled;
    } else {
        return unreadable_done("its status is neither succeeded nor failed nor cancelled, but \"" +
                               storable(status->get_string(), status_word_limit) + "\"");
    }
    done.records_emitted = count(object, "records_emitted");
    if (const auto* error = object.if_contains("error"); error != nullptr && error->is_object()) {
        done.error_message = text(error->get_object(), "message", error_message_limit);
    }
    return done;
}

/// As it is if that can be read, else mended.
json::value parse(std::string_view text, boost::system::error_code& error) {
    json::parse_options options;
    options.max_depth = depth_limit;
    auto value = json::parse(text, error, {}, options);
    if (!error) {
        return value;
    }
    return json::parse(mended_json(text), error, {}, options);
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

ConnectorMessage parse_line(const Line& line) {
    if (line.is_too_long) {
        return line.claim == Claim::none
                   ? ConnectorMessage{}
                   : Unreadable{line.claim, fmt::format("it is longer than {} bytes", line_limit)};
    }
    // Most lines are not JSON at all: the parser need not see them.
    const auto text = object_in(line.text);
    if (text.empty()) {
        return {};
    }
    boost::system::error_code error;
    const auto value = parse(text, error);
    ClaimScanner scanner;
    scanner.feed(text);
    const auto* object = error ? nullptr : value.if_object();
    const auto* type = object == nullptr ? nullptr : object->if_contains("type");
    const auto word = type != nullptr && type->is_string() ? std::string_view(type->get_string()) : "";
    if (word == "DONE") {
        return scanner.statuses() > 1 ? unreadable_done("it says its status more than once") : parse_done(*object);
    }
    const auto claim = scanner.claim(!error);
    if (word == "PROGRESS" && claim != Claim::done) {
        return parse_progress(*object);
    }
    if (claim == Claim::none) {
        return {};
    }
    return Unreadable{claim, error ? "it cannot be parsed: " + error.message() : "it says its type more than once"};
}

void LineSplitter::take(std::string_view bytes) {
    if (!rest_ && line_.size() + bytes.size() > limit_) {
        const auto fitting = limit_ - line_.size();
        line_ += bytes.substr(0, fitting);
        bytes.remove_prefix(fitting);
        rest_.emplace().feed(object_in(line_));
    }
    if (!rest_) {
        line_ += bytes;
    } else if (!object_in(line_).empty()) {
        rest_->feed(bytes);
    }
}

void LineSplitter::feed(std::string_view bytes, const Use& use) {
    for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
        take(bytes.substr(0, end));
        finish(use);
        bytes.remove_prefix(end + 1);
    }
    take(bytes);
}

void LineSplitter::finish(const Use& use) {
    if (!line_.empty()) {
        use({.text = line_, .is_too_long = rest_.has_value(), .claim = rest_ ? rest_->claim(true) : Claim::none});
    }
    rest_.reset();
    line_.clear();
}

} // namespace pdpp::controller
