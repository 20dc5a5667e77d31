#include "moving_in/instant.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace pdpp::moving_in {

namespace {

/// Takes `digits` digits off the front of `rest`.
std::optional<int> take_number(std::string_view& rest, std::size_t digits) {
    int number = 0;
    if (rest.size() < digits || rest.front() == '-') {
        return std::nullopt;
    }
    const char* const end = rest.data() + digits;
    const auto [stop, error] = std::from_chars(rest.data(), end, number);
    if (error != std::errc() || stop != end) {
        return std::nullopt;
    }
    rest.remove_prefix(digits);
    return number;
}

bool take(std::string_view& rest, std::string_view any_of) {
    if (rest.empty() || any_of.find(rest.front()) == std::string_view::npos) {
        return false;
    }
    rest.remove_prefix(1);
    return true;
}

/// `.5`, `.500123456`: what is beyond microseconds is cut off.
std::optional<std::int64_t> take_fraction(std::string_view& rest) {
    if (!take(rest, ".,")) {
        return 0;
    }
    std::int64_t micros = 0;
    std::int64_t unit = 100'000;
    bool any = false;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
        micros += (rest.front() - '0') * unit;
        unit /= 10;
        any = true;
        rest.remove_prefix(1);
    }
    return any ? std::optional(micros) : std::nullopt;
}

/// `Z`, `+02:00`, `-0530`, or nothing at all, in minutes.
std::optional<int> take_zone(std::string_view& rest) {
    if (rest.empty() || take(rest, "Zz")) {
        return 0;
    }
    const bool is_west = rest.front() == '-';
    if (!take(rest, "+-")) {
        return std::nullopt;
    }
    const auto hours = take_number(rest, 2);
    take(rest, ":");
    const auto minutes = rest.empty() ? std::optional(0) : take_number(rest, 2);
    if (!hours || !minutes || *hours > 15 || *minutes > 59) {
        return std::nullopt;
    }
    return (is_west ? -1 : 1) * (*hours * 60 + *minutes);
}

} // namespace

std::optional<std::int64_t> parse_instant(std::string_view text) {
    namespace chrono = std::chrono;
    const auto year = take_number(text, 4);
    const bool dash = take(text, "-");
    const auto month = dash ? take_number(text, 2) : std::nullopt;
    const bool other_dash = take(text, "-");
    const auto day = other_dash ? take_number(text, 2) : std::nullopt;
    if (!year || !month || !day || !take(text, "T t")) {
        return std::nullopt;
    }
    constexpr int none = -1;
    const int hour = take_number(text, 2).value_or(none);
    const int minute = take(text, ":") ? take_number(text, 2).value_or(none) : none;
    const int second = take(text, ":") ? take_number(text, 2).value_or(none) : none;
    if (hour == none || minute == none || second == none || hour > 23 || minute > 59 || second > 60) {
        return std::nullopt;
    }
    const auto fraction = take_fraction(text);
    const auto zone = fraction ? take_zone(text) : std::nullopt;
    const chrono::year_month_day date{chrono::year{*year}, chrono::month{static_cast<unsigned>(*month)},
                                      chrono::day{static_cast<unsigned>(*day)}};
    if (!zone || !text.empty() || !date.ok() || *year == 0) {
        return std::nullopt;
    }
    const auto at =
        chrono::sys_days{date} + chrono::hours{hour} + chrono::minutes{minute - *zone} + chrono::seconds{second};
    const chrono::year_month_day day_in_utc{chrono::floor<chrono::days>(at)};
    if (day_in_utc.year() < chrono::year{1} || day_in_utc.year() > chrono::year{9999}) {
        return std::nullopt; // which is written otherwise, or not at all
    }
    return chrono::duration_cast<chrono::microseconds>(at.time_since_epoch()).count() + *fraction;
}

std::string instant_text(std::int64_t unix_micros) {
    namespace chrono = std::chrono;
    const chrono::sys_time<chrono::microseconds> at{chrono::microseconds{unix_micros}};
    const auto day = chrono::floor<chrono::days>(at);
    const chrono::year_month_day date{day};
    const chrono::hh_mm_ss time{at - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                       time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

} // namespace pdpp::moving_in
