#pragma once
// The log: lines on standard error, for people or for machines. A line is written from its parts, as text or as JSON,
// and nobody ever takes one apart. Any thread may write, and change what the log is like: each line is whole, and of
// one kind.

#include <fmt/format.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace pdpp::log {

enum class Level { debug, info, warning, error };

struct Options {
    std::string format = "text"; ///< or "json"
    std::string level = "info";  ///< the least that is written: the name of a level, or "off"

    friend bool operator==(const Options&, const Options&) = default;
};

/// To be called before anything is written.
void to_standard_error();

/// From now on the log is so.
void set_up(const Options& options);

[[nodiscard]] bool is_on(Level level) noexcept;

/// A name and what it stands for, which is only looked at while the line is written. Numbers are numbers in JSON too.
class Field {
  public:
    using Value =
        std::variant<std::monostate, std::string_view, std::int64_t, std::uint64_t, std::chrono::microseconds>;

    template <typename Text>
    requires std::convertible_to<const Text&, std::string_view> Field(std::string_view name, const Text& text)
        : name_(name), value_(std::string_view{text}) {}

    template <std::integral Number>
    Field(std::string_view name, Number number)
        : name_(name), value_(std::conditional_t<std::is_signed_v<Number>, std::int64_t, std::uint64_t>{number}) {}

    /// In milliseconds with three digits behind the point.
    Field(std::string_view name, std::chrono::microseconds time) : name_(name), value_(time) {}

    /// Left out if there is nothing.
    Field(std::string_view name, std::optional<std::string_view> text) : name_(name) {
        if (text) {
            value_ = *text;
        }
    }

    [[nodiscard]] bool is_there() const noexcept { return !std::holds_alternative<std::monostate>(value_); }
    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    [[nodiscard]] const Value& value() const noexcept { return value_; }

  private:
    std::string_view name_;
    Value value_;
};

using Fields = std::initializer_list<Field>;

/// The words of somebody else, as all that a line says: text has them in quotes.
struct Quoted {
    std::string_view text;
};

/// What ends a line, whatever it holds: text has it behind `label`, JSON as the member `name`.
struct Rest {
    std::string_view label;
    std::string_view name;
    std::string_view text;
};

/// Why it went wrong: `message=…`, and in JSON, whose `message` is another, `error`.
constexpr Rest because(std::string_view why) noexcept {
    return {"message=", "error", why};
}

// A line of text has its parts in the order in which they are given here. Values that are not plain visible ASCII are
// quoted, with their control characters escaped; other control characters are escaped where they stand. JSON has the
// fields as members, and then the `message`.

void write_formatted(Level level, Fields fields, fmt::string_view message, fmt::format_args arguments);

template <typename... Arguments>
void write(Level level, Fields fields, fmt::format_string<Arguments...> message, Arguments&&... arguments) {
    if (is_on(level)) {
        write_formatted(level, fields, message, fmt::make_format_args(arguments...));
    }
}

template <typename... Arguments>
void write(Level level, fmt::format_string<Arguments...> message, Arguments&&... arguments) {
    if (is_on(level)) {
        write_formatted(level, {}, message, fmt::make_format_args(arguments...));
    }
}

void write(Level level, Fields fields, Quoted message);

void write(Level level, std::string_view message, Fields fields, const std::optional<Rest>& rest = std::nullopt);

} // namespace pdpp::log
