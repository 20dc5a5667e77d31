#include "http/pages/times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace pdpp::http {

namespace {

using std::chrono::milliseconds;

std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
    int number = 0;
    const char* const begin = text.data() + from;
    const auto [stop, failure] = std::from_chars(begin, begin + count, number);
    return failure == std::errc{} && stop == begin + count ? std::optional(number) : std::nullopt;
}

} // namespace

std::optional<std::int64_t> millis_of(std::string_view time) {
    namespace chrono = std::chrono;
    if (time.size() != 24 || time[4] != '-' || time[7] != '-' || time[10] != 'T' || time[13] != ':' ||
        time[16] != ':' || time[19] != '.' || time[23] != 'Z') {
        return std::nullopt;
    }
    const auto year = digits(time, 0, 4);
    const auto month = digits(time, 5, 2);
    const auto day = digits(time, 8, 2);
    const auto hour = digits(time, 11, 2);
    const auto minute = digits(time, 14, 2);
    const auto second = digits(time, 17, 2);
    const auto milli = digits(time, 20, 3);
    if (!year || !month || !day || !hour || !minute || !second || !milli) {
        return std::nullopt;
    }
    const chrono::year_month_day date{chrono::year{*year}, chrono::month{static_cast<unsigned>(*month)},
                                      chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) {
        return std::nullopt;
    }
    const auto instant = chrono::sys_days{date} + chrono::hours{*hour} + chrono::minutes{*minute} +
                         chrono::seconds{*second} + milliseconds{*milli};
    return chrono::duration_cast<milliseconds>(instant.time_since_epoch()).count();
}

std::int64_t millis_now() {
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

std::string time_of(std::int64_t millis) {
    namespace chrono = std::chrono;
    const chrono::sys_time<milliseconds> instant{milliseconds{millis}};
    const auto day = chrono::floor<chrono::days>(instant);
    const chrono::year_month_day date{day};
    const chrono::hh_mm_ss clock{instant - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string readable_time(std::string_view time) {
    if (!millis_of(time)) {
        return std::string{time};
    }
    return fmt::format("{} {} UTC", time.substr(0, 10), time.substr(11, 12));
}

std::string duration(std::int64_t millis) {
    millis = std::max<std::int64_t>(millis, 0);
    const auto seconds = millis / 1000;
    if (seconds < 1) {
        return fmt::format("{} ms", millis);
    }
    if (seconds < 60) {
        return fmt::format("{}.{} s", seconds, millis % 1000 / 100);
    }
    if (seconds < 3600) {
        return fmt::format("{} min {} s", seconds / 60, seconds % 60);
    }
    if (seconds < 86400) {
        return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
    }
    return fmt::format("{} d {} h", seconds / 86400, seconds % 86400 / 3600);
}

std::string grouped(std::int64_t number) {
    return grouped(std::to_string(number));
}

std::string grouped(std::string_view number) {
    std::string text{number};
    const std::size_t first_digit = text.starts_with('-') ? 1 : 0;
    for (std::size_t place = std::min(text.find('.'), text.size()); place > first_digit + 3;) {
        place -= 3;
        text.insert(place, 1, ',');
    }
    return text;
}

} // namespace pdpp::http
