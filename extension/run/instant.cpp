#include "run/instant.hpp"

namespace pdpp::run {

namespace {

constexpr std::int64_t micros_in_a_day = std::int64_t{24} * 3600 * 1'000'000;

struct Date {
    std::int64_t year;
    std::int64_t month;
    std::int64_t day;
};

/// The date in the Gregorian calendar, so many days after 1970-01-01. Years are counted from March, so that a leap day
/// is the last of its year, in eras of 400, which all have as many days. gcc 10, with which PostgreSQL 13 was shipped,
/// has no calendar in <chrono>, and gmtime_r() takes three times as long.
constexpr Date date_of(std::int64_t days) {
    constexpr std::int64_t days_in_an_era = 146'097;
    const std::int64_t since_year_0 = days + 719'468;
    const std::int64_t era = (since_year_0 >= 0 ? since_year_0 : since_year_0 - days_in_an_era + 1) / days_in_an_era;
    const std::int64_t day_of_era = since_year_0 - era * days_in_an_era;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / (days_in_an_era - 1)) / 365;
    const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month = (5 * day_of_year + 2) / 153; // 0 is March
    return {.year = year_of_era + era * 400 + (month >= 10 ? 1 : 0),
            .month = month < 10 ? month + 3 : month - 9,
            .day = day_of_year - (153 * month + 2) / 5 + 1};
}

/// The last two digits.
constexpr void put_two(char* place, std::int64_t number) {
    place[0] = static_cast<char>('0' + number / 10 % 10);
    place[1] = static_cast<char>('0' + number % 10);
}

} // namespace

Text<32> rfc3339(Instant instant) {
    std::int64_t days = instant.unix_micros / micros_in_a_day;
    std::int64_t micros = instant.unix_micros % micros_in_a_day;
    if (micros < 0) {
        --days;
        micros += micros_in_a_day;
    }
    const Date date = date_of(days);
    const std::int64_t milliseconds = micros / 1000;
    const std::int64_t seconds = milliseconds / 1000;
    char text[] = "yyyy-mm-ddThh:mm:ss.mmmZ";
    put_two(text, date.year / 100);
    put_two(text + 2, date.year);
    put_two(text + 5, date.month);
    put_two(text + 8, date.day);
    put_two(text + 11, seconds / 3600);
    put_two(text + 14, seconds / 60 % 60);
    put_two(text + 17, seconds % 60);
    text[20] = static_cast<char>('0' + milliseconds / 100 % 10);
    put_two(text + 21, milliseconds);
    return Text<32>{{static_cast<const char*>(text), sizeof(text) - 1}};
}

} // namespace pdpp::run
