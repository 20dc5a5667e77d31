#include "run/instant.hpp"

#include <chrono>

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
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{floor<milliseconds>(time - day)};

    Text<32> text;
    append_two(text, static_cast<int>(date.year()) / 100);
    append_two(text, static_cast<int>(date.year()));
    text.append('-');
    append_two(text, static_cast<unsigned>(date.month()));
    text.append('-');
    append_two(text, static_cast<unsigned>(date.day()));
    text.append('T');
    append_two(text, clock.hours().count());
    text.append(':');
    append_two(text, clock.minutes().count());
    text.append(':');
    append_two(text, clock.seconds().count());
    text.append('.');
    text.append(static_cast<char>('0' + clock.subseconds().count() / 100));
    append_two(text, clock.subseconds().count());
    text.append('Z');
    return text;
}

} // namespace pdpp::run
