#include "cli/setup/name_list.hpp"

#include <boost/algorithm/string/replace.hpp>
#include <boost/algorithm/string/trim.hpp>

#include <algorithm>
#include <cstddef>

namespace pdpp::cli {

namespace {

/// What is in double quotes at the start of `rest`, which goes on behind them.
std::string take_quoted(std::string_view& rest) {
    std::string name;
    std::size_t i = 1;
    for (; i < rest.size(); ++i) {
        if (rest[i] == '"' && (i + 1 == rest.size() || rest[i + 1] != '"')) {
            break;
        }
        i += rest[i] == '"' ? 1 : 0; // doubled
        name += rest[i];
    }
    rest.remove_prefix(std::min(i + 1, rest.size()));
    return name;
}

std::string quoted_where_needed(const std::string& name) {
    if (!name.empty() && name.find_first_of(", \t\n\"") == std::string::npos) {
        return name;
    }
    return '"' + boost::algorithm::replace_all_copy(name, "\"", "\"\"") + '"';
}

} // namespace

std::vector<std::string> names_in(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty()) {
        list.remove_prefix(std::min(list.find_first_not_of(", \t\n\r"), list.size()));
        if (list.starts_with('"')) {
            names.push_back(take_quoted(list));
        } else if (!list.empty()) {
            const auto length = std::min(list.find(','), list.size());
            names.push_back(boost::algorithm::trim_copy(std::string{list.substr(0, length)}));
            list.remove_prefix(length);
        }
    }
    return names;
}

std::string with_name(std::string_view list, const std::string& name) {
    auto names = names_in(list);
    names.push_back(name);
    std::string text;
    for (const auto& each : names) {
        text.append(text.empty() ? "" : ", ").append(quoted_where_needed(each));
    }
    return text;
}

bool preloads_pdpp(std::string_view list) {
    return std::ranges::any_of(names_in(list), [](const std::string& library) {
        const auto name = library.substr(library.rfind('/') + 1);
        return name == "pdpp" || name == "pdpp.so";
    });
}

} // namespace pdpp::cli
