#include "text/shell.hpp"

#include <algorithm>

namespace pdpp {

std::string in_shell(std::string_view word) {
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view{"_-./:@%+,="}.find(c) != std::string_view::npos;
    };
    if (!word.empty() && std::ranges::all_of(word, is_plain)) {
        return std::string{word};
    }
    std::string quoted = "'";
    for (const char c : word) {
        quoted += c == '\'' ? R"('\'')" : std::string(1, c);
    }
    return quoted + "'";
}

} // namespace pdpp
