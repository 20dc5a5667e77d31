#include "run/instant.hpp"

#include <chrono>
#include <ctime>

namespace pdpp::run {

namespace {

/// The last two digits.
void append_two(Text<32>& text, std::int64_t number) {
    text.append(static_cast<char>('0' + number / 10 % 10));
    text.append(static_cast<char>('0' + number % 10));
}

} // namespace

Text<32> rfc3339(Instant instant) {
    using namespace std::chrono;
    const sys_time<microseconds> time{microseconds{instant.unix_micros}};
    const auto second = floor<seconds>(time);
    const std::int64_t millisecond = floor<milliseconds>(time - second).count();
    const std::time_t unix_second = second.time_since_epoch().count();
    std::tm clock{};
    gmtime_r(&unix_second, &clock); // gcc 10, with which PostgreSQL 13 was shipped, has no calendar in <chrono>
    const int year = clock.tm_year + 1900;

    Text<32> text;
    append_two(text, year / 100);
    append_two(text, year);
    text.append('-');
    append_two(text, clock.tm_mon + 1);
    text.append('-');
    append_two(text, clock.tm_mday);
    text.append('T');
    append_two(text, clock.tm_hour);
    text.append(':');
    append_two(text, clock.tm_min);
    text.append(':');
    append_two(text, clock.tm_sec);
    text.append('.');
    text.append(static_cast<char>('0' + millisecond / 100));
    append_two(text, millisecond);
    text.append('Z');
    return text;
}

} // namespace pdpp::run
