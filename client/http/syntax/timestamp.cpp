#include "http/syntax/timestamp.hpp"

#include <chrono>
#include <regex>

namespace pdpp::http {

bool is_timestamp(std::string_view text) {
    // the hours, minutes and seconds that exist; the days are the calendar's business
    static const std::regex format(
        R"((\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d))",
        std::regex::icase | std::regex::optimize);
    constexpr std::size_t longest = std::string_view{"2026-01-31T08:09:10.123456789+00:00"}.size();
    std::cmatch parts;
    if (text.size() > longest || !std::regex_match(text.data(), text.data() + text.size(), parts, format)) {
        return false;
    }
    const auto number = [&](std::size_t part) { return std::stoi(parts[part].str()); };
    const std::chrono::year_month_day day{std::chrono::year{number(1)},
                                          std::chrono::month{static_cast<unsigned>(number(2))},
                                          std::chrono::day{static_cast<unsigned>(number(3))}};
    return number(1) > 0 && day.ok();
}

} // namespace pdpp::http
