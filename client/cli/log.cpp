#include "cli/log.hpp"

#include "http/syntax/utf8.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
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

void append_utf8(std::string& text, std::uint32_t code_point) {
    if (code_point < 0x80) {
        text += static_cast<char>(code_point);
        return;
    }
    const int more = code_point < 0x800 ? 1 : (code_point < 0x10000 ? 2 : 3);
    text += static_cast<char>((0xFF00U >> (more + 1) & 0xFFU) | code_point >> (6 * more));
    for (int shift = 6 * (more - 1); shift >= 0; shift -= 6)
        text += static_cast<char>(0x80U | (code_point >> shift & 0x3FU));
}

/// Takes what follows a backslash off the front of `text`, as fmt's `{:?}` writes it, and appends what it stands for.
void unescape(std::string_view& text, std::string& value) {
    const char kind = text.front();
    text.remove_prefix(1);
    const std::size_t digits = kind == 'x' ? 2 : (kind == 'u' ? 4 : (kind == 'U' ? 8 : 0));
    std::uint32_t code_point = 0;
    const auto* const end = text.data() + std::min(digits, text.size());
    if (digits > 0 && std::from_chars(text.data(), end, code_point, 16).ptr == end) {
        text.remove_prefix(end - text.data());
        append_utf8(value, code_point);
    } else {
        value += kind == 'n' ? '\n' : (kind == 't' ? '\t' : (kind == 'r' ? '\r' : kind));
    }
}

/// Takes a value off the front of `text`: up to a space, or one that fmt's `{:?}` has quoted.
std::string take_value(std::string_view& text) {
    if (!text.starts_with('"')) {
        const auto value = text.substr(0, text.find(' '));
        text.remove_prefix(value.size());
        return std::string{value};
    }
    std::string value;
    text.remove_prefix(1);
    while (!text.empty() && text.front() != '"') {
        const char letter = text.front();
        text.remove_prefix(1);
        if (letter == '\\' && !text.empty())
            unescape(text, value);
        else
            value += letter;
    }
    if (!text.empty())
        text.remove_prefix(1);
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
    // a quoted message that is nothing else is what is quoted
    auto message = std::string{rest};
    if (auto quoted = rest; rest.starts_with('"'))
        if (auto unquoted = take_value(quoted); quoted.empty())
            message = std::move(unquoted);
    text += fmt::format(R"(,"message":{}}})", json_string(message)) + '\n';
    out.append(text.data(), text.data() + text.size());
}

void set_log(const LogOptions& options) {
    if (options.format == "json")
        spdlog::set_formatter(std::make_unique<JsonFormatter>());
    else
        spdlog::set_pattern("%+"); // spdlog's own
    spdlog::set_level(spdlog::level::from_str(options.level));
}

} // namespace pdpp::cli
