#include "pq/standbys.hpp"

#include <boost/algorithm/string/predicate.hpp>

#include <algorithm>
#include <charconv>

namespace pdpp::pq {

namespace {

constexpr std::string_view blanks = " \t\n\r\f\v";

/// What stands in quotes, taken off the front of `rest`, which begins with one.
std::string take_quoted(std::string_view& rest) {
    std::string name;
    for (rest.remove_prefix(1); !rest.empty(); rest.remove_prefix(1)) {
        if (rest.front() == '"') {
            rest.remove_prefix(1);
            if (!rest.starts_with('"')) {
                break;
            }
        }
        name += rest.front();
    }
    return name;
}

} // namespace

AwaitedStandbys awaited_standbys(std::string_view setting) {
    AwaitedStandbys awaited;
    auto& names = awaited.names;
    while (!setting.empty()) {
        const char first = setting.front();
        if (first == '"') {
            names.push_back(take_quoted(setting));
        } else if (first == '(' && !names.empty()) { // FIRST 2 (…), ANY 2 (…), 2 (…)
            std::from_chars(names.back().data(), names.back().data() + names.back().size(), awaited.number);
            names.clear();
            setting.remove_prefix(1);
        } else if (first == '(' || first == ')' || first == ',' || blanks.find(first) != std::string_view::npos) {
            setting.remove_prefix(1);
        } else {
            const auto end = std::min(setting.find_first_of(" \t\n\r\f\v(),"), setting.size());
            names.emplace_back(setting.substr(0, end));
            setting.remove_prefix(end);
        }
    }
    if (awaited.number == 0 && !names.empty()) {
        awaited.number = 1;
    }
    return awaited;
}

std::size_t count_of(const AwaitedStandbys& awaited, std::string_view connected_names) {
    std::size_t count = 0;
    while (!connected_names.empty()) {
        const auto name = connected_names.substr(0, connected_names.find('\n'));
        connected_names.remove_prefix(std::min(name.size() + 1, connected_names.size()));
        count += std::ranges::any_of(awaited.names,
                                     [&](const auto& wanted) { return wanted == "*" || boost::iequals(wanted, name); })
                     ? 1
                     : 0;
    }
    return count;
}

} // namespace pdpp::pq
