#include "controller/connector_output.hpp"

#include "text/mended_json.hpp"
#include "text/text.hpp"

#include <boost/json/error.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/stream_parser.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace pdpp::controller {

namespace json = boost::json;

namespace {

/// How many characters of a status that nobody knows are told.
constexpr std::size_t status_word_limit = 40;

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
    auto value = json::parse(text, error, {}, parse_options());
    if (!error) {
        return value;
    }
    return json::parse(mended_json(text), error, {}, parse_options());
}

std::string_view type_of(const json::value& value) {
    const auto* object = value.if_object();
    const auto* type = object == nullptr ? nullptr : object->if_contains("type");
    return type != nullptr && type->is_string() ? std::string_view(type->get_string()) : "";
}

ClaimScanner scanned(std::string_view text, ClaimScanner::Words words) {
    ClaimScanner scanner(words);
    scanner.feed(text);
    return scanner;
}

/// What `value`, which `text` is, says.
ConnectorMessage message_of(const json::value& value, std::string_view text, ClaimScanner::Words words) {
    const auto scanner = scanned(text, words);
    const auto type = type_of(value);
    if (type == "DONE") {
        return scanner.statuses() > 1 ? unreadable_done("it says its status more than once")
                                      : parse_done(value.get_object());
    }
    const auto claim = scanner.claim(true);
    if (type == "PROGRESS" && claim != Claim::done) {
        return parse_progress(value.get_object());
    }
    if (claim == Claim::none) {
        return {};
    }
    return Unreadable{claim, scanner.types() > 1 ? "it says its type more than once" : "its type is unclear"};
}

/// What text that is no JSON says.
ConnectorMessage message_of(const boost::system::error_code& error, std::string_view text, ClaimScanner::Words words) {
    const auto claim = scanned(text, words).claim(false);
    if (claim == Claim::none) {
        return {};
    }
    return Unreadable{claim, "it cannot be parsed: " + error.message()};
}

Reading read_object(std::string_view text) {
    boost::system::error_code error;
    const auto value = parse(text, error);
    if (error) {
        return {message_of(error, text, ClaimScanner::Words::any), error == json::error::incomplete};
    }
    return {message_of(value, text, ClaimScanner::Words::any), false};
}

bool is_done(const ConnectorMessage& message, DoneStatus status) {
    const auto* const done = std::get_if<Done>(&message);
    return done != nullptr && done->status == status;
}

bool is_unreadable_done(const ConnectorMessage& message) {
    const auto* const unreadable = std::get_if<Unreadable>(&message);
    return unreadable != nullptr && unreadable->claim == Claim::done;
}

/// The objects among other text, of which the last counts that says something. That something succeeded is not
/// believed there: a log may speak of another's success, and the exit code tells of ours.
Reading read_text(std::string_view line) {
    constexpr auto words = ClaimScanner::Words::quoted;
    const auto mended = mended_json(line.substr(std::min(line.find('{'), line.size())));
    std::string_view rest = mended.empty() ? line : std::string_view(mended);
    ConnectorMessage last;
    for (auto start = rest.find('{'); start != std::string_view::npos; start = rest.find('{')) {
        rest.remove_prefix(start);
        json::stream_parser parser({}, parse_options());
        boost::system::error_code error;
        const auto size = parser.write_some(rest, error);
        const bool is_open = !error && !parser.done();
        if (is_open) {
            error = json::error::incomplete;
        }
        if (error) {
            auto message = message_of(error, rest, words);
            return {std::holds_alternative<std::monostate>(message) ? std::move(last) : std::move(message), is_open};
        }
        auto message = message_of(parser.release(), rest.substr(0, size), words);
        rest.remove_prefix(size);
        if (is_unreadable_done(message)) {
            return {std::move(message), false};
        }
        if (!std::holds_alternative<std::monostate>(message) && !is_done(message, DoneStatus::succeeded)) {
            last = std::move(message);
        }
    }
    // a piece of an object that goes over several lines, and is no JSON
    auto message = message_of(json::error::syntax, rest, words);
    return {std::holds_alternative<std::monostate>(message) ? std::move(last) : std::move(message), false};
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

json::parse_options parse_options() {
    constexpr std::size_t depth_limit = 1000; // the parser calls itself for what is nested
    json::parse_options options;
    options.max_depth = depth_limit;
    return options;
}

Reading read_line(const Line& line) {
    if (line.is_too_long) {
        if (line.claim == Claim::none) {
            return {};
        }
        return {Unreadable{line.claim, fmt::format("it is longer than {} bytes", line_limit)}, false};
    }
    const auto object = object_in(line.text);
    if (!object.empty()) {
        return read_object(object);
    }
    // most lines are not JSON at all, and have nothing of it
    return line.text.find_first_of("{\"") == std::string_view::npos ? Reading{} : read_text(line.text);
}

void LineSplitter::take(std::string_view bytes) {
    if (!rest_ && line_.size() + bytes.size() > limit_) {
        const auto fitting = limit_ - line_.size();
        line_ += bytes.substr(0, fitting);
        bytes.remove_prefix(fitting);
        const bool is_object = !object_in(line_).empty();
        rest_.emplace(is_object ? ClaimScanner::Words::any : ClaimScanner::Words::quoted).feed(line_);
    }
    if (!rest_) {
        line_ += bytes;
    } else {
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
