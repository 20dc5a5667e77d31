#include "cli/log.hpp"

#include "http/utf8.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <string_view>

namespace pdpp::cli {

namespace json = boost::json;

namespace {

bool is_number(std::string_view key) {
    return key == "status" || key == "duration_ms";
}

std::optional<double> number_in(std::string_view text) {
    double number = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || stop != text.data() + text.size() || !std::isfinite(number))
        return std::nullopt;
    return number;
}

/// Takes `key=` off the front of `text`, if a word of small letters and an equals sign stand there.
std::optional<std::string_view> take_key(std::string_view& text) {
    const auto length = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
    if (length == 0 || length == std::string_view::npos || text[length] != '=')
        return std::nullopt;
    const auto key = text.substr(0, length);
    text.remove_prefix(length + 1);
    return key;
}

/// Takes a value off the front of `text`: up to a space, or a quoted one, whose quotes and backslashes are unescaped.
std::string take_value(std::string_view& text) {
    if (!text.starts_with('"')) {
        const auto value = text.substr(0, text.find(' '));
        text.remove_prefix(value.size());
        return std::string{value};
    }
    std::string value;
    std::size_t at = 1;
    for (; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\'))
            ++at;
        value += text[at];
    }
    text.remove_prefix(std::min(at + 1, text.size()));
    return value;
}

/// As a JSON string, whatever it holds.
std::string json_string(std::string_view text) {
    return json::serialize(json::value(http::is_text(text) ? std::string{text} : fmt::format("{:?}", text)));
}

} // namespace

void JsonFormatter::format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) {
    const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(line.time);
    const auto level = spdlog::level::to_string_view(line.level);
    auto text = std::string{R"({"time":")"};
    text += fmt::format("{:%FT%T}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(milliseconds)));
    text.insert(text.size() - 1, fmt::format(".{:03}", milliseconds.time_since_epoch().count() % 1000));
    text += fmt::format(R"(","level":"{}")", std::string_view{level.data(), level.size()});
    std::string_view rest{line.payload.data(), line.payload.size()};
    while (const auto key = take_key(rest)) {
        const auto value = take_value(rest);
        const auto number = is_number(*key) ? number_in(value) : std::nullopt;
        text += fmt::format(R"(,"{}":{})", *key, number ? fmt::format("{}", *number) : json_string(value));
        if (rest.starts_with(' '))
            rest.remove_prefix(1);
    }
    text += fmt::format(R"(,"message":{}}})", json_string(rest)) + '\n';
    out.append(text.data(), text.data() + text.size());
}

void add_log_options(CLI::App& command, LogOptions& options) {
    command.add_option("--log-format", options.format, "how the lines on standard error are written")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str()
        ->option_text("text|json");
    command.add_option("--log-level", options.level, "the least that is logged")
        ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
        ->capture_default_str()
        ->option_text("debug|info|warning|error|off");
}

void set_log(const LogOptions& options) {
    if (options.format == "json")
        spdlog::set_formatter(std::make_unique<JsonFormatter>());
    else
        spdlog::set_pattern("%+"); // spdlog's own
    spdlog::set_level(spdlog::level::from_str(options.level));
}

} // namespace pdpp::cli
