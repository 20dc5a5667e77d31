#include "log/log.hpp"

#include "text/text.hpp"

#include <boost/json/serializer.hpp>
#include <fmt/compile.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <memory>
#include <string>

namespace pdpp::log {

namespace {

constexpr std::size_t usual_line = 512; ///< bytes

/// Looked at once for each line, by whichever thread writes it.
std::atomic<bool> writes_json = false;

spdlog::level::level_enum level_of(Level level) noexcept {
    switch (level) {
    case Level::debug:
        return spdlog::level::debug;
    case Level::info:
        return spdlog::level::info;
    case Level::warning:
        return spdlog::level::warn;
    case Level::error:
        break;
    }
    return spdlog::level::err;
}

/// What a line of JSON says of itself to the formatter, which may have been told otherwise since: another thread's line
/// may be on its way while the format changes.
constexpr spdlog::source_loc made_of_members{"json", 1, ""};

/// Time and level, which are spdlog's part, in the form that the line has.
class Formatter : public spdlog::formatter {
  public:
    void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& whole) override {
        (line.source.empty() ? text_ : json_)->format(line, whole);
    }
    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<Formatter>(); }

  private:
    std::unique_ptr<spdlog::formatter> text_ = std::make_unique<spdlog::pattern_formatter>("%+"); // spdlog's own
    std::unique_ptr<spdlog::formatter> json_ = std::make_unique<spdlog::pattern_formatter>(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc);
};

void pass_on(Level level, const std::string& line, bool is_json) {
    spdlog::default_logger_raw()->log(is_json ? made_of_members : spdlog::source_loc{}, level_of(level), line);
}

bool is_visible(char byte) {
    return byte > ' ' && byte < '\x7f';
}

// ---- text -----------------------------------------------------------------------------------------------------------

void append_printable(std::string& line, std::string_view text) {
    if (std::ranges::all_of(text, [](char byte) { return byte == ' ' || is_visible(byte); })) {
        line += text;
    } else {
        line += printable(text);
    }
}

void append_quoted(std::string& line, std::string_view text) {
    fmt::format_to(std::back_inserter(line), "{:?}", text);
}

struct TextValue {
    std::string& line;

    void operator()(std::monostate /*nothing*/) const {}
    void operator()(std::string_view text) const {
        if (!text.starts_with('"') && std::ranges::all_of(text, is_visible)) {
            line += text;
        } else {
            append_quoted(line, text);
        }
    }
    void operator()(std::chrono::microseconds time) const {
        fmt::format_to(std::back_inserter(line), FMT_COMPILE("{}.{:03}"), time.count() / 1000, time.count() % 1000);
    }
    void operator()(const auto& number) const { fmt::format_to(std::back_inserter(line), FMT_COMPILE("{}"), number); }
};

void append_text_field(std::string& line, const Field& field) {
    line += field.name();
    line.push_back('=');
    std::visit(TextValue{line}, field.value());
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

/// As a JSON string, whatever it holds.
void append_json_string(std::string& line, std::string_view text) {
    if (!is_storable(text)) {
        return append_json_string(line, fmt::format("{:?}", text));
    }
    boost::json::serializer serializer;
    serializer.reset(boost::json::string_view(text.data(), text.size()));
    std::array<char, 256> room{};
    while (!serializer.done()) {
        line += std::string_view{serializer.read(room.data(), room.size())};
    }
}

struct JsonValue {
    std::string& line;

    void operator()(std::monostate /*nothing*/) const {}
    void operator()(std::string_view text) const { append_json_string(line, text); }
    void operator()(std::chrono::microseconds time) const {
        fmt::format_to(std::back_inserter(line), "{}", static_cast<double>(time.count()) / 1000.0);
    }
    void operator()(const auto& number) const { fmt::format_to(std::back_inserter(line), FMT_COMPILE("{}"), number); }
};

void append_member(std::string& line, std::string_view name, const Field::Value& value) {
    fmt::format_to(std::back_inserter(line), "\"{}\":", name);
    std::visit(JsonValue{line}, value);
}

void append_members(std::string& line, Fields fields, const std::optional<Rest>& rest, std::string_view message) {
    for (const auto& field : fields) {
        if (field.is_there()) {
            append_member(line, field.name(), field.value());
            line.push_back(',');
        }
    }
    if (rest) {
        append_member(line, rest->name, rest->text);
        line.push_back(',');
    }
    append_member(line, "message", message);
}

// ---- lines ----------------------------------------------------------------------------------------------------------

void write_behind_fields(Level level, Fields fields, std::string_view message, bool is_quoted) {
    std::string line;
    line.reserve(usual_line);
    const bool is_json = writes_json.load(std::memory_order_relaxed);
    if (is_json) {
        append_members(line, fields, std::nullopt, message);
    } else {
        for (const auto& field : fields) {
            if (field.is_there()) {
                append_text_field(line, field);
                line.push_back(' ');
            }
        }
        (is_quoted ? append_quoted : append_printable)(line, message);
    }
    pass_on(level, line, is_json);
}

} // namespace

void to_standard_error() {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("pdpp"));
}

void set_up(const Options& options) {
    writes_json.store(options.format == "json", std::memory_order_relaxed);
    spdlog::set_formatter(std::make_unique<Formatter>());
    spdlog::set_level(spdlog::level::from_str(options.level));
}

bool is_on(Level level) noexcept {
    return spdlog::should_log(level_of(level));
}

void write_formatted(Level level, Fields fields, fmt::string_view message, fmt::format_args arguments) {
    const std::string_view as_it_is{message.data(), message.size()};
    if (as_it_is.find_first_of("{}") == std::string_view::npos) {
        return write_behind_fields(level, fields, as_it_is, false);
    }
    write_behind_fields(level, fields, fmt::vformat(message, arguments), false);
}

void write(Level level, Fields fields, Quoted message) {
    if (is_on(level)) {
        write_behind_fields(level, fields, message.text, true);
    }
}

void write(Level level, std::string_view message, Fields fields, const std::optional<Rest>& rest) {
    if (!is_on(level)) {
        return;
    }
    std::string line;
    line.reserve(usual_line);
    const bool is_json = writes_json.load(std::memory_order_relaxed);
    if (is_json) {
        append_members(line, fields, rest, message);
    } else {
        append_printable(line, message);
        for (const auto& field : fields) {
            if (field.is_there()) {
                line.push_back(' ');
                append_text_field(line, field);
            }
        }
        if (rest) {
            line.push_back(' ');
            line += rest->label;
            append_printable(line, rest->text);
        }
    }
    pass_on(level, line, is_json);
}

} // namespace pdpp::log
