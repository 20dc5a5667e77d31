#include "run/instant.hpp"

#include <chrono>

namespace pdpp::run {

namespace {

void append_padded(Text<32>& text, std::int64_t number, int width) {
    std::int64_t unit = 1;
    for (int i = 1; i < width; ++i) {
        unit *= 10;
    }
    for (; unit > 0; unit /= 10) {
        text.append(static_cast<char>('0' + number / unit % 10));
    }
}

} // namespace

Text<32> rfc3339(Instant instant) {
    using namespace std::chrono;
    const sys_time<microseconds> time{microseconds{instant.unix_micros}};
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{floor<milliseconds>(time - day)};

    Text<32> text;
    append_padded(text, static_cast<int>(date.year()), 4);
    text.append('-');
    append_padded(text, static_cast<unsigned>(date.month()), 2);
    text.append('-');
    append_padded(text, static_cast<unsigned>(date.day()), 2);
    text.append('T');
    append_padded(text, clock.hours().count(), 2);
    text.append(':');
    append_padded(text, clock.minutes().count(), 2);
    text.append(':');
    append_padded(text, clock.seconds().count(), 2);
    text.append('.');
    append_padded(text, clock.subseconds().count(), 3);
    text.append('Z');
    return text;
}

} // namespace pdpp::run
