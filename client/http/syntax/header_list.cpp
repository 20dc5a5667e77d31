// Taking lists apart.

#include "http/syntax/header_list.hpp"

namespace pdpp::http {

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::string> header_list(const Request& request, field name) {
    const auto [first, last] = request.equal_range(name);
    if (first == last) {
        return std::nullopt;
    }
    std::string list;
    for (auto line = first; line != last; ++line) {
        list.append(list.empty() ? "" : ", ").append(line->value());
    }
    return list;
}

std::vector<std::string_view> elements_of(std::string_view list, char separator) {
    std::vector<std::string_view> elements;
    bool is_quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= list.size(); ++i) {
        if (i == list.size() || (list[i] == separator && !is_quoted)) {
            const auto element = trimmed(list.substr(begin, i - begin));
            if (!element.empty()) {
                elements.push_back(element);
            }
            begin = i + 1;
        } else if (list[i] == '"') {
            is_quoted = !is_quoted;
        } else if (list[i] == '\\' && is_quoted && i + 1 < list.size()) {
            ++i;
        }
    }
    return elements;
}

} // namespace pdpp::http
